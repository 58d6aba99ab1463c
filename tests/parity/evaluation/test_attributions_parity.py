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


def by_torch(kind, folder, encoding, label, steps, place=None):
    """The values of the tokens (T)."""
    model = getattr(transformers, kind).from_pretrained(folder, attn_implementation="eager").eval()
    ids, types = (torch.tensor(encoding[name]) for name in ("input_ids", "token_type_ids"))
    vectors = model.get_input_embeddings().weight.detach()[ids]
    text = torch.tensor([not special for special in encoding["special_tokens_mask"]])
    baseline = torch.where(text[:, None], model.get_input_embeddings().weight.detach()[0], vectors)
    points, weights = np.polynomial.legendre.leggauss(steps)
    values = torch.zeros(len(ids), dtype=torch.float64)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        path = (baseline + float(point) * (vectors - baseline)).requires_grad_()
        logits = model(inputs_embeds=path[None], token_type_ids=types[None]).logits[0]
        (logits if place is None else logits[place])[label].backward()
        values += weight * ((vectors - baseline) * path.grad).sum(dim=1).double()
    return values.numpy()


def words_of(spans, encoding, tokens, sequence=0):
    """The values of the words of one of the texts."""
    own = zip(encoding["offset_mapping"], encoding.sequence_ids(0), tokens, strict=True)
    own = [(stop, value) for (_, stop), number, value in own if number == sequence]
    return [sum(value for stop, value in own if begin < stop <= end) for begin, end in spans]


def opened(tmp_path, kind, opener="AutoModelForSequenceClassification", **options):
    folder = write_model(tmp_path / "model", base=KINDS[kind], **options)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "DebertaV2Tokenizer"}')
    return folder, getattr(deberta_c, opener).from_pretrained(folder)


def encoded(model, *texts):
    return model.tokenizer(
        *texts, return_offsets_mapping=True, return_special_tokens_mask=True, return_token_type_ids=True
    )


@pytest.mark.parametrize("kind", list(KINDS))
def test_integrated_gradients(tmp_path, kind):
    folder, model = opened(tmp_path, kind)
    found = deberta_c.explain(model, TEXT, label="spam", steps=12)
    encoding = encoded(model, TEXT)
    tokens = by_torch("AutoModelForSequenceClassification", folder, encoding, 1, 12)
    expected = words_of(found.spans, encoding, tokens)
    assert np.abs(expected).max() > 0.01
    assert found.values == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("kind", ["v3", "types", "bert"])
def test_integrated_gradients_of_a_pair(tmp_path, kind):
    folder, model = opened(tmp_path, kind)
    found = deberta_c.explain(model, TEXT, label="spam", text_pairs="free entry now", steps=12)
    encoding = encoded(model, TEXT, "free entry now")
    if "token_type_ids" not in model.tokenizer.model_input_names:
        encoding["token_type_ids"] = [0] * len(encoding["input_ids"])
    tokens = by_torch("AutoModelForSequenceClassification", folder, encoding, 1, 12)
    assert found.values == pytest.approx(words_of(found.spans, encoding, tokens), abs=2e-5)
    expected = words_of(found.pair_spans, encoding, tokens, 1)
    assert np.abs(expected).max() > 0.01
    assert found.pair_values == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("kind", ["v1", "v3", "bert"])
def test_integrated_gradients_of_the_label_of_a_word(tmp_path, kind):
    folder, model = opened(tmp_path, kind, "AutoModelForTokenClassification", head="tokens")
    found = deberta_c.explain(model, TEXT, label="spam", word="see", steps=12)
    encoding = encoded(model, TEXT)
    place = next(at for at, span in enumerate(encoding["offset_mapping"]) if TEXT[slice(*span)].strip() == "see")
    tokens = by_torch("AutoModelForTokenClassification", folder, encoding, 1, 12, place)
    expected = words_of(found.spans, encoding, tokens)
    assert np.abs(expected).max() > 0.01
    assert found.values == pytest.approx(expected, abs=2e-5)
