"""DataCollatorWithPadding beside that of transformers, on the same rows."""

import numpy as np
import pytest
import transformers

import deberta_c


@pytest.mark.parametrize("options", [{}, {"pad_to_multiple_of": 8}, {"padding": "max_length", "max_length": 12}])
@pytest.mark.parametrize("label", ["label", "label_ids", "labels", "score"])
def test_batches_are_those_of_transformers(options, label):
    directory = deberta_c.default_model()
    ours = deberta_c.AutoTokenizer.from_pretrained(directory)
    theirs = transformers.AutoTokenizer.from_pretrained(directory)
    rows = [{**ours(text), label: row} for row, text in enumerate(("Free entry!", "See you at home tonight", ""))]
    for padding_side in ("right", "left"):
        ours.padding_side = theirs.padding_side = padding_side
        got = deberta_c.DataCollatorWithPadding(ours, **options)(rows)
        expected = transformers.DataCollatorWithPadding(theirs, return_tensors="np", **options)(rows)
        assert set(got) == set(expected)
        for name in expected:
            assert got[name].dtype == expected[name].dtype
            np.testing.assert_array_equal(got[name], expected[name])
