"""The network against stored results of transformers in double precision; the checkpoints are drawn again here."""

import numpy as np
import pytest
from golden.draw import save
from golden.write_golden import CASES, HERE, case, kept

import deberta_c

TOLERANCE = 1e-5


@pytest.mark.parametrize("name", CASES)
def test_golden(name, tmp_path):
    config, tensors, ids, mask, types = case(name)
    save(tmp_path, config, tensors)
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    out = model(
        input_ids=ids, attention_mask=mask, token_type_ids=types, output_hidden_states=True, output_attentions=True
    )
    found = {"logits": out.logits, **kept(name, mask, out.hidden_states, out.attentions)}
    with np.load(HERE / f"{name}.npz") as expected:
        assert set(found) == set(expected.files)
        for part, values in found.items():
            assert values.shape == expected[part].shape, part
            np.testing.assert_allclose(values, expected[part], rtol=0, atol=TOLERANCE, err_msg=part)


@pytest.mark.parametrize("name", CASES)
def test_golden_arrays_prove_something(name):
    """Attention far from uniform, sequences that differ: a network that answers always the same cannot pass."""
    with np.load(HERE / f"{name}.npz") as expected:
        attention = expected["attentions"].astype(np.float64)
        entropy = -np.sum(attention * np.log(np.maximum(attention, 1e-30)), axis=-1)
        reached = np.count_nonzero(attention, axis=-1)
        assert 0.4 < np.mean(entropy / np.log(reached)) < 0.9
        assert np.ptp(expected["hidden"], axis=1).min() > 0.5
        if len(expected["logits"]) > 1:
            assert np.ptp(expected["logits"], axis=0).max() > 0.1
