"""The checks of transformers' own test suites for every tokenizer class, live: settings, saving, adding, training."""

import itertools
import json
import warnings
from pathlib import Path

import pytest

import deberta_c
from benchmarks.tokenization.reference_tokenizers import v3
from deberta_c._tokenizers.recipes import OPTIONS
from tests.support.tiny_models import spm_bytes
from tests.unit.tokenizers.test_tokenizer_files import BERT_TOKENS, bert, v1, v2

transformers = pytest.importorskip("transformers", reason="the tokenizer parity suite needs transformers")
tokenizers = pytest.importorskip("tokenizers", reason="the tokenizer parity suite needs tokenizers")
transformers.logging.set_verbosity_error()

TEXTS = ["hello world", "", "  Hello, hello [MASK] world!  ", "unhappy hi hi hi", "see you at home", "h"]
PAIRS = ["world", "hello hello hello", "", "hi", "you [SEP] see", "at home now"]
SPECIAL = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"} | {
    "mask_token": "[MASK]"
}
CLASSES = ("BertTokenizer", "DebertaTokenizer", "DebertaV2Tokenizer", "PreTrainedTokenizerFast")
COLUMNS = ("input_ids", "token_type_ids", "attention_mask", "special_tokens_mask", "offset_mapping")


def write(kind: str, folder: Path) -> Path:
    folder.mkdir()
    if kind == "PreTrainedTokenizerFast":
        v3(spm_bytes()).save(str(folder / "tokenizer.json"))
        config = {"tokenizer_class": kind, "model_input_names": ["input_ids", "attention_mask"], **SPECIAL}
    else:
        {"BertTokenizer": bert, "DebertaTokenizer": v1, "DebertaV2Tokenizer": v2}[kind](folder)
        config = {"tokenizer_class": kind}
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 12, **config}))
    return folder


def opened(kind: str, folder: Path, **options):
    """The tokenizer of deberta_c in the reading of transformers 5, and that of transformers."""
    rule = {} if kind == "PreTrainedTokenizerFast" else {"compatibility": "transformers5"}
    theirs = transformers.AutoTokenizer.from_pretrained(folder, **options)
    return deberta_c.AutoTokenizer.from_pretrained(folder, **rule, **options), theirs


@pytest.fixture(scope="module", params=CLASSES)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    return write(kind, tmp_path_factory.mktemp("tokenizers") / kind)


@pytest.fixture
def both(kind, folder):
    return opened(kind, folder)


