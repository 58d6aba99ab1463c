"""Ragged batches: a row's logits do not depend on its neighbours, nor on the threads."""

import numpy as np
import pytest

import deberta_c


@pytest.fixture(scope="module")
def model():
    return deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())


def padded(rows):
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for place, row in zip(ids, rows, strict=True):
        place[: len(row)] = row
    return {"input_ids": ids, "attention_mask": (np.arange(ids.shape[1]) < [[len(row)] for row in rows]).astype(int)}


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("typical", [20, 66, 200])
def test_neighbours_and_threads_change_nothing(model, threads, typical):
    rng = np.random.default_rng(typical)
    lengths = np.clip(rng.lognormal(np.log(typical), 0.8, 40), 1, 900).astype(int)
    rows = [rng.integers(4, model.config.vocab_size, length) for length in lengths]
    with deberta_c.threads(1):
        alone = np.concatenate([model(input_ids=[row]).logits for row in rows])
    with deberta_c.threads(threads):
        together = model(**padded(rows)).logits
    np.testing.assert_allclose(together, alone, rtol=0, atol=2e-6)
    assert np.ptp(alone, axis=0).max() > 0.1
