"""From a directory to a tokenizer: the class, the files, errors, and the files that are written."""

import io
import json
import pickle
import struct
import warnings
import zipfile

import numpy as np
import pytest

import deberta_c
from deberta_c import AutoTokenizer
from deberta_c._files.atomic import new_files
from deberta_c._tokenizers.directory import AddedToken, open_tokenizer, trimmed_spans
from deberta_c._tokenizers.settings import RULES
from deberta_c._tokenizers.tokenizer_json import resolve_added
from deberta_c._tokenizers.vocabularies import read_spm
from tests.support.slowness import at_most
from tests.support.tiny_models import CONTROL, NORMAL, UNKNOWN, _field, spm_bytes
from tests.support.torch_bytes import legacy_bytes, zip_bytes

BERT_TOKENS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "hello",
    "world",
    "##s",
    "!",
    "Hello",
    "caf",
    "##e",
    "##é",
    "中",
]
BYTES = [chr(c) for c in (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))]
BYTES += [chr(0x100 + n) for n in range(68)]
MERGES = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("Ġ", "hello"), ("Ġ", "w")]
V1_TOKENS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", *BYTES, *map("".join, MERGES), "[MASK]"]
FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


def write(directory, **files):
    """Writes files by name, with _ for dots: str, bytes, or JSON of anything else."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, body in files.items():
        stem, _, ending = name.rpartition("_")
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        (directory / f"{stem}.{ending}").write_bytes(data)
    return directory


def bert(directory, **files):
    return write(
        directory, **{"vocab_txt": "\n".join(BERT_TOKENS) + "\n", "config_json": {"model_type": "bert"}, **files}
    )


def v1(directory, **files):
    vocab = {token: index for index, token in enumerate(V1_TOKENS)}
    merges = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in MERGES)
    return write(directory, vocab_json=vocab, merges_txt=merges, config_json={"model_type": "deberta"}, **files)


def v2(directory, **files):
    return write(directory, **{"spm_model": spm_bytes(), "config_json": {"model_type": "deberta-v2"}, **files})


def word_piece(**keys):
    """A small tokenizer.json."""
    vocab = {token: index for index, token in enumerate(BERT_TOKENS)}
    ids = {name: {"id": name, "ids": [vocab[name]], "tokens": [name]} for name in ("[CLS]", "[SEP]")}
    special = [{"SpecialToken": {"id": name, "type_id": 0}} for name in ids]
    return {
        "version": "1.0",
        "added_tokens": [{"id": vocab[name], "content": name, **FLAGS} for name in BERT_TOKENS[:5]],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special[0], {"Sequence": {"id": "A", "type_id": 0}}, special[1]],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, special[1], {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": ids,
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab,
        },
        **keys,
    }  # fmt: skip


def tokens(tokenizer, text, pair=None):
    return tokenizer.convert_ids_to_tokens(tokenizer(text, pair).input_ids)


def middle(tokenizer, text):
    return tokens(tokenizer, text)[1:-1]


# ---- which class, which file ----


@pytest.mark.parametrize(
    ("tokenizer_class", "model_type", "expected"),
    [
        (None, "bert", "BertTokenizer"),
        ("BertTokenizerFast", "deberta-v2", "BertTokenizer"),
        ("PreTrainedTokenizerFast", "bert", "PreTrainedTokenizerFast"),
        ("TokenizersBackend", None, "PreTrainedTokenizerFast"),
        ("XLMRobertaTokenizerFast", "bert", "PreTrainedTokenizerFast"),
        (None, "electra", "BertTokenizer"),
        (None, None, "PreTrainedTokenizerFast"),
    ],
)
def test_the_class_of_a_directory(tmp_path, tokenizer_class, model_type, expected):
    settings = {} if tokenizer_class is None else {"tokenizer_class": tokenizer_class}
    config = {} if model_type is None else {"model_type": model_type}
    write(tmp_path, tokenizer_json=word_piece(), tokenizer_config_json=settings, config_json=config)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert type(tokenizer).__name__ == expected
    assert middle(tokenizer, "Hello worlds") == ["hello", "world", "##s"]


@pytest.mark.parametrize(
    ("make", "expected"), [(bert, "BertTokenizer"), (v1, "DebertaTokenizer"), (v2, "DebertaV2Tokenizer")]
)
def test_the_files_decide_the_class_where_nothing_else_does(tmp_path, make, expected):
    make(tmp_path)
    assert type(AutoTokenizer.from_pretrained(tmp_path)).__name__ == expected
    (tmp_path / "config.json").unlink()
    assert type(AutoTokenizer.from_pretrained(tmp_path)).__name__ == expected


def test_config_json_may_name_the_class(tmp_path):
    bert(tmp_path, config_json={"model_type": "roberta", "tokenizer_class": "BertTokenizer"})
    assert type(AutoTokenizer.from_pretrained(tmp_path)).__name__ == "BertTokenizer"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no file with a vocabulary: no tokenizer.json, no spm.model"),
        ({"config_json": {"model_type": "bert"}}, "has no vocab.txt.*BertTokenizer is made of tokenizer.json or vocab"),
        (
            {"config_json": {"model_type": "deberta"}},
            "has no vocab.json.*tokenizer.json, vocab.json and merges.txt, or",
        ),
        ({"config_json": {"model_type": "deberta"}, "vocab_json": {"a": 0}}, "has no merges.txt, which holds"),
        ({"config_json": {"model_type": "deberta-v2"}}, "has no spm.model.*tokenizer.json or spm.model"),
        ({"tokenizer_config_json": {"tokenizer_class": "PreTrainedTokenizerFast"}}, "has no tokenizer.json"),
    ],
)
def test_missing_files_are_listed(tmp_path, files, message):
    write(tmp_path, **files)
    with pytest.raises(FileNotFoundError, match=message):
        AutoTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config_json": {"model_type": "gpt2"}}, "model_type is 'gpt2'; without a tokenizer.json"),
        ({"config_json": {"model_type": 3}}, "model_type is 3;"),
        ({"tokenizer_config_json": {"tokenizer_class": "CanineTokenizer"}}, "is 'CanineTokenizer'; without"),
        ({"tokenizer_config_json": {"tokenizer_class": 3}}, "tokenizer_class is 3; it must be a str"),
        ({"tokenizer_config_json": "[]"}, r"tokenizer_config\.json' holds a JSON list"),
        ({"special_tokens_map_json": "{"}, r"special_tokens_map\.json' is not JSON"),
        ({"config_json": "no"}, r"config\.json' is not JSON"),
        ({"tokenizer_config_json": {"added_tokens_decoder": {"x": {}}}}, "added_tokens_decoder does not map ids"),
        ({"tokenizer_config_json": {"added_tokens_decoder": {"1": 3}}}, "has the added token 3, which is not an object"),  # noqa: E501
        ({"added_tokens_json": {"<e>": "1"}}, "the token '<e>' has the id '1'; it must be an integer"),
    ],
)  # fmt: skip
def test_other_files_are_named(tmp_path, files, message):
    bert(tmp_path, **files)
    with pytest.raises(ValueError, match=message):
        AutoTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lower": True}, TypeError, "no option 'lower'; did you mean 'do_lower_case'"),
        ({"do_lower_case": "no"}, TypeError, "tokenizer option do_lower_case is 'no'; it must be true or false"),
        ({"split_by_punct": True}, TypeError, "split_by_punct is True, but BertTokenizer does not have it"),
        ({"padding_side": "up"}, ValueError, "padding_side is 'up'; it must be"),
        ({"model_max_length": 0}, ValueError, "model_max_length is 0; it must be an integer of at least 1"),
        ({"model_input_names": "input_ids"}, TypeError, "model_input_names is 'input_ids'; it must be a list"),
        ({"pad_token_type_id": 256}, ValueError, "pad_token_type_id is 256"),
        ({"pad_token": 7}, TypeError, "pad_token is 7; it must be a str"),
        ({"extra_special_tokens": 7}, TypeError, "extra_special_tokens is 7; it must be a list"),
        ({"pipeline": "HF6"}, ValueError, "pipeline is 'HF6'; give compatibility"),
        (
            {"compatibility": "sentencepiece"},
            ValueError,
            'compatibility is "sentencepiece", which DebertaV2Tokenizer has, but this',
        ),
        ({"byte_fallback": True, "compatibility": "transformers5"}, ValueError, "byte_fallback is true.*leave one out"),
    ],
)  # fmt: skip
def test_invalid_options(tmp_path, options, error, message):
    bert(tmp_path)
    with pytest.raises(error, match=message):
        AutoTokenizer.from_pretrained(tmp_path, **options)
    if error is ValueError and options.keys() & {"compatibility", "pipeline", "pad_token_type_id"}:
        return
    write(tmp_path, tokenizer_config_json=options)  # the file is named then
    if "no option" not in message and "does not have it" not in message:
        with pytest.raises(error, match=r"tokenizer_config\.json'"):
            AutoTokenizer.from_pretrained(tmp_path)


# ---- vocab.txt ----


def test_vocab_txt(tmp_path):
    bert(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokens(tokenizer, "Hello, worlds!", "hello") == [
        "[CLS]", "hello", "[UNK]", "world", "##s", "!", "[SEP]", "hello", "[SEP]"
    ]  # fmt: skip
    assert tokenizer("hello", "hello").token_type_ids == [0, 0, 0, 1, 1]
    assert middle(tokenizer, "café 中hello[MASK]") == ["caf", "##e", "中", "hello", "[MASK]"]
    assert tokenizer.pad_token_id == 0
    assert tokenizer.vocab_size == len(tokenizer) == len(BERT_TOKENS)
    assert middle(AutoTokenizer.from_pretrained(tmp_path, do_lower_case=False), "Hello café") == ["Hello", "caf", "##é"]
    assert middle(AutoTokenizer.from_pretrained(tmp_path, strip_accents=False), "Hello café") == ["hello", "caf", "##é"]
    assert middle(AutoTokenizer.from_pretrained(tmp_path, tokenize_chinese_chars=False), "中hello") == ["[UNK]"]
    write(tmp_path, tokenizer_config_json={"do_lower_case": False})
    assert middle(AutoTokenizer.from_pretrained(tmp_path), "Hello") == ["Hello"]
    assert middle(AutoTokenizer.from_pretrained(tmp_path, do_lower_case=True), "Hello") == ["hello"]


def test_lines_of_vocab_txt(tmp_path):
    lines = [*BERT_TOKENS, "hello", "", "world\u2003 \t", "bare"]
    bert(tmp_path, vocab_txt="\r\n".join(lines))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    size = len(BERT_TOKENS)
    assert tokenizer("hello world bare").input_ids[1:-1] == [size, size + 2, size + 3]
    assert len(tokenizer) == size + 4


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", r"vocab\.txt' is empty"),
        (" \n\n", r"vocab\.txt' is empty"),
        (b"[PAD]\n\xff", r"vocab\.txt' is not UTF-8"),
        ("[PAD]\nhello", r"vocab\.txt' has the model 'WordPiece' with unk_token '\[UNK\]', which its vocab does not"),
    ],
)
def test_broken_vocab_txt(tmp_path, body, message):
    bert(tmp_path, vocab_txt=body)
    with pytest.raises(ValueError, match=message):
        AutoTokenizer.from_pretrained(tmp_path)


def test_the_former_name_of_compatibility_warns(tmp_path):
    v2(tmp_path)
    with pytest.warns(FutureWarning, match='pipeline="SPM" has become compatibility="sentencepiece"') as found:
        former = AutoTokenizer.from_pretrained(tmp_path, pipeline="SPM")
    assert len(found) == 1
    assert former.compatibility == "sentencepiece"
    with pytest.raises(ValueError, match="compatibility is 'HF4'; it must be one of 'transformers4'"):
        AutoTokenizer.from_pretrained(tmp_path, compatibility="HF4")
    with pytest.raises(ValueError, match="pipeline is 'HF6'; give compatibility"):
        AutoTokenizer.from_pretrained(tmp_path, pipeline="HF6")
    write(tmp_path, tokenizer_config_json={"pipeline": "SPM"})  # as an earlier version saved it
    assert AutoTokenizer.from_pretrained(tmp_path).compatibility == "sentencepiece"


# ---- vocab.json and merges.txt ----


def test_byte_level_bpe(tmp_path):
    v1(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokens(tokenizer, "hello hello\u00e9", "w") == [
        "[CLS]", "hello", "Ġhello", "Ã", "©", "[SEP]", "w", "[SEP]"
    ]  # fmt: skip
    assert tokenizer("hello", "w").token_type_ids == [0, 0, 0, 1, 1]
    assert tokenizer("w  [MASK]").input_ids == [1, V1_TOKENS.index("w"), len(V1_TOKENS) - 1, 2]
    five = AutoTokenizer.from_pretrained(tmp_path, compatibility="transformers5")
    assert tokens(five, "hello", "w") == ["[CLS]", "hello", "[SEP]", "[SEP]", "w", "[SEP]"]
    assert five("hello", "w").token_type_ids == [0] * 6
    assert middle(five, "w  [MASK]") == ["w", "Ġ", "Ġ", "[MASK]"]
    spaced = AutoTokenizer.from_pretrained(tmp_path, add_prefix_space=True)
    assert middle(spaced, "hello") == ["Ġhello"]
    assert tokenizer.decode(tokenizer("hello é").input_ids, skip_special_tokens=True) == "hello é"


@pytest.mark.parametrize(
    ("tokenizer_class", "rule", "first"),
    [
        ("PreTrainedTokenizerFast", "transformers4", "hello"),
        ("PreTrainedTokenizerFast", "transformers5", "Ġhello"),
        ("TokenizersBackend", "transformers4", "Ġhello"),
    ],
)
def test_transformers_4_replaces_a_space_before_byte_level_bpe(tmp_path, tokenizer_class, rule, first):
    AutoTokenizer.from_pretrained(v1(tmp_path / "from"), add_prefix_space=True).save_pretrained(tmp_path / "saved")
    content = json.loads((tmp_path / "saved" / "tokenizer.json").read_text())
    content["pre_tokenizer"] = {
        "type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True
    }  # fmt: skip
    write(tmp_path / "model", tokenizer_json=content, tokenizer_config_json={"tokenizer_class": tokenizer_class})
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model", compatibility=rule)
    assert middle(tokenizer, "hello") == [first]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"merges_txt": "h e\nl l l\n"}, r"merges\.txt': line 2 is 'l l l', not two tokens"),
        ({"merges_txt": "h e\n\nl l\n"}, r"merges\.txt': line 2 is ''"),
        ({"merges_txt": b"h \xff\n"}, r"merges\.txt' is not UTF-8"),
        ({"merges_txt": "h zz\n"}, r"vocab\.json'.*"),
        ({"vocab_json": []}, r"vocab\.json' holds a JSON list"),
        ({"vocab_json": {}}, r"vocab\.json' has the model 'BPE' whose vocab is empty"),
        ({"vocab_json": {"a": -1}}, r"has ids outside"),
        ({"vocab_json": {"a": 2**40}}, r"has ids outside"),
        ({"vocab_json": {"a": 1.5}}, r"whose vocab has ids that are not integers"),
        ({"vocab_json": {"a": True}}, r"whose vocab has ids that are not integers"),
        ({"vocab_json": '{"\\ud800": 0}'}, r"vocab\.json'"),
    ],
)
def test_broken_bpe_files(tmp_path, files, message):
    write(v1(tmp_path), **files)
    with pytest.raises(ValueError, match=message):
        AutoTokenizer.from_pretrained(tmp_path)


# ---- bpe_encoder.bin ----


def legacy_content():
    """The same vocabulary as GPT-2 numbers it, and its order."""
    names = [*BYTES, *map("".join, MERGES)]
    encoder = {token: len(names) - index for index, token in enumerate(names)}
    symbols = [(str(encoder[token]), 9) for token in names]
    return {"dict_map": symbols, "vocab": MERGES, "encoder": encoder}


def dumped(value):
    return pickle.dumps(value, protocol=2)


def legacy_torch(content):
    """In the form of torch.save before zip files."""
    return legacy_bytes(dumped(content), {}, {})


def zipped(content):
    return zip_bytes(dumped(content), {})


@pytest.mark.parametrize("pack", [legacy_torch, zipped])
@pytest.mark.parametrize("as_text", [False, True])
def test_bpe_encoder(tmp_path, pack, as_text):
    content = legacy_content()
    if as_text:
        content["vocab"] = [" ".join(merge) for merge in MERGES]
    write(tmp_path / "old", bpe_encoder_bin=pack(content), config_json={"model_type": "deberta"})
    old, new = AutoTokenizer.from_pretrained(tmp_path / "old"), AutoTokenizer.from_pretrained(v1(tmp_path / "new"))
    assert len(old) == len(new)
    assert old.get_vocab() == new.get_vocab()
    for text in ("hello hello wé", "  [MASK] x"):
        assert old(text).input_ids == new(text).input_ids


class Evil:
    def __reduce__(self):
        return print, ("this must never run",)


def hostile():
    content = legacy_content()
    for pack in (legacy_torch, zipped):
        yield f"call, {pack.__name__}", pack({**content, "encoder": Evil()}), "asks for .*print"
    yield "class", legacy_torch({**content, "encoder": np.float32}), "asks for numpy"
    for case, pickled in (
        ("memo", b"]r\xff\xff\xff\x7f."),
        ("bytearray", b"\x96" + struct.pack("<Q", 2**40) + b"."),
        ("string", b"\x8d" + struct.pack("<Q", 2**40) + b"a."),
        ("persistent", b"X\x01\x00\x00\x00aQ."),
        ("extension", b"\x82\x01."),
        ("deep", b"]" * 100_000 + b"a" * 99_999 + b"."),
    ):
        yield case, legacy_bytes(b"\x80\x02" + pickled, {}, {}), "bpe_encoder"
    yield "nothing", b"", "0 bytes"
    yield "text", b"hello", "torch.save did not write"
    yield "a list", legacy_torch([1]), "TypeError"
    yield "no encoder", legacy_torch({"vocab": []}), "KeyError: 'encoder'"
    yield "no merges", legacy_torch({**content, "vocab": None}), "TypeError"
    yield "numbers", legacy_torch({**content, "encoder": {1: 2}}), "does not map str to int"
    yield "words", legacy_torch({**content, "encoder": {"a": "b"}}), "does not map str to int"
    yield "symbols", legacy_torch({**content, "dict_map": [(1, 2)]}), "a int where a str should be"
    colliding = {(2**61 - 1) * number: 1 for number in range(100_000)}
    yield "colliding", legacy_torch({**content, "encoder": colliding}), "a key of a dict is 2305843009213693951"
    shared = "a" * 100_000
    yield "shared", legacy_torch({**content, "vocab": [(shared, shared)] * 10_000}), "longer than the file"
    yield "no data.pkl", _zip_of("other"), "0 entries"
    yield "long", legacy_torch([None] * 2_000_000), "more than 2000000 operations"


def _zip_of(name):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"")
    return file.getvalue()


@pytest.mark.parametrize(("body", "message"), [pytest.param(b, m, id=name) for name, b, m in hostile()])
def test_hostile_pickles(tmp_path, capsys, body, message):
    write(tmp_path, bpe_encoder_bin=body, config_json={"model_type": "deberta"})
    with at_most(5), pytest.raises(ValueError, match=rf"bpe_encoder\.bin' is not a sound.*({message})"):
        AutoTokenizer.from_pretrained(tmp_path)
    assert capsys.readouterr().out == ""


# ---- spm.model ----


def test_spm_model_and_its_readings(tmp_path):
    v2(tmp_path)
    four, five, spm = (AutoTokenizer.from_pretrained(tmp_path, compatibility=name) for name in RULES)
    assert middle(four, "  hello   now ") == middle(spm, "  hello   now ") == ["▁hello", "▁now"]
    assert middle(five, "hello\tnow") == ["▁hello", "▁now"]
    assert "[UNK]" in middle(four, "hello\tnow")  # this file has no charsmap
    assert four.added_tokens_decoder == five.added_tokens_decoder | {
        3: deberta_c.AddedToken("[UNK]", normalized=True, special=True)
    }
    assert four.vocab_size == len(four) - 1 == len(read_spm(tmp_path / "spm.model"))
    same = AutoTokenizer.from_pretrained(tmp_path, byte_fallback=True)
    assert same("hello€").input_ids == spm("hello€").input_ids


def test_pieces_that_are_found_in_texts(tmp_path):
    def piece(text, kind, score=-1.0):
        fields = _field(1, text.encode())
        if score is not None:
            fields += _field(2, score)
        return _field(1, fields + _field(3, kind) if kind else fields)

    names = ["[PAD]", "[CLS]", "[SEP]"]
    data = b"".join(piece(name, CONTROL, 0.0) for name in names) + piece("[UNK]", UNKNOWN, 0.0)
    data += piece("▁a\x18\x03b", NORMAL) + piece("▁plain", 0) + piece("<user>", 4, None) + piece("ab\x18\x04", NORMAL)
    data += piece("▁", NORMAL) + piece("<ctl>", CONTROL)
    data += _field(2, _field(3, 1) + _field(40, 3)) + _field(3, _field(1, b"identity"))
    (tmp_path / "spm.model").write_bytes(data)
    spm = read_spm(tmp_path / "spm.model")
    assert [(id, control) for _, id, control in spm.added_pieces()] == [
        (0, True),
        (1, True),
        (2, True),
        (6, False),
        (9, True),
    ]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert [id for id, token in tokenizer.added_tokens_decoder.items() if token.special] == [0, 1, 2, 3, 9, 10]
    assert tokenizer("<user>").input_ids == [1, 6, 2]


@pytest.mark.parametrize("body", [b"\x0a", b"\x0a\x05\x0a\x03a", b"\xff" * 30, b"\x08\x01"])
def test_broken_spm_models(tmp_path, body):
    v2(tmp_path, spm_model=body, tokenizer_config_json={"unk_token": "<unk>"})
    with pytest.raises(ValueError, match=r"spm\.model' is not sound: .*; copy it again"):
        AutoTokenizer.from_pretrained(tmp_path)


def test_spm_model_of_another_network(tmp_path):
    """Refused by its pieces; a tokenizer_config.json that renames the special tokens lets it open."""
    without, unknown = _field(1, b"[PAD]"), _field(1, b"[UNK]") + _field(2, 0.0) + _field(3, UNKNOWN)
    other = _field(1, _field(1, b"<unk>") + _field(2, 0.0) + _field(3, UNKNOWN))
    sound = spm_bytes()
    assert without in sound
    assert _field(1, unknown) in sound
    v2(tmp_path, spm_model=sound.replace(without, _field(1, b"<pad>")))
    message = r"spm\.model' is not sound: {}; copy it again"
    with pytest.raises(ValueError, match=message.format(r"has no piece \[PAD\].*DeBERTa v2 or v3")):
        AutoTokenizer.from_pretrained(tmp_path)
    plain = _field(1, _field(1, b"[UNK]") + _field(2, 0.0) + _field(3, NORMAL))
    v2(tmp_path, spm_model=sound.replace(_field(1, unknown), other) + plain)
    with pytest.raises(ValueError, match=message.format(r"the piece of type UNKNOWN is '<unk>', not \[UNK\]")):
        AutoTokenizer.from_pretrained(tmp_path)
    v2(tmp_path, spm_model=sound.replace(_field(1, unknown), other), tokenizer_config_json={"unk_token": "<unk>"})
    assert AutoTokenizer.from_pretrained(tmp_path).unk_token_id == 3


# ---- which file wins ----


def changed_json(tmp_path):
    """A v2 directory whose tokenizer.json has other stages than spm.model."""
    files = open_tokenizer(v2(tmp_path), None, {})
    content = files.content()
    content["normalizer"] = {"type": "Lowercase"}
    return write(tmp_path, tokenizer_json=content)


def test_tokenizer_json_is_executed_as_it_is(tmp_path):
    changed_json(tmp_path)
    four = AutoTokenizer.from_pretrained(tmp_path)
    assert type(four).__name__ == "DebertaV2Tokenizer"
    assert middle(four, "HELLO  now") == ["▁hello", "▁", "▁now"]  # blanks stay
    five = AutoTokenizer.from_pretrained(tmp_path, compatibility="transformers5")
    assert middle(five, "HELLO  now") == ["▁", "[UNK]", "▁now"]
    spm = AutoTokenizer.from_pretrained(tmp_path, compatibility="sentencepiece")
    assert middle(spm, "hello  now") == ["▁hello", "▁now"]
    (tmp_path / "spm.model").unlink()
    assert AutoTokenizer.from_pretrained(tmp_path)("HELLO").input_ids == four("HELLO").input_ids
    with pytest.raises(FileNotFoundError, match=r"has no spm\.model"):
        AutoTokenizer.from_pretrained(tmp_path, compatibility="sentencepiece")


def test_transformers_5_takes_the_vocabulary_only(tmp_path):
    write(tmp_path, tokenizer_json=word_piece(), config_json={"model_type": "bert"})
    four, five = (AutoTokenizer.from_pretrained(tmp_path, compatibility=name) for name in list(RULES)[:2])
    assert tokens(four, "hello", "world") == ["hello", "[SEP]", "world"]
    assert tokens(five, "hello", "world") == ["[CLS]", "hello", "[SEP]", "world", "[SEP]"]
    assert middle(four, "é") == middle(five, "é") == ["[UNK]"]
    with pytest.raises(ValueError, match=r"tokenizer\.json' has a model of type 'WordPiece'; DebertaV2Tokenizer needs"):
        deberta_c.DebertaV2Tokenizer.from_pretrained(tmp_path, compatibility="transformers5")


def test_options_of_the_caller_change_a_tokenizer_json(tmp_path):
    write(tmp_path / "a", tokenizer_json=word_piece())
    assert middle(AutoTokenizer.from_pretrained(tmp_path / "a", do_lower_case=False), "Hello") == ["Hello"]
    with pytest.raises(ValueError, match=r"tokenizer\.json' has no stage for the option strip_accents"):
        AutoTokenizer.from_pretrained(tmp_path / "a", strip_accents=True)
    normalizer = {"type": "BertNormalizer", "lowercase": True, "strip_accents": None}
    write(tmp_path / "b", tokenizer_json=word_piece(normalizer=normalizer), config_json={"model_type": "bert"})
    assert middle(AutoTokenizer.from_pretrained(tmp_path / "b"), "CAFÉ") == ["caf", "##e"]
    assert middle(AutoTokenizer.from_pretrained(tmp_path / "b", strip_accents=False), "CAFÉ") == ["caf", "##é"]
    assert middle(AutoTokenizer.from_pretrained(tmp_path / "b", do_lower_case=False), "café") == ["caf", "##é"]


# ---- added tokens ----


def test_ids_of_added_tokens():
    added = [
        AddedToken("b", 9),
        AddedToken("[X]", 0),
        AddedToken(""),
        AddedToken("[Y]"),
        AddedToken("[X]", special=True),
    ]
    assert resolve_added(added, {"a": 0, "b": 1, "far": 7}, 3) == (
        AddedToken("b", 1),
        AddedToken("[X]", 3, special=True),
        AddedToken("[Y]", 4),
    )


@pytest.mark.parametrize("make", [bert, v1, v2])
def test_added_tokens_of_the_configuration(tmp_path, make):
    plain = AutoTokenizer.from_pretrained(make(tmp_path))
    size = len(plain)
    write(
        tmp_path,
        tokenizer_config_json={
            "added_tokens_decoder": {
                str(size + 1): {"content": "<two>"},
                str(size): {"content": "<one>", **FLAGS},
                str(plain.mask_token_id): {"content": "[MASK]", **FLAGS},
            },
            "additional_special_tokens": ["<three>", "<one>"],
            "eos_token": {"__type": "AddedToken", "content": "<end>", "rstrip": True},
        },
    )
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer("hello<one>hello<two>", add_special_tokens=False).input_ids.count(size) == 1
    assert tokenizer.convert_tokens_to_ids(["<one>", "<two>", "<end>", "<three>"]) == list(range(size, size + 4))
    assert len(tokenizer) == size + 4
    assert tokenizer.vocab_size == plain.vocab_size
    found = tokenizer.added_tokens_decoder
    assert found[size + 1] == deberta_c.AddedToken("<two>", normalized=True)
    assert found[size + 2] == deberta_c.AddedToken("<end>", rstrip=True, normalized=True, special=True)
    assert tokenizer.eos_token == "<end>"
    assert tokenizer.additional_special_tokens == ["<three>", "<one>"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AutoTokenizer.from_pretrained(tmp_path)


def test_files_of_before(tmp_path):
    bert(
        tmp_path,
        added_tokens_json={"<one>": 14, "<x>": 15},
        special_tokens_map_json={"mask_token": "<x>", "pad_token": {"content": "[PAD]", "lstrip": True}},
        tokenizer_config_json={"mask_token": "[MASK]"},
    )
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.mask_token == "<x>"
    assert tokenizer.added_tokens_decoder[14] == deberta_c.AddedToken("<one>", normalized=True)
    assert tokenizer.added_tokens_decoder[15] == deberta_c.AddedToken("<x>", special=True)
    assert tokenizer.added_tokens_decoder[0].lstrip
    write(tmp_path, tokenizer_config_json={"added_tokens_decoder": {}})  # then they are not read
    assert AutoTokenizer.from_pretrained(tmp_path).mask_token == "[MASK]"


@pytest.mark.parametrize("make", [bert, v1, v2])
def test_other_ids_than_claimed_warn(tmp_path, make):
    plain = AutoTokenizer.from_pretrained(make(tmp_path))
    size, mask = len(plain), plain.mask_token_id
    write(tmp_path, added_tokens_json={"<one>": size + 9, "[MASK]": 3})
    with pytest.warns(UserWarning, match=rf"'\[MASK\]' claims the id 3, but gets {mask}, as.*1 more") as caught:
        tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert caught[0].filename == __file__
    assert tokenizer.convert_tokens_to_ids("<one>") == size


def test_names_of_special_tokens(tmp_path):
    v2(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path, mask_token="<mask>")
    assert tokenizer.mask_token_id == len(tokenizer) - 1
    assert middle(tokenizer, "hello<mask>") == ["▁hello", "<mask>"]
    with pytest.raises(ValueError, match=r'adds or renames tokens.*compatibility="sentencepiece" does not have'):
        AutoTokenizer.from_pretrained(tmp_path, mask_token="<mask>", compatibility="sentencepiece")
    write(tmp_path / "json", tokenizer_json=word_piece(padding={"pad_token": "hello"}))
    bare = AutoTokenizer.from_pretrained(tmp_path / "json")
    assert bare.cls_token is None
    assert bare.pad_token == "hello"
    assert bare(["hello", "hello world"], padding=True).input_ids[0][-1] == bare.pad_token_id


# ---- what is written ----

TEXTS = ["hello  worlds! café 中x", "HELLO [MASK] hello", "", " x<one>y <two>", "[UNK]hello€"]


@pytest.mark.parametrize(
    ("make", "options", "expected"),
    [
        (bert, {}, "BertTokenizer"),
        (bert, {"do_lower_case": False, "tokenize_chinese_chars": False}, "BertTokenizer"),
        (bert, {"pad_token": "hello"}, "BertTokenizer"),
        (v1, {}, "PreTrainedTokenizerFast"),
        (v1, {"compatibility": "transformers5", "add_prefix_space": True}, "DebertaTokenizer"),
        (v2, {}, "PreTrainedTokenizerFast"),
        (v2, {"do_lower_case": True, "split_by_punct": True}, "PreTrainedTokenizerFast"),
        (v2, {"compatibility": "transformers5"}, "DebertaV2Tokenizer"),
        (v2, {"compatibility": "sentencepiece", "do_lower_case": True}, "DebertaV2Tokenizer"),
        (changed_json, {}, "PreTrainedTokenizerFast"),
    ],
)
@pytest.mark.parametrize("grown", [False, True])
def test_what_is_written_reads_back(tmp_path, make, options, expected, grown):
    make(tmp_path / "in")
    files = open_tokenizer(tmp_path / "in", None, {**options, "model_max_length": 77, "padding_side": "left"})
    if grown and files.rule == "SPM":
        with pytest.raises(ValueError, match='tokens cannot be added with compatibility="sentencepiece"'):
            files.with_added([AddedToken("<one>")])
        return
    if grown:
        files = files.with_added([AddedToken("<one>", lstrip=True), AddedToken("<two>", special=True)])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "in", **options)
    with new_files(tmp_path / "out" / "deep") as place:
        names = deberta_c._tokenizers.directory.write_tokenizer(files, place)
    assert sorted(names) == sorted(path.name for path in (tmp_path / "out" / "deep").iterdir())
    written = json.loads((tmp_path / "out" / "deep" / "tokenizer_config.json").read_text())
    assert written["tokenizer_class"] == expected
    again = open_tokenizer(tmp_path / "out" / "deep", None, {})
    assert again.added == files.added
    assert again.special == files.special
    assert again.options["model_max_length"] == 77
    assert again.options["padding_side"] == "left"
    for pairs in (None, TEXTS[::-1]):
        ours, theirs = (core.encode(TEXTS, pairs) for core in (files.core, again.core))
        assert ours[0].tolist() == theirs[0].tolist()
        assert ours[1].tolist() == theirs[1].tolist()
    if not grown:
        assert tokenizer(TEXTS).input_ids == AutoTokenizer.from_pretrained(tmp_path / "out" / "deep")(TEXTS).input_ids


def test_writing_over_what_was_read(tmp_path):
    v2(tmp_path, tokenizer_config_json={"custom": 1})
    before = AutoTokenizer.from_pretrained(tmp_path)
    before.save_pretrained(tmp_path)
    after = AutoTokenizer.from_pretrained(tmp_path)
    assert after(TEXTS).input_ids == before(TEXTS).input_ids
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["custom"] == 1


# ---- spans ----


def test_spans_lose_white_space():
    spans = np.array([[0, 2], [2, 5], [5, 6], [6, 8]], np.int32)
    strings = ["Ġa", "Ġbc", "Ġ", "d\u00a0"]
    assert trimmed_spans(spans, strings, prefix_space=False).tolist() == [[1, 2], [3, 5], [6, 6], [6, 7]]
    assert trimmed_spans(spans, strings, prefix_space=True).tolist() == [[0, 2], [3, 5], [6, 6], [6, 7]]
    several = trimmed_spans(np.array([[0, 5]], np.int32), ["  [M]"], prefix_space=True)
    assert several.tolist() == [[2, 5]]  # more than the one that may have been put there
