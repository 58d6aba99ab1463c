"""Integrated gradients beside the same integral by torch and transformers."""

import numpy as np
import pytest

import deberta_c
from tests.support.tiny_models import BERT, CONV, TINY, V1, write_model

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXT = "hello world, see you at home at home"
KINDS = {
    "v1": V1,
    "v3": TINY,
    "conv": CONV,
    "narrow": {**TINY, "embedding_size": 8},
    "types": {**TINY, "type_vocab_size": 2},
    "bert": BERT,
}


def by_torch(folder, ids, text_tokens, label, steps):
    """The values of the tokens (T)."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    vectors = model.get_input_embeddings().weight.detach()[torch.tensor(ids)]
    baseline = torch.where(torch.tensor(text_tokens)[:, None], model.get_input_embeddings().weight.detach()[0], vectors)
    points, weights = np.polynomial.legendre.leggauss(steps)
    values = torch.zeros(len(ids), dtype=torch.float64)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        path = (baseline + float(point) * (vectors - baseline)).requires_grad_()
        model(inputs_embeds=path[None]).logits[0, label].backward()
        values += weight * ((vectors - baseline) * path.grad).sum(dim=1).double()
    return values.numpy()


@pytest.mark.parametrize("kind", list(KINDS))
def test_integrated_gradients(tmp_path, kind):
    folder = write_model(tmp_path / "model", base=KINDS[kind])
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "DebertaV2Tokenizer"}')
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(folder)
    steps = 12
    found = deberta_c.explain(model, TEXT, label="spam", steps=steps)
    encoding = model.tokenizer(TEXT, return_offsets_mapping=True, return_special_tokens_mask=True)
    text_tokens = [not special for special in encoding["special_tokens_mask"]]
    tokens = by_torch(folder, encoding["input_ids"], text_tokens, 1, steps)
    expected = [
        sum(value for (_, stop), value in zip(encoding["offset_mapping"], tokens, strict=True) if begin < stop <= end)
        for begin, end in found.spans
    ]
    assert np.abs(expected).max() > 0.01
    assert found.values == pytest.approx(expected, abs=2e-5)
