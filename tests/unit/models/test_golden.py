"""The networks against stored results of transformers in double precision; the checkpoints are drawn again here."""

import numpy as np
import pytest

import deberta_c
from tests.golden.draw import class_name, save
from tests.golden.write_golden import CASES, HERE, case, kept

TOLERANCE = 1e-5


def logits_of(out):
    """The logits of any head, those of tokens (N, S, C)."""
    if "start_logits" in out:
        return np.stack([out.start_logits, out.end_logits], -1)
    return out.logits if "PreTraining" not in type(out).__name__ else out.logits[..., None]


@pytest.mark.parametrize("name", CASES)
def test_golden(name, tmp_path):
    config, tensors, arguments = case(name)
    save(tmp_path, config, tensors)
    model = getattr(deberta_c, class_name(config, CASES[name].head)).from_pretrained(tmp_path)
    out = model(**arguments, output_hidden_states=True, output_attentions=True)
    found = kept(name, arguments["attention_mask"], logits_of(out), out.hidden_states, out.attentions)
    with np.load(HERE / f"{name}.npz") as expected:
        assert set(found) == set(expected.files)
        for part, values in found.items():
            assert values.shape == expected[part].shape, part
            np.testing.assert_allclose(values, expected[part], rtol=0, atol=TOLERANCE, err_msg=part)


@pytest.mark.parametrize("name", CASES)
def test_golden_arrays_prove_something(name):
    """Attention is far from uniform and rows differ: a network with constant output cannot pass."""
    with np.load(HERE / f"{name}.npz") as expected:
        if len(expected["logits"]) > 1:
            assert np.ptp(expected["logits"], axis=0).max() > 0.1
        if CASES[name].head != "sequence":
            return
        attention = expected["attentions"].astype(np.float64)
        entropy = -np.sum(attention * np.log(np.maximum(attention, 1e-30)), axis=-1)
        reached = np.count_nonzero(attention, axis=-1)
        assert 0.4 < np.mean(entropy / np.log(reached)) < 0.9
        assert np.ptp(expected["hidden"], axis=1).min() > 0.5
