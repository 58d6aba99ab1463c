"""BERT with a mask of the keys that each query may attend to, beside transformers.

transformers 4 takes (N, S, S); transformers 5 takes the same mask as (N, 1, S, S) to be added to the scores.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import deberta_c  # noqa: E402


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    config = transformers.BertConfig(
        vocab_size=90,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        initializer_range=0.3,
        attn_implementation="eager",
    )
    torch.manual_seed(1)
    theirs = transformers.BertModel(config).eval()
    folder = tmp_path_factory.mktemp("bert")
    theirs.save_pretrained(folder)
    return theirs, deberta_c.AutoModel.from_pretrained(folder)


@pytest.mark.parametrize("width", [1, 5, 40, 230])
def test_states_and_attentions(models, width):
    theirs, ours = models
    random = np.random.default_rng(width)
    ids = random.integers(1, 90, (3, width))
    mask = (random.random((3, width, width)) < 0.5).astype(np.int64)
    mask[:, :, 0] = 1
    added = torch.tensor((1 - mask[:, None]) * np.finfo(np.float32).min, dtype=torch.float32)
    with torch.no_grad():
        expected = theirs(torch.tensor(ids), attention_mask=added, output_attentions=True, output_hidden_states=True)
    found = ours(ids, mask, output_attentions=True, output_hidden_states=True)
    np.testing.assert_allclose(found.last_hidden_state, expected.last_hidden_state, atol=3e-5)
    np.testing.assert_allclose(found.pooler_output, expected.pooler_output, atol=3e-5)
    for one, other in zip(found.attentions, expected.attentions, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for one, other in zip(found.hidden_states, expected.hidden_states, strict=True):
        np.testing.assert_allclose(one, other, atol=3e-5)
    pooled = ours(ids, mask).pooler_output
    np.testing.assert_allclose(pooled, expected.pooler_output, atol=3e-5)
