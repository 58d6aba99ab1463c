"""Tokenizers that `tokenizers` builds from invented parts; deberta_c runs their tokenizer.json as written."""

import base64
import io
import itertools
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from deberta_c import AutoTokenizer
from tests.parity.tokenizers.tokenizer_live import Library, differences, generate, ours, read_model, sentencepiece

SPECIAL = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]
SYLLABLES = [
    "ka",
    "to",
    "mi",
    "Re",
    "the",
    "ing",
    "é",
    "e\u0301",
    "ß",
    "İ",
    "Σ",
    "да",
    "नि",
    "한",
    "日",
    "1",
    "20",
    "\u2019s",
    "'s",
]
PUNCTUATION = [".", ",", "!", "-", "(", "[", "$", "—", "。", "_", "▁", "##", "</w>", "<0x41>"]
BEHAVIORS = ["isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
ROUNDS = 120


def words(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [
        "".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) + draw.choice(["", "", ",", "."]) for _ in range(count)
    ]


def texts(count: int, seed: int, extra: tuple[str, ...] = ()) -> list[str]:
    """Texts of the words that the models were trained on, and of anything else."""
    return list(
        generate(
            count, seed, ["ﬁ", "①", "™", "\u200b", "ﾀ\uff9e", "\u2126"], words(400, 3) + PUNCTUATION + [*extra] * 8
        )
    )


def corpus() -> Iterator[str]:
    draw, vocabulary = random.Random(5), words(1500, 3)
    return (" ".join(draw.choices(vocabulary, k=10)) for _ in range(1500))


# ---- models ----


@pytest.fixture(scope="module")
def spm() -> bytes:
    """A small model with the charsmap of DeBERTa-v3 and with byte pieces."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=corpus(), model_writer=model, model_type="unigram", vocab_size=700, byte_fallback=True,
        minloglevel=2, hard_vocab_limit=False, unk_piece="[UNK]", unk_id=0, bos_id=-1, eos_id=-1,
    )  # fmt: skip
    return model.getvalue()


def unigram(spm: bytes, **options: Any) -> models.Unigram:
    pieces = [(piece.piece, piece.score) for piece in read_model(spm).pieces]
    return models.Unigram(pieces, unk_id=0, **options)


def wordpiece(prefix: str, longest: int) -> models.WordPiece:
    vocabulary = [*SPECIAL, *(char for word in words(1500, 3) for char in word)]
    tokens = dict.fromkeys(vocabulary)
    for word in words(700, 3):
        draw = random.Random(word)
        cut = draw.randint(1, len(word))
        tokens |= dict.fromkeys([word[:cut], prefix + word[cut:] if word[cut:] else word])
        tokens |= dict.fromkeys(prefix + char for char in word)
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return models.WordPiece(
        vocabulary, unk_token="[UNK]", continuing_subword_prefix=prefix, max_input_chars_per_word=longest
    )


def bpe(byte_level: bool = False, **options: Any) -> models.BPE:
    """A trained model, opened again with the options that matter for encoding."""
    affixes = {name: options[name] for name in ("continuing_subword_prefix", "end_of_word_suffix") if options.get(name)}
    trained = Tokenizer(models.BPE(**affixes))
    trained.pre_tokenizer = pre_tokenizers.ByteLevel() if byte_level else pre_tokenizers.Whitespace()
    special = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))] if options.get("byte_fallback") else SPECIAL
    alphabet = pre_tokenizers.ByteLevel.alphabet() if byte_level else []
    trained.train_from_iterator(
        corpus(),
        trainers.BpeTrainer(
            vocab_size=900, special_tokens=special, initial_alphabet=alphabet, show_progress=False, **affixes
        ),
    )
    found = json.loads(trained.to_str())["model"]
    return models.BPE(found["vocab"], [tuple(pair) for pair in found["merges"]], **options)


MODELS: dict[str, Callable[[bytes], Any]] = {
    "Unigram": unigram,
    "Unigram with bytes": lambda spm: unigram(spm, byte_fallback=True),
    "WordPiece": lambda _: wordpiece("##", 100),
    "WordPiece of short words": lambda _: wordpiece("@@", 5),
    "BPE of bytes": lambda _: bpe(byte_level=True),
    "BPE of bytes, whole words": lambda _: bpe(byte_level=True, ignore_merges=True),
    "BPE": lambda _: bpe(),
    "BPE with unknown": lambda _: bpe(unk_token="[UNK]"),
    "BPE with unknown, fused": lambda _: bpe(unk_token="[UNK]", fuse_unk=True),
    "BPE with bytes": lambda _: bpe(unk_token="[UNK]", byte_fallback=True),
    "BPE with a prefix": lambda _: bpe(unk_token="[UNK]", continuing_subword_prefix="##"),
    "BPE with a suffix": lambda _: bpe(unk_token="[UNK]", end_of_word_suffix="</w>"),
}

# ---- stages ----


def all_normalizers(spm: bytes) -> dict[str, Any]:
    charsmap = read_model(spm).normalizer_spec.precompiled_charsmap
    found = {
        "none": None,
        "lowercase": normalizers.Lowercase(),
        "strip": normalizers.Strip(),
        "strip left": normalizers.Strip(left=True, right=False),
        "strip right": normalizers.Strip(left=False, right=True),
        "accents": normalizers.StripAccents(),
        "NFC": normalizers.NFC(),
        "NFD": normalizers.NFD(),
        "NFKC": normalizers.NFKC(),
        "NFKD": normalizers.NFKD(),
        "precompiled": normalizers.Precompiled(charsmap),
        "prepend": normalizers.Prepend("▁"),
        "prepend word": normalizers.Prepend("to "),
        "replace": normalizers.Replace("a", "oo"),
        "replace by nothing": normalizers.Replace("ka", ""),
        "replace a space": normalizers.Replace(" ", "▁"),
        "replace many by few": normalizers.Replace("ing", "ñ"),
        "replace blanks": normalizers.Replace(Regex(" {2,}"), " "),
        "replace white space": normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " "),
        "NFD, accents, lowercase": normalizers.Sequence(
            [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]
        ),
        "lowercase, replace, NFC": normalizers.Sequence(
            [normalizers.Lowercase(), normalizers.Replace("é", "e"), normalizers.NFC(), normalizers.Strip()]
        ),
        "as v3": normalizers.Sequence(
            [normalizers.Strip(), normalizers.Precompiled(charsmap), normalizers.Replace(Regex(" {2,}"), " ")]
        ),
        "prepend, replace": normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        "nested": normalizers.Sequence(
            [normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]), normalizers.Strip()]
        ),
        "nothing": normalizers.Sequence([]),
    }
    for clean in (True, False):
        for chinese in (True, False):
            for accents in (None, True, False):
                for lower in (True, False):
                    found[f"Bert {clean} {chinese} {accents} {lower}"] = normalizers.BertNormalizer(
                        clean, chinese, accents, lower
                    )
    return found


def all_pretokenizers() -> dict[str, Any]:
    found = {
        "none": None,
        "white space": pre_tokenizers.WhitespaceSplit(),
        "words": pre_tokenizers.Whitespace(),
        "Bert": pre_tokenizers.BertPreTokenizer(),
        "punctuation, metaspace": pre_tokenizers.Sequence(
            [pre_tokenizers.Punctuation("isolated"), pre_tokenizers.Metaspace()]
        ),
        "white space, punctuation": pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous")]
        ),
        "metaspace, white space": pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first")]
        ),
        "metaspace of another sign": pre_tokenizers.Metaspace(replacement="_", prepend_scheme="always"),
    }
    for behavior in BEHAVIORS:
        found[f"punctuation {behavior}"] = pre_tokenizers.Punctuation(behavior)
        for invert in (False, True):
            found[f"split {behavior} {invert}"] = pre_tokenizers.Split("a", behavior, invert)
            found[f"split by words {behavior} {invert}"] = pre_tokenizers.Split(Regex(GPT2), behavior, invert)
            found[f"split at blanks {behavior} {invert}"] = pre_tokenizers.Split(" ", behavior, invert)
    for scheme in ("always", "first", "never"):
        for split in (True, False):
            found[f"metaspace {scheme} {split}"] = pre_tokenizers.Metaspace("▁", scheme, split)
    for prefix in (True, False):
        for regex in (True, False):
            found[f"bytes {prefix} {regex}"] = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)
    found["split by words, bytes"] = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(GPT2), "isolated", False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return found


def all_processors(tokenizer: Tokenizer) -> dict[str, Any]:
    special = [(name, tokenizer.token_to_id(name)) for name in SPECIAL]
    cls, sep = special[2], special[3]
    return {
        "none": None,
        "template": processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [cls, sep]),
        "template of types": processors.TemplateProcessing(
            "$A:3 [SEP]:4", "[CLS]:2 $B:1 [SEP] [SEP]:7 $A:5", [cls, sep]
        ),
        "template of many": processors.TemplateProcessing(
            "[CLS] [MASK] $0", "$A $B:1 [MASK]:1 [SEP]:1", [cls, sep, special[4]]
        ),
        "Bert": processors.BertProcessing(sep, cls),
        "Roberta": processors.RobertaProcessing(sep, cls, trim_offsets=False, add_prefix_space=False),
        "Roberta trims": processors.RobertaProcessing(sep, cls, trim_offsets=True, add_prefix_space=False),
        "Roberta trims, prefix": processors.RobertaProcessing(sep, cls, trim_offsets=True, add_prefix_space=True),
        "bytes": processors.ByteLevel(trim_offsets=False),
        "bytes trims": processors.ByteLevel(trim_offsets=True),
    }


DECODERS = {
    "none": None,
    "metaspace": decoders.Metaspace(),
    "metaspace never": decoders.Metaspace(prepend_scheme="never"),
    "metaspace of another sign": decoders.Metaspace(replacement="_"),
    "WordPiece": decoders.WordPiece(),
    "WordPiece as it is": decoders.WordPiece("@@", cleanup=False),
    "bytes": decoders.ByteLevel(),
    "BPE": decoders.BPEDecoder(),
    "byte pieces": decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    ),
    "strip": decoders.Strip("a", 1, 0),
}
ADDED = [
    AddedToken("<a>"),
    AddedToken("<b>", lstrip=True),
    AddedToken("<c>", rstrip=True, normalized=False),
    AddedToken("<d>", lstrip=True, rstrip=True, normalized=True),
    AddedToken("Kato", single_word=True),
    AddedToken("Éto", normalized=True),
    AddedToken("to ka", normalized=False),
    AddedToken("<a><b", normalized=False),
    AddedToken("mi", single_word=True, normalized=False),
]
IN_TEXTS = (*(token.content for token in ADDED), "kato", "éto", " <b> ", "<a", "Kato.", "[MASK]", "[SEP]")


# ---- the comparison ----


def save(tokenizer: Tokenizer, folder: Path, **config: Any) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]", **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def shown(tokenizer: Tokenizer) -> str:
    """The file without its vocabulary."""
    file = json.loads(tokenizer.to_str())
    model = {key: value for key, value in file.pop("model").items() if key not in ("vocab", "merges")}
    return json.dumps({**file, "model": model}, ensure_ascii=False)[:3000]


def check(tokenizer: Tokenizer, folder: Path, seed: int, count: int = 150) -> None:
    save(tokenizer, folder)
    read = AutoTokenizer.from_pretrained(folder, compatibility="transformers5")
    for pairs in (False, True):
        firsts = texts(count, seed, IN_TEXTS)
        seconds = texts(count, seed + 1, IN_TEXTS) if pairs else None
        found = differences(firsts, ours(read, firsts, seconds), Library(tokenizer).rows(firsts, seconds))
        assert not found.different, "\n".join([shown(tokenizer), *found.shown])
    firsts = texts(count, seed, IN_TEXTS)
    assert read(firsts).input_ids == [row.ids for row in ours(read, firsts)], "ids alone"


def made(model: Any) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


@pytest.fixture(scope="module")
def kinds(spm: bytes) -> dict[str, str]:
    """name of a model -> a tokenizer.json of the model alone."""
    return {name: made(make(spm)).to_str() for name, make in MODELS.items()}


def plain(kinds: dict[str, str], name: str) -> Tokenizer:
    """With the pre-tokenizer that belongs to the model."""
    tokenizer = Tokenizer.from_str(kinds[name])
    if "of bytes" in name:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
        tokenizer.decoder = decoders.ByteLevel()
    elif "Unigram" in name:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
    return tokenizer


@pytest.mark.parametrize("name", MODELS)
def test_models(name, kinds, tmp_path):
    check(plain(kinds, name), tmp_path, 1, 1500)


@pytest.mark.parametrize("name", ["Unigram", "WordPiece", "BPE of bytes"])
def test_normalizers(name, kinds, spm, tmp_path):
    for seed, stage in enumerate(all_normalizers(spm).values()):
        tokenizer = plain(kinds, name)
        if stage is not None:
            tokenizer.normalizer = stage
        check(tokenizer, tmp_path, seed)


@pytest.mark.parametrize("name", ["Unigram", "BPE with unknown"])
def test_pretokenizers(name, kinds, tmp_path):
    for seed, (kind, stage) in enumerate(all_pretokenizers().items()):
        if "bytes" in kind:
            continue
        tokenizer = Tokenizer.from_str(kinds[name])
        if stage is not None:
            tokenizer.pre_tokenizer = stage
        check(tokenizer, tmp_path, seed)


def test_byte_level(kinds, tmp_path):
    for seed, (kind, stage) in enumerate(all_pretokenizers().items()):
        if "bytes" in kind:
            tokenizer = plain(kinds, "BPE of bytes")
            tokenizer.pre_tokenizer = stage
            check(tokenizer, tmp_path, seed, 600)


@pytest.mark.parametrize("name", ["Unigram", "WordPiece", "BPE of bytes"])
def test_processors(name, kinds, tmp_path):
    for seed, kind in enumerate(all_processors(plain(kinds, name))):
        tokenizer = plain(kinds, name)
        stage = all_processors(tokenizer)[kind]
        if stage is not None:
            tokenizer.post_processor = stage
        check(tokenizer, tmp_path, seed)


@pytest.mark.parametrize("name", ["Unigram with bytes", "WordPiece", "BPE of bytes", "BPE with a suffix"])
def test_decoders(name, kinds, tmp_path):
    for seed, stage in enumerate(DECODERS.values()):
        tokenizer = Tokenizer.from_str(kinds[name])
        tokenizer.pre_tokenizer = plain(kinds, name).pre_tokenizer
        if stage is not None:
            tokenizer.decoder = stage
        check(tokenizer, tmp_path, seed)


@pytest.mark.parametrize("name", ["Unigram", "WordPiece", "BPE of bytes"])
@pytest.mark.parametrize("normalized", [False, True])
def test_added_tokens(name, normalized, kinds, spm, tmp_path):
    for seed, normalizer in enumerate(
        (None, normalizers.Lowercase(), normalizers.NFD(), all_normalizers(spm)["as v3"])
    ):
        tokenizer = plain(kinds, name)
        if normalizer is not None:
            tokenizer.normalizer = normalizer
        if normalized:
            tokenizer.add_tokens(ADDED)
        else:
            tokenizer.add_special_tokens(ADDED)
        check(tokenizer, tmp_path, seed, 800)


def random_tokenizer(draw: random.Random, kinds: dict[str, str], spm: bytes) -> Tokenizer:
    name = draw.choice(list(kinds))
    byte_level = "of bytes" in name
    tokenizer = plain(kinds, name)
    stages = [stage for stage in all_normalizers(spm).values() if stage is not None]
    if draw.random() < 0.9:
        tokenizer.normalizer = normalizers.Sequence(draw.sample(stages, draw.randint(1, 3)))
    cuts = [stage for kind, stage in all_pretokenizers().items() if stage is not None and "bytes" not in kind]
    chosen = draw.sample(cuts, draw.randint(1, 2))
    if byte_level:
        chosen = [*chosen[1:], pre_tokenizers.ByteLevel(draw.random() < 0.5, use_regex=draw.random() < 0.5)]
    if draw.random() < 0.8:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(chosen)
    stage = draw.choice(list(all_processors(tokenizer).values()))
    if stage is not None:
        tokenizer.post_processor = stage
    stage = draw.choice([stage for stage in DECODERS.values() if stage is not None])
    tokenizer.decoder = stage
    for token in draw.sample(ADDED, draw.randint(0, 5)):
        add = tokenizer.add_tokens if draw.random() < 0.5 else tokenizer.add_special_tokens
        add([token])
    return tokenizer


@pytest.mark.parametrize("part", range(4))
def test_mixtures(part, kinds, spm, tmp_path):
    draw = random.Random(part)
    for round in range(ROUNDS // 4):
        check(random_tokenizer(draw, kinds, spm), tmp_path, 7 * round + part, 60)


@pytest.mark.full
@pytest.mark.parametrize("part", range(20))
def test_many_mixtures(part, kinds, spm, tmp_path):
    draw = random.Random(1000 + part)
    for round in range(100):
        check(random_tokenizer(draw, kinds, spm), tmp_path, 7 * round + part, 100)


# ---- files ----


def rewritten(tokenizer: Tokenizer, change: Callable[[dict], None], folder: Path) -> Any:
    """The changed file of a tokenizer, opened by deberta_c."""
    save(tokenizer, folder)
    file = json.loads(tokenizer.to_str())
    change(file)
    (folder / "tokenizer.json").write_text(json.dumps(file), encoding="utf-8")
    return AutoTokenizer.from_pretrained(folder, compatibility="transformers5")


def without_type(file: dict) -> None:
    del file["model"]["type"]


def old_merges(file: dict) -> None:
    file["model"]["merges"] = [" ".join(pair) for pair in file["model"]["merges"]]


def own_keys(file: dict) -> None:
    file["remarks"] = {"by": ["anyone"]}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *itertools.product(("Unigram", "WordPiece", "BPE of bytes"), (without_type, own_keys)),
        ("BPE of bytes", old_merges),
    ],
)
def test_older_files(name, change, kinds, tmp_path):
    tokenizer = plain(kinds, name)
    firsts = texts(300, 1)
    read = rewritten(tokenizer, change, tmp_path)
    differences(firsts, ours(read, firsts), Library(tokenizer).rows(firsts)).check()


UNKNOWN = {
    "normalizer": [normalizers.Nmt(), normalizers.ByteLevel(), normalizers.Replace(Regex("(a|b)+c?"), "x")],
    "pre_tokenizer": [pre_tokenizers.Digits(), pre_tokenizers.UnicodeScripts(), pre_tokenizers.CharDelimiterSplit("x")],
    "decoder": [decoders.CTC()],
}


@pytest.mark.parametrize("part", UNKNOWN)
def test_unknown_parts_are_named(part, kinds, tmp_path):
    for stage in UNKNOWN[part]:
        tokenizer = plain(kinds, "Unigram")
        setattr(tokenizer, part, stage)
        save(tokenizer, tmp_path)
        kind = json.loads(tokenizer.to_str())[part]["type"]
        with pytest.raises(ValueError, match=kind):
            AutoTokenizer.from_pretrained(tmp_path)


def test_the_id_in_the_file_does_not_count(kinds, tmp_path):
    """Added tokens have the id that the vocabulary has, or the next free one."""
    tokenizer = plain(kinds, "Unigram")
    tokenizer.add_tokens(["<x>", "<y>"])

    def shuffle(file: dict) -> None:
        for token in file["added_tokens"]:
            token["id"] += 3 if token["content"] == "<y>" else 0

    read = rewritten(tokenizer, shuffle, tmp_path)
    library = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    firsts = texts(200, 1, ("<x>", "<y>"))
    differences(firsts, ours(read, firsts), Library(library).rows(firsts)).check()


def test_a_charsmap_is_read_from_base64(kinds, spm, tmp_path):
    tokenizer = plain(kinds, "Unigram")
    tokenizer.normalizer = all_normalizers(spm)["precompiled"]
    written = json.loads(tokenizer.to_str())["normalizer"]["precompiled_charsmap"]
    assert base64.b64decode(written) == read_model(spm).normalizer_spec.precompiled_charsmap
    check(tokenizer, tmp_path, 1)