def quietly(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


def rows(tokenizer, *inputs, **options):
    encoding = quietly(lambda: tokenizer(*inputs, **options))
    return {name: encoding[name] for name in COLUMNS if name in encoding}


ALL = {"return_special_tokens_mask": True, "return_offsets_mapping": True}


@pytest.mark.parametrize("sides", list(itertools.product(("left", "right"), repeat=2)), ids="-".join)
@pytest.mark.parametrize("paired", [False, True])
def test_padding_truncation_pairs_and_sides(both, sides, paired):
    for tokenizer in both:
        tokenizer.padding_side, tokenizer.truncation_side = sides
    inputs = (TEXTS, PAIRS) if paired else (TEXTS,)
    truncations = (False, True, "only_first") if not paired else (False, True)
    for padding, truncation, limit, multiple, special in itertools.product(
        (False, True, "max_length"), truncations, (None, 6, 9), (None, 4), (True, False)
    ):
        if multiple and limit and limit % multiple and padding:
            continue
        options = {"padding": padding, "truncation": truncation, "max_length": limit, "add_special_tokens": special}
        options |= {"pad_to_multiple_of": multiple, **ALL}
        found, expected = (rows(tokenizer, *inputs, **options) for tokenizer in both)
        assert found == expected, options


def test_one_text_is_a_batch_of_one(both):
    for text, pair in zip(TEXTS, PAIRS, strict=True):
        if not pair:  # in a single pair, an empty second text means no second text
            continue
        for tokenizer in both:
            one, batch = (rows(tokenizer, *inputs, **ALL) for inputs in ((text, pair), ([text], [pair])))
            assert {name: [column] for name, column in one.items()} == batch
        assert rows(both[0], text, pair, **ALL) == rows(both[1], text, pair, **ALL)


def test_padding_later_is_padding_at_once(both):
    for padding, multiple, side in itertools.product((True, "max_length"), (None, 8), ("left", "right")):
        options = {"padding": padding, "pad_to_multiple_of": multiple, "padding_side": side, "max_length": 16}
        padded = [quietly(lambda t=t: t.pad(t(TEXTS, truncation=False), **options)).data for t in both]  # noqa: B023
        assert padded[0] == padded[1]
        at_once = quietly(lambda: both[0](TEXTS, truncation=False, **options))  # noqa: B023
        assert padded[0] == at_once.data


def test_overflow(kind, both):
    names = [name for name in COLUMNS if name != "token_type_ids" or kind != "DebertaTokenizer"]
    for stride, paired in itertools.product((0, 1), (False, True)):
        options = {"max_length": 8, "stride": stride, "return_overflowing_tokens": True, "padding": "max_length"}
        options |= {"truncation": "only_first" if not paired else True, **ALL}
        inputs = (TEXTS, PAIRS) if paired else (TEXTS,)
        made = [quietly(lambda t=t: t(*inputs, **options)) for t in both]  # noqa: B023
        names = [name for name in (*names, "overflow_to_sample_mapping") if name in made[1]]
        assert {name: made[0][name] for name in names} == {name: made[1][name] for name in names}


def test_words_and_places(both):
    made = [tokenizer(TEXTS, PAIRS) for tokenizer in both]
    for row in range(len(TEXTS)):
        for method in ("word_ids", "sequence_ids", "tokens"):
            assert getattr(made[0], method)(row) == getattr(made[1], method)(row)
    words = [text.split() for text in TEXTS if text]
    made = [tokenizer(words, is_split_into_words=True, **ALL) for tokenizer in both]
    assert made[0].data == {name: made[1][name] for name in made[0]}
    assert [made[0].word_ids(row) for row in range(5)] == [made[1].word_ids(row) for row in range(5)]


def test_masks_of_special_tokens(both):
    for special in (True, False):
        for text, pair in zip(TEXTS, PAIRS, strict=True):
            ids = [tokenizer(text, pair, add_special_tokens=special).input_ids for tokenizer in both]
            masks = [
                t.get_special_tokens_mask(row, already_has_special_tokens=True)
                for t, row in zip(both, ids, strict=True)
            ]
            assert masks[0] == masks[1]
    ours = both[0]
    first, second = (ours(text, add_special_tokens=False).input_ids for text in ("hello world", "hello"))
    encoding = ours("hello world", "hello", return_special_tokens_mask=True, return_token_type_ids=True)
    assert ours.build_inputs_with_special_tokens(first, second) == encoding.input_ids
    assert ours.create_token_type_ids_from_sequences(first, second) == encoding.token_type_ids
    assert ours.get_special_tokens_mask(first, second) == encoding.special_tokens_mask
    assert ours.prepare_for_model(first, second).data == ours("hello world", "hello").data


@pytest.mark.parametrize(
    "name", ["max_len_single_sentence", "max_len_sentences_pair", "added_tokens_encoder", "is_fast"]
)
def test_attributes(both, name):
    assert getattr(both[0], name) == getattr(both[1], name)


def test_options_of_the_class_are_attributes(kind, both):
    for name in OPTIONS[kind]:
        assert getattr(both[0], name) == getattr(both[1], name), name


def test_the_vocabulary_in_order(both):
    found, expected = (tokenizer.get_vocab() for tokenizer in both)
    assert list(found.items()) == sorted(expected.items(), key=lambda entry: entry[1])


def grown(tokenizer):
    tokenizer.add_tokens(["new", "hello"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<q>"]})
    tokenizer.pad_token = "[MASK]"
    return tokenizer


def facts(tokenizer):
    texts = [*TEXTS, "a new <q> newhello <q>"]
    ids = [tokenizer(text).input_ids for text in texts]
    decoded = [tokenizer.decode(row, skip_special_tokens=skip) for row in ids for skip in (False, True)]
    names = ("pad_token_id", "cls_token", "mask_token_id", "padding_side", "model_max_length", "all_special_ids")
    return ids, decoded, len(tokenizer), [getattr(tokenizer, name) for name in names]


def test_growing_saving_and_opening(kind, folder, tmp_path):
    ours, theirs = (grown(tokenizer) for tokenizer in opened(kind, folder))
    assert facts(ours) == facts(theirs)
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    for name in ("ours", "theirs"):
        for again in opened(kind, tmp_path / name):
            assert facts(again) == facts(ours), name


@pytest.mark.parametrize("flags", [{}, {"lstrip": True}, {"normalized": True}, {"special": False}, {"special": True}])
@pytest.mark.parametrize("make", [deberta_c.AddedToken, tokenizers.AddedToken])
def test_flags_of_added_tokens(kind, folder, make, flags):
    """A token that a call makes special is normalized only if it says so."""
    calls = (
        lambda tokenizer, token: tokenizer.add_special_tokens({"eos_token": token}),
        lambda tokenizer, token: tokenizer.add_special_tokens({"additional_special_tokens": [token]}),
        lambda tokenizer, token: tokenizer.add_tokens([token], special_tokens=True),
        lambda tokenizer, token: tokenizer.add_tokens([token]),
    )
    for call in calls:
        found = []
        for tokenizer, token in zip(opened(kind, folder), (make, tokenizers.AddedToken), strict=True):
            call(tokenizer, token("[New]", **flags))
            last = tokenizer.added_tokens_decoder[len(tokenizer) - 1]
            names = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
            found.append((tokenizer("hello [New] [new]").input_ids, [getattr(last, name) for name in names]))
        assert found[0] == found[1]


def decoded(tokenizer, ids, options):
    return quietly(lambda: tokenizer.batch_decode(ids, **options))


def test_decoding(both):
    ids = [tokenizer(TEXTS).input_ids for tokenizer in both]
    options = itertools.product((False, True), (None, False, True), (True, False))
    for skip, clean, spaces in options:
        given = {"skip_special_tokens": skip, "clean_up_tokenization_spaces": clean}
        given["spaces_between_special_tokens"] = spaces
        found, expected = (decoded(t, r, given) for t, r in zip(both, ids, strict=True))
        assert found == expected, given
        assert quietly(lambda: [both[0].decode(row, **given) for row in ids[0]]) == found  # noqa: B023


def test_the_vocabulary_is_saved_as_the_library_does(tmp_path):
    folder = write("BertTokenizer", tmp_path / "BERT")
    model = tokenizers.models.WordPiece(dict(zip(BERT_TOKENS, itertools.count())), unk_token="[UNK]")
    (tmp_path / "library").mkdir()
    (path,) = model.save(str(tmp_path / "library"))
    (own,) = deberta_c.AutoTokenizer.from_pretrained(folder).save_vocabulary(tmp_path / "ours")
    assert Path(own).read_bytes() == Path(path).read_bytes()


def test_made_of_files_as_of_their_directory(kind, folder, tmp_path):
    _, theirs = opened(kind, folder)
    theirs.save_pretrained(tmp_path / "saved")
    cls = getattr(deberta_c, kind)
    rule = {} if kind == "PreTrainedTokenizerFast" else {"compatibility": "transformers5"}
    options = {**SPECIAL, "model_max_length": 12, **rule}
    made = [
        cls(tokenizer_file=tmp_path / "saved" / "tokenizer.json", **options),
        cls(tokenizer_object=theirs.backend_tokenizer, **options),
    ]
    files = {"BertTokenizer": ["vocab.txt"], "DebertaTokenizer": ["vocab.json", "merges.txt"]}
    files["DebertaV2Tokenizer"] = ["spm.model"]
    if kind in files:
        made.append(cls(*(folder / name for name in files[kind]), **options))
    for tokenizer in made:
        assert type(tokenizer) is cls
        for inputs in ((TEXTS,), (TEXTS, PAIRS)):
            found, expected = (rows(t, *inputs, truncation=True, padding=True) for t in (tokenizer, theirs))
            assert {name: found[name] for name in expected} == expected


def test_training(kind, both):
    texts = [["hello world", "see you at home", "hi hi hi"] * 5, ["a home world", "unhappy you"] * 5]
    given = {"vocab_size": 300 if kind == "DebertaTokenizer" else 40, "show_progress": False}
    found, expected = (tokenizer.train_new_from_iterator(texts, **given) for tokenizer in both)
    assert type(found) is type(both[0])
    if kind == "DebertaTokenizer":  # the trainers of the others number tokens of equal weight at random
        assert facts(found) == facts(expected)
    assert len(found) == len(expected)
    assert list(found.added_tokens_encoder) == list(expected.added_tokens_encoder)
    for name in ("cls_token_id", "sep_token", "pad_token_id", "model_max_length"):
        assert getattr(found, name) == getattr(expected, name)
    assert [found.decode(found(text).input_ids, skip_special_tokens=True) for text in ("hi hi", "see you")] == [
        "hi hi",
        "see you",
    ]
    renamed = {"special_tokens_map": {"[CLS]": "<s>"}, "new_special_tokens": ["<q>"], **given}
    found = both[0].train_new_from_iterator(texts, **renamed)
    assert found.cls_token == "<s>"
    assert found.convert_ids_to_tokens(found("hi <q>").input_ids)[0] == "<s>"
    assert "<q>" in found.tokenize("hi <q>")
