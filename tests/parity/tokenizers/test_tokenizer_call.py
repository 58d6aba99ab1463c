"""The call and the methods of a tokenizer beside those of transformers 5, argument by argument."""

import itertools
import json
import random
import warnings
from typing import Any

import numpy as np
import pytest

import deberta_c
from benchmarks.tokenization.reference_tokenizers import v3
from tests.parity.tokenizers.tokenizer_live import charsmap_keys, data_folder, generate

transformers = pytest.importorskip("transformers", reason="the tokenizer parity suite needs transformers")
transformers.logging.set_verbosity_error()

KINDS = {"v3 HF4": "deberta-v3", "v3 HF5": "deberta-v3", "v1 HF5": "deberta-v1", "BERT": "bert-base-uncased"}
CLASSES = {"deberta-v3": "DebertaV2Tokenizer", "deberta-v1": "DebertaTokenizer", "bert-base-uncased": "BertTokenizer"}
TEXTS = [
    "Hello, world!",
    "",
    "  A longer sentence, don't you think so?  ",
    "ﬁne ①  ｶﾞ™ [MASK] 日本語",
    "naïve café",
    "x",
]
PAIRS = ["the second", "of them", "", "is this one [SEP] here", "1,000.50 $5", "y z"]


@pytest.fixture(scope="module", params=KINDS)
def both(request, tmp_path_factory):
    """The tokenizers of deberta_c and of transformers, from the same files."""
    name = KINDS[request.param]
    source = data_folder() / "tokenizers" / name
    folder = tmp_path_factory.mktemp("tokenizer")
    if request.param == "v3 HF4":
        v3((source / "spm.model").read_bytes()).save(str(folder / "tokenizer.json"))
        special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
        special |= {"mask_token": "[MASK]", "bos_token": "[CLS]", "eos_token": "[SEP]"}
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": 24,
            "model_input_names": ["input_ids", "attention_mask"],
            **special,
        }
        options = {}
    else:
        for path in source.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        config = json.loads((source / "tokenizer_config.json").read_text())
        config |= {"tokenizer_class": CLASSES[name], "model_max_length": 24}
        options = {"compatibility": "transformers5"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    return deberta_c.AutoTokenizer.from_pretrained(folder, **options), theirs


def plain(value: Any) -> Any:
    """Arrays with their type, everything else as it is."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.tolist()
    return value


def called(tokenizer: Any, *inputs: Any, **options: Any) -> Any:
    """The mapping in its order, or the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            batch = tokenizer(*inputs, **options)
        except Exception as error:  # transformers has its own classes
            return error
        except BaseException as error:  # a panic of Rust
            if isinstance(error, KeyboardInterrupt):
                raise
            return ValueError(str(error))
    return {key: plain(value) for key, value in batch.items()}


def is_sane_here(found: Any, expected: Any, options: dict[str, Any]) -> bool:
    """What transformers does and deberta_c does not: arrays of objects for rows of unequal length, and cutting the
    second text of a row that has none."""
    if not isinstance(expected, dict) or not isinstance(found, ValueError):
        return False
    if options.get("truncation") == "only_second" and "there is no second text" in str(found):
        return True
    return any(isinstance(value, tuple) and value[0] == "object" for value in expected.values())


def compare(both: Any, cases: Any) -> int:
    shown, count = [], 0
    for inputs, options in cases:
        count += 1
        found, expected = (called(tokenizer, *inputs, **options) for tokenizer in both)
        if type(both[1]).__name__ == "DebertaTokenizer" and options.get("return_overflowing_tokens"):
            for result in (found, expected):  # in transformers later rows of a text have other types than the first
                isinstance(result, dict) and result.pop("token_type_ids", None)
        if isinstance(found, Exception) and isinstance(expected, Exception):
            if isinstance(found, (ValueError, TypeError)):
                continue
        elif (found == expected and list(found) == list(expected)) or is_sane_here(found, expected, options):
            continue
        shown.append(f"{inputs!a} {options}:\n  {found!a}\n  expected {expected!a}")
    assert not shown, f"{len(shown)} of {count} calls differ:\n" + "\n".join(shown[:6])
    return count


INPUTS = {
    "one": (TEXTS[0],),
    "batch": (TEXTS,),
    "pair": (TEXTS[2], PAIRS[3]),
    "pair without a second": (TEXTS[0], ""),
    "pairs": (TEXTS, PAIRS),
    "list of pairs": (list(zip(TEXTS, PAIRS, strict=True)),),
    "tuple": (tuple(TEXTS[:2]),),
    "batch of one": (TEXTS[:1],),
}


@pytest.mark.parametrize("inputs", INPUTS)
def test_padding_and_truncation(both, inputs):
    choices = {
        "padding": (False, True, "longest", "max_length", "do_not_pad"),
        "truncation": (None, False, True, "longest_first", "only_first", "do_not_truncate"),
        "max_length": (None, 7, 16, 40),
        "pad_to_multiple_of": (None, 8),
        "return_tensors": (None, "np"),
        "padding_side": (None, "left"),
    }
    cases = [
        (INPUTS[inputs], dict(zip(choices, values, strict=True))) for values in itertools.product(*choices.values())
    ]
    compare(both, cases)


@pytest.mark.parametrize("inputs", ["pair", "pairs", "list of pairs", "one", "empty second"])
def test_only_second(both, inputs):
    cases = [
        (
            INPUTS.get(inputs, ("see you at home tonight", "")),
            {"truncation": "only_second", "max_length": limit, "padding": padding},
        )
        for limit in (None, 6, 9, 12, 40)
        for padding in (False, True, "max_length")
    ]
    compare(both, cases)


@pytest.mark.parametrize("inputs", INPUTS)
def test_what_is_returned(both, inputs):
    flags = (
        *("return_token_type_ids", "return_attention_mask", "return_special_tokens_mask", "return_offsets_mapping"),
        *("return_length", "return_overflowing_tokens"),
    )
    cases = []
    for values in itertools.product((None, True), repeat=len(flags)):
        asked = {flag: True for flag, value in zip(flags, values, strict=True) if value}
        for more in (
            {},
            {"padding": True, "return_tensors": "np"},
            {"max_length": 10, "truncation": True, "stride": 2},
        ):
            cases.append((INPUTS[inputs], {**asked, **more}))
            cases.append((INPUTS[inputs], {**asked, **more, "add_special_tokens": False}))
    cases += [(INPUTS[inputs], {flag: False}) for flag in flags]
    compare(both, cases)


@pytest.mark.parametrize("side", ["right", "left"])
def test_overflow(both, side):
    for tokenizer in both:
        tokenizer.truncation_side = side
    long = [" ".join(TEXTS[:3] * count) for count in range(1, 5)]
    seconds = [" ".join(PAIRS[:3] * count) for count in (3, 1, 2, 1)]
    cases = []
    for limit, stride, padding, tensors in itertools.product((9, 12, 20), (0, 1, 3), (False, True), (None, "np")):
        common = {"max_length": limit, "stride": stride, "padding": padding, "return_tensors": tensors}
        common |= {"return_overflowing_tokens": True, "return_offsets_mapping": True}
        cases.append(((long[1],), {**common, "truncation": True}))
        cases.append(((long,), {**common, "truncation": True}))
        for strategy in ("only_first", "only_second", "longest_first"):
            cases.append(((long, seconds), {**common, "truncation": strategy}))
            cases.append(((long[3], seconds[1]), {**common, "truncation": strategy}))
    try:
        compare(both, cases)
    finally:
        for tokenizer in both:
            tokenizer.truncation_side = "right"


def test_words(both):
    one = ["Hello", ",", "", "naïve  café", "don't", "日本", "[MASK]", " x"]
    other = ["second", "text", ""]
    inputs = [
        (one,),
        (one, other),
        ([one, other, ["x"]],),
        ([one, other], [other, one]),
        ([(one, other), (other, one)],),
    ]
    options = [
        {}, {"padding": True}, {"return_offsets_mapping": True, "return_special_tokens_mask": True},
        {"truncation": True, "max_length": 8, "stride": 2, "return_overflowing_tokens": True},
        {"add_special_tokens": False},
    ]  # fmt: skip
    compare(both, [(own, {"is_split_into_words": True, **more}) for own in inputs for more in options])
    for own in inputs[:4]:
        found, expected = (tokenizer(*own, is_split_into_words=True) for tokenizer in both)
        for row in range(len(expected.encodings)):
            assert found.word_ids(row) == expected.word_ids(row)
            assert found.sequence_ids(row) == expected.sequence_ids(row)


def test_split_special_tokens(both):
    texts = ["[CLS] a[MASK] b [SEP]", "x [UNK] y", "[PAD][PAD]"]
    compare(both, [((texts,), {"split_special_tokens": value}) for value in (True, False, None)])


def test_wrong_inputs(both):
    wrong = [
        None,
        1,
        1.5,
        b"bytes",
        [None],
        ["a", None],
        [1],
        "\ud800",
        ["a", "\ud800"],
        {"a": 1},
        ["a", ["b"]],
        [["a"]],
    ]
    for value in wrong:
        found, expected = (called(tokenizer, value) for tokenizer in both)
        if isinstance(expected, Exception):
            assert isinstance(found, (ValueError, TypeError)), ascii(value)
    cases = [
        (("a", ["b"]), {}), ((["a"], "b"), {}), ((["a", "b"], ["c"]), {}), (("a",), {"padding": "long"}),
        (("a",), {"truncation": "both"}), (("a",), {"return_tensors": "tf"}), (("a",), {"is_split_into_words": True}),
        (("a",), {"truncation": "only_second", "max_length": 3}),
        (("a b c d e f",), {"truncation": True, "max_length": 5, "padding": True, "pad_to_multiple_of": 8}),
    ]  # fmt: skip
    for inputs, options in cases:
        found, expected = (called(tokenizer, *inputs, **options) for tokenizer in both)
        if isinstance(expected, Exception):
            assert isinstance(found, (ValueError, TypeError)), (inputs, options)


def everything(batch: Any, row: int, characters: int) -> list[Any]:
    """Everything that a BatchEncoding returns for a row, position by position."""
    length = len(batch.tokens(row))
    results = [batch.tokens(row), batch.word_ids(row), batch.sequence_ids(row)]
    for token in range(length):
        results.append((batch.token_to_chars(row, token), batch.token_to_word(row, token)))
        results.append(batch.token_to_sequence(row, token))
    words = {
        (word, of) for word, of in zip(batch.word_ids(row), batch.sequence_ids(row), strict=True) if of is not None
    }
    for word, sequence in sorted(words):
        results.append((batch.word_to_tokens(row, word, sequence), batch.word_to_chars(row, word, sequence)))
    for character in range(characters):
        for sequence in range(batch.n_sequences):
            results.append(batch.char_to_token(row, character, sequence))
            results.append(batch.char_to_word(row, character, sequence))
    return [tuple(value) if isinstance(value, tuple) else value for value in results]


@pytest.mark.parametrize("inputs", ["batch", "pairs"])
@pytest.mark.parametrize(
    "options", [{}, {"padding": True}, {"add_special_tokens": False}, {"truncation": True, "max_length": 9}]
)
def test_attributes_and_methods_of_an_encoding(both, inputs, options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, expected = (tokenizer(*INPUTS[inputs], **options) for tokenizer in both)
    assert found.n_sequences == expected.n_sequences
    assert found.is_fast
    assert expected.is_fast
    assert len(found.encodings) == len(expected.encodings)
    for row in range(len(TEXTS)):
        shortest = min(len(texts[row]) for texts in INPUTS[inputs])
        assert everything(found, row, shortest) == everything(expected, row, shortest)
        own, other = found[row], expected[row]
        for name in (
            "ids",
            "type_ids",
            "tokens",
            "offsets",
            "attention_mask",
            "special_tokens_mask",
            "word_ids",
            "sequence_ids",
        ):
            assert getattr(own, name) == getattr(other, name), name


def test_one_row_needs_no_number(both):
    found, expected = (tokenizer("Hello, world! naïve", "second text") for tokenizer in both)
    for name in ("tokens", "word_ids", "sequence_ids"):
        assert getattr(found, name)() == getattr(expected, name)()
    for position in range(6):
        assert found.char_to_token(position) == expected.char_to_token(position)
        assert found.token_to_word(position) == expected.token_to_word(position)
        assert found.char_to_token(position, sequence_index=1) == expected.char_to_token(position, sequence_index=1)
    assert tuple(found.token_to_chars(1)) == tuple(expected.token_to_chars(1))
    assert tuple(found.word_to_tokens(0)) == tuple(expected.word_to_tokens(0))
    assert found.token_to_chars(1).start == expected.token_to_chars(1).start
    assert dict(**found) == dict(**expected)
    assert list(found.keys()) == list(expected.keys())
    assert found.input_ids == expected.input_ids


def ids_of(both: Any, count: int, seed: int) -> list[list[int]]:
    draw = random.Random(seed)
    texts = list(
        generate(count, seed, ["ﬁ", "①"], ["Hello", "don't", "do not", "we 've", "it 's", "a , b", "x .", "n't"])
    )
    rows = both[1](texts).input_ids
    rows += [[draw.randrange(len(both[1]) + 5) for _ in range(draw.randint(0, 30))] for _ in range(count)]
    return rows


def test_decode(both):
    found, expected = both
    rows = ids_of(both, 800, 1)
    for options in (
        {}, {"skip_special_tokens": True}, {"clean_up_tokenization_spaces": True},
        {"clean_up_tokenization_spaces": False}, {"skip_special_tokens": True, "clean_up_tokenization_spaces": True},
    ):  # fmt: skip
        ours, theirs = found.batch_decode(rows, **options), expected.batch_decode(rows, **options)
        wrong = [(row, a, b) for row, a, b in zip(rows, ours, theirs, strict=True) if a != b]
        assert not wrong, f"{options}, {len(wrong)} of {len(rows)}: {wrong[0]!a}"
        assert [found.decode(row, **options) for row in rows[:30]] == theirs[:30]
    for value in (rows[0], np.array(rows[0]), rows[0][1], [], rows[:3], {"input_ids": rows[0]}):
        assert found.decode(value) == expected.decode(value), value
    with pytest.raises((OverflowError, ValueError)):
        found.decode([-1])


def test_tokens_and_ids(both):
    found, expected = both
    texts = [*TEXTS, *generate(300, 2, ["ﬁ", "①"], ["Hello", "don't", "日本"])]
    for text in texts:
        assert found.tokenize(text) == expected.tokenize(text), ascii(text)
        assert found.encode(text) == expected.encode(text), ascii(text)
        tokens = expected.convert_ids_to_tokens(expected.encode(text))
        assert found.convert_ids_to_tokens(expected.encode(text)) == tokens
        assert found.convert_tokens_to_ids(tokens) == expected.convert_tokens_to_ids(tokens)
        assert found.convert_tokens_to_string(tokens) == expected.convert_tokens_to_string(tokens), ascii(tokens)
    assert found.tokenize("a b", add_special_tokens=True) == expected.tokenize("a b", add_special_tokens=True)
    assert found.tokenize("a", pair="b") == expected.tokenize("a", pair="b")
    assert found.encode("a", "b", add_special_tokens=False) == expected.encode("a", "b", add_special_tokens=False)
    size = len(expected)
    for index in (0, 5, size - 1):
        assert found.convert_ids_to_tokens(index) == expected.convert_ids_to_tokens(index)
        for skip in (True, False):
            options = {"skip_special_tokens": skip}
            assert found.convert_ids_to_tokens([index], **options) == expected.convert_ids_to_tokens([index], **options)
    for token in ("[MASK]", "no such token", "a", ""):
        assert found.convert_tokens_to_ids(token) == expected.convert_tokens_to_ids(token)


def test_the_vocabulary(both):
    found, expected = both
    assert len(found) == len(expected)
    assert found.vocab_size == expected.vocab_size
    assert found.get_vocab() == expected.get_vocab()
    assert found.get_added_vocab() == expected.get_added_vocab()
    for pair in (False, True):
        assert found.num_special_tokens_to_add(pair) == expected.num_special_tokens_to_add(pair)
    for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"):
        for end in ("token", "token_id"):
            assert getattr(found, f"{name}_{end}") == getattr(expected, f"{name}_{end}"), name
    assert set(found.all_special_tokens) == set(expected.all_special_tokens)
    assert set(found.all_special_ids) == set(expected.all_special_ids)
    assert found.model_max_length == expected.model_max_length
    assert found.padding_side == expected.padding_side
    assert found.truncation_side == expected.truncation_side
    assert sorted(found.model_input_names) == sorted(expected.model_input_names)  # the order has no effect


def test_pad(both):
    rows = both[1]([*TEXTS], return_special_tokens_mask=True)
    as_list = [{key: rows[key][row] for key in rows} for row in range(len(TEXTS))]
    for inputs in (dict(rows), as_list, {"input_ids": rows.input_ids}, {"input_ids": rows.input_ids[0]}):
        for options in (
            {}, {"padding": "max_length", "max_length": 30}, {"pad_to_multiple_of": 8}, {"return_tensors": "np"},
            {"padding_side": "left"}, {"padding": False}, {"return_attention_mask": False},
        ):  # fmt: skip
            if "return_attention_mask" in options and "attention_mask" in (inputs[0] if inputs is as_list else inputs):
                continue  # transformers does not pad the mask that was given
            ours, theirs = (
                {key: plain(value) for key, value in tokenizer.pad(inputs, **options).items()} for tokenizer in both
            )
            assert ours == theirs, (inputs, options)


def opened(both: Any, folder: Any, compatibility: str | None) -> tuple[Any, Any]:
    options = {"compatibility": compatibility} if compatibility else {}
    return (
        deberta_c.AutoTokenizer.from_pretrained(folder, **options),
        transformers.AutoTokenizer.from_pretrained(folder),
    )


def texts_for(count: int, seed: int, extra: list[str]) -> list[str]:
    keys = charsmap_keys((data_folder() / "tokenizers" / "deberta-v3" / "spm.model").read_bytes())
    return list(generate(count, seed, keys, ["Hello", "don't", "naïve", *extra * 3]))


def test_saved_and_read_by_both(both, tmp_path):
    """What deberta_c saves is the same tokenizer when it and transformers open it without options."""
    texts = texts_for(800, 3, [])
    both[0].save_pretrained(tmp_path)
    for tokenizer in opened(both, tmp_path, None):
        for ask in ({}, {"return_offsets_mapping": True, "padding": True}):
            assert called(tokenizer, texts, **ask) == called(both[0], texts, **ask)
        assert called(tokenizer, texts, texts[::-1]) == called(both[0], texts, texts[::-1])
        rows = both[0](texts).input_ids
        assert tokenizer.batch_decode(rows) == both[0].batch_decode(rows)
        assert tokenizer.model_max_length == both[0].model_max_length
        assert tokenizer.mask_token_id == both[0].mask_token_id


@pytest.mark.parametrize("name", ["deberta-v3", "deberta-v1", "bert-base-uncased"])
@pytest.mark.parametrize("compatibility", ["transformers4", "transformers5"])
def test_published_ones_are_saved_as_they_are(name, compatibility, tmp_path):
    """The chosen reading is in the files."""
    source = data_folder() / "tokenizers" / name
    tokenizer = getattr(deberta_c, CLASSES[name]).from_pretrained(source, compatibility=compatibility)
    texts = texts_for(500, 4, [])
    tokenizer.save_pretrained(tmp_path)
    for again in opened(None, tmp_path, None):
        assert called(again, texts, texts[::-1]) == called(tokenizer, texts, texts[::-1])


def test_what_transformers_saves_is_read(both, tmp_path):
    both[1].save_pretrained(tmp_path)
    texts = texts_for(500, 5, [])
    read = opened(both, tmp_path, "transformers5")[0]
    assert called(read, texts, return_offsets_mapping=True) == called(both[1], texts, return_offsets_mapping=True)


def test_added_tokens(both, tmp_path):
    """Last, because it changes both tokenizers."""
    copies = []
    both[0].save_pretrained(tmp_path / "ours")
    for tokenizer in opened(both, tmp_path / "ours", None):
        added = [tokenizer.add_tokens(["<new>", "naïve", "Hello"]), tokenizer.add_tokens(["<new>"])]
        added.append(tokenizer.add_special_tokens({"additional_special_tokens": ["<one>", "<two>"]}))
        copies.append((tokenizer, added))
    (found, ours), (expected, theirs) = copies
    assert ours == theirs
    texts = texts_for(600, 6, ["<new>", "<one>", "<two>", "<new", "naïve", "a<one>b"])
    assert called(found, texts, return_offsets_mapping=True) == called(expected, texts, return_offsets_mapping=True)
    assert len(found) == len(expected)
    altered = expected.convert_tokens_to_ids(["naïve", "Hello"])  # in transformers some decode to their normalized form
    altered = {id for id in altered if expected.convert_ids_to_tokens(id) not in ("naïve", "Hello")}
    rows = [[id for id in row if id not in altered] for row in expected(texts).input_ids]
    for skip in (True, False):
        assert found.batch_decode(rows, skip_special_tokens=skip) == expected.batch_decode(
            rows, skip_special_tokens=skip
        )
    found.save_pretrained(tmp_path / "again")
    for again in opened(both, tmp_path / "again", None):
        assert called(again, texts) == called(found, texts)
