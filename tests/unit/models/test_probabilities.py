"""softmax and sigmoid for NumPy."""

import numpy as np
import pytest

import deberta_c


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax(axis: int, dtype: type) -> None:
    logits = np.random.default_rng(3).normal(0, 20, (4, 5)).astype(dtype)
    exponents = np.exp(logits.astype(np.float64))
    expected = exponents / exponents.sum(axis=axis, keepdims=True)
    before = logits.copy()
    found = deberta_c.softmax(logits, axis=axis)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(logits, before)


@pytest.mark.filterwarnings("error")
def test_large_logits_do_not_overflow() -> None:
    logits = np.array([[-1e30, 1e30], [1e4, 1e4], [-1e4, -1e4]], np.float32)
    assert deberta_c.softmax(logits).tolist() == [[0, 1], [0.5, 0.5], [0.5, 0.5]]
    assert deberta_c.sigmoid(np.float32([-1e30, 0, 1e30])).tolist() == [0, 0.5, 1]
    assert deberta_c.sigmoid(-87.0) == pytest.approx(np.exp(-87.0))


def test_nested_lists_are_accepted() -> None:
    assert deberta_c.softmax([0, 0]).tolist() == [0.5, 0.5]
    assert deberta_c.sigmoid(0) == 0.5
    assert deberta_c.softmax(np.zeros((0, 3), np.float32)).shape == (0, 3)
