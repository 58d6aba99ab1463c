"""The data collators beside those of transformers, on the same rows."""

import warnings

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


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mlm": False},
        {"mlm_probability": 0.4, "mask_replace_prob": 0.5, "random_replace_prob": 0.4, "pad_to_multiple_of": 8},
        {"mask_replace_prob": 0.0, "random_replace_prob": 1.0},
        {"whole_word_mask": True, "mlm_probability": 0.4},
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_masks_are_those_of_transformers(options, seed):
    directory = deberta_c.default_model()
    ours = deberta_c.AutoTokenizer.from_pretrained(directory)
    theirs = transformers.AutoTokenizer.from_pretrained(directory)
    texts = ("Free entry in a weekly competition!", "Congratulations, see you tonight", "unbelievably")
    rows = [dict(ours(text, return_special_tokens_mask=True, return_offsets_mapping=True)) for text in texts]
    if "whole_word_mask" not in options:
        rows = [{name: row[name] for name in row if name != "offset_mapping"} for row in rows]
    else:  # transformers takes spans only of rows of one length
        rows = rows[:1] * 3
    got = deberta_c.DataCollatorForLanguageModeling(ours, seed=seed, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = transformers.DataCollatorForLanguageModeling(theirs, return_tensors="np", seed=seed, **options)
    for _ in range(3):
        batch, wanted = got(rows), expected([dict(row) for row in rows])
        assert set(batch) == set(wanted)
        for name in wanted:
            np.testing.assert_array_equal(batch[name], wanted[name], err_msg=name)


def test_special_tokens_are_found_by_their_ids():
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    batch = deberta_c.DataCollatorForLanguageModeling(tokenizer, mlm_probability=1.0, seed=0)(
        [tokenizer("Free entry"), tokenizer("See you at home tonight, or in the morning")]
    )
    special = np.isin(np.where(batch["labels"] == -100, batch["input_ids"], 0), tokenizer.all_special_ids)
    assert special.all()
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    for options, message in (
        ({"mlm_probability": 1.5}, "mlm_probability is 1.5"),
        ({"mask_replace_prob": 0.8, "random_replace_prob": 0.3}, r"mask_replace_prob \+ random_replace_prob is 1.1"),
        ({"mlm": False, "whole_word_mask": True}, "mlm=False masks no token"),
    ):
        with pytest.raises(ValueError, match=message):
            deberta_c.DataCollatorForLanguageModeling(tokenizer, **options)
