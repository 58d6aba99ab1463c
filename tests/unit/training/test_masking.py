"""The published masking of n-grams, and how text files become rows."""

import gzip

import numpy as np
import pytest

import deberta_c
from deberta_c.training.blocks import read_blocks
from deberta_c.training.masking import NGramMasking


@pytest.fixture(scope="module")
def tokenizer():
    return deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())


def rows_of(tokenizer, count, length=512, seed=0):
    """Rows of random tokens that are not special."""
    ordinary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
    random = np.random.default_rng(seed)
    for _ in range(count):
        body = random.choice(ordinary, length - 2).astype(np.int32)
        yield np.concatenate(([tokenizer.cls_token_id], body, [tokenizer.sep_token_id])).astype(np.int32)


@pytest.mark.parametrize("max_gram", [1, 3])
def test_shares(tokenizer, max_gram):
    masking, random = NGramMasking(tokenizer, max_gram=max_gram), np.random.default_rng(1)
    chosen = hidden = same = total = 0
    for ids in rows_of(tokenizer, 150):
        masked, labels = masking(ids, random)
        of_row = labels != -100
        np.testing.assert_array_equal(labels[of_row], ids[of_row])
        np.testing.assert_array_equal(masked[~of_row], ids[~of_row])
        assert not of_row[[0, -1]].any()
        assert of_row.sum() <= round(0.15 * len(ids)) + 20
        total += len(ids)
        chosen += of_row.sum()
        hidden += (masked[of_row] == tokenizer.mask_token_id).sum()
        same += (masked[of_row] == ids[of_row]).sum()
    assert chosen / total == pytest.approx(0.15, abs=0.01)
    assert hidden / chosen == pytest.approx(0.8, abs=0.02)
    assert same / chosen == pytest.approx(0.1, abs=0.02)


def test_whole_words(tokenizer):
    """Tokens of a word are chosen together, and up to three words in a row."""
    ids = np.array(tokenizer("congratulations you have won an unbelievable competition " * 8)["input_ids"], np.int32)
    tokens = tokenizer.convert_ids_to_tokens(ids.tolist())
    special = np.isin(ids, tokenizer.all_special_ids)
    begins = np.array([token.startswith("\u2581") for token in tokens]) | special
    assert (~begins).any()
    masking = NGramMasking(tokenizer)
    for seed in range(50):
        chosen = masking(ids, np.random.default_rng(seed))[1] != -100
        inside = np.flatnonzero(~begins)
        np.testing.assert_array_equal(chosen[inside], chosen[inside - 1])
        assert chosen.any()
        assert not chosen[special].any()


def test_short_rows_and_only_masks(tokenizer):
    ids = np.array([tokenizer.cls_token_id, 300, tokenizer.sep_token_id], np.int32)
    masked, labels = NGramMasking(tokenizer, masked=1.0, kept=0.0)(ids, np.random.default_rng(0))
    assert masked.tolist() == [ids[0], tokenizer.mask_token_id, ids[2]]
    assert labels.tolist() == [-100, 300, -100]
    masked, labels = NGramMasking(tokenizer)(ids[[0, 2]], np.random.default_rng(0))
    assert masked.tolist() == ids[[0, 2]].tolist()
    assert (labels == -100).all()


def test_at_most_eighty_tokens(tokenizer):
    (ids,) = rows_of(tokenizer, 1, length=2000)
    masking = NGramMasking(tokenizer, max_gram=1)
    assert masking.most == 80
    assert (masking(ids, np.random.default_rng(0))[1] != -100).sum() == 80


def test_invalid_options(tokenizer):
    with pytest.raises(ValueError, match="mlm_probability is 0"):
        NGramMasking(tokenizer, probability=0)
    with pytest.raises(ValueError, match="max_gram is 0"):
        NGramMasking(tokenizer, max_gram=0)


def test_blocks_hold_all_tokens(tokenizer, tmp_path):
    lines = [f"this is line {number} of the file" for number in range(40)]
    (tmp_path / "a.txt").write_text("\n".join(lines[:25]) + "\n\n", encoding="utf-8")
    with gzip.open(tmp_path / "b.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines[25:]))
    blocks = read_blocks([tmp_path / "a.txt", tmp_path / "b.txt.gz"], tokenizer, 32)
    expected = []
    for line in lines:
        expected += [*tokenizer(line, add_special_tokens=False)["input_ids"], tokenizer.sep_token_id]
    rows = [blocks.row(number) for number in range(len(blocks))]
    assert np.concatenate([row[1:-1] for row in rows]).tolist() == expected[:-1]
    assert all((row[0], row[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id) for row in rows)
    assert [len(row) for row in rows[:-1]] == [32] * (len(rows) - 1)
    assert blocks.lengths().tolist() == [len(row) for row in rows]
    inputs = blocks.inputs(np.array([3, 1]))
    assert inputs["ids"].tolist() == [*rows[3], *rows[1]]
    assert inputs["offsets"].tolist() == [0, 32, 64]


def test_paragraphs(tokenizer, tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n\n\nthree\n", encoding="utf-8")
    blocks = read_blocks(tmp_path / "a.txt", tokenizer, 64, documents="paragraph")
    separator = tokenizer.sep_token_id
    encoded = tokenizer(["one two", "three"], add_special_tokens=False)["input_ids"]
    assert blocks.row(0).tolist() == [tokenizer.cls_token_id, *encoded[0], separator, *encoded[1], separator]


def test_split(tokenizer, tmp_path):
    (tmp_path / "a.txt").write_text("free entry in a weekly competition\n" * 100, encoding="utf-8")
    blocks = read_blocks(tmp_path / "a.txt", tokenizer, 16)
    train, held_out = blocks.split(0.1)
    assert len(held_out) == round(0.1 * len(blocks))
    assert len(train) + len(held_out) == len(blocks)
    found = sorted(tuple(part.row(number)) for part in (train, held_out) for number in range(len(part)))
    assert found == sorted(tuple(blocks.row(number)) for number in range(len(blocks)))
    with pytest.raises(ValueError, match=r"validation is 0\.001, which is 0 of"):
        blocks.split(0.001)


def test_files_that_cannot_be_read(tokenizer, tmp_path):
    (tmp_path / "empty.txt").write_text(" \n\n")
    (tmp_path / "latin.txt").write_bytes("grün\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"empty\.txt has no text"):
        read_blocks(tmp_path / "empty.txt", tokenizer, 16)
    with pytest.raises(ValueError, match=r"latin\.txt' is not UTF-8"):
        read_blocks(tmp_path / "latin.txt", tokenizer, 16)
    with pytest.raises(FileNotFoundError, match="absent"):
        read_blocks(tmp_path / "absent.txt", tokenizer, 16)
    with pytest.raises(ValueError, match="documents is 'page'"):
        read_blocks(tmp_path / "empty.txt", tokenizer, 16, documents="page")
    with pytest.raises(ValueError, match="max_length is 2"):
        read_blocks(tmp_path / "empty.txt", tokenizer, 2)
