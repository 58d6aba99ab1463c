"""What the tokenizer classes of transformers 4 and 5 make of a vocabulary: the sections of a tokenizer.json."""

import base64
from collections.abc import Mapping
from typing import Any

from deberta_c._tokenizers.tokenizer_json import Pipeline

V2, V1, BERT, FAST = "DebertaV2Tokenizer", "DebertaTokenizer", "BertTokenizer", "PreTrainedTokenizerFast"
KINDS = (V2, V1, BERT, FAST)

# What makes the pipeline of a class, with its defaults.
OPTIONS: dict[str, dict[str, Any]] = {
    V2: {"do_lower_case": False, "split_by_punct": False, "add_prefix_space": True},
    V1: {"add_prefix_space": False},
    BERT: {"do_lower_case": True, "tokenize_chinese_chars": True, "strip_accents": None},
    FAST: {},
}
_NAMES = {
    "bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]",
    "cls_token": "[CLS]", "mask_token": "[MASK]",
}  # fmt: skip
SPECIAL: dict[str, dict[str, str]] = {
    V2: _NAMES,
    V1: _NAMES,
    BERT: {name: token for name, token in _NAMES.items() if name not in ("bos_token", "eos_token")},
    FAST: {},
}
_MODELS = {V2: "Unigram", V1: "BPE", BERT: "WordPiece"}
_STRIP = {"type": "Strip", "strip_left": True, "strip_right": True}
_BLANKS = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
_BLANKS_5 = {"type": "Replace", "pattern": {"Regex": r"\s{2,}|[\n\r\t]"}, "content": " "}
_PUNCTUATION = {"type": "Punctuation", "behavior": "Isolated"}


def recipe(
    kind: str, rule: str, model: dict[str, Any], options: Mapping[str, Any], charsmap: str | None = None
) -> dict[str, Any]:
    """A tokenizer.json without added tokens and post_processor. `rule` is HF4 or HF5; `charsmap` is base64."""
    stages = {V2: _v2, V1: _v1, BERT: _bert}[kind](rule, options, charsmap)
    head: dict[str, Any] = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": []}
    return {**head, **stages, "model": model}


def charsmap_text(charsmap: bytes) -> str | None:
    """The charsmap of an spm.model as a tokenizer.json has it; None when it is empty."""
    return base64.b64encode(charsmap).decode("ascii") if charsmap else None


def _v2(rule: str, options: Mapping[str, Any], charsmap: str | None) -> dict[str, Any]:
    if rule == "HF5":
        normalizers = [_BLANKS_5, {"type": "NFC"}, {"type": "Strip", "strip_left": False, "strip_right": True}]
    else:
        normalizers = [_STRIP, _BLANKS]
        if charsmap is not None:
            normalizers.insert(1, {"type": "Precompiled", "precompiled_charsmap": charsmap})
    scheme = "always" if options["add_prefix_space"] else ("first" if rule == "HF5" else "never")
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": True}
    return {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [*[{"type": "Lowercase"}] * options["do_lower_case"], *normalizers],
        },
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [*[_PUNCTUATION] * options["split_by_punct"], metaspace],
        },
        "post_processor": None,
        "decoder": metaspace,
    }


def as_sentencepiece(pipeline: Pipeline, options: Mapping[str, Any]) -> Pipeline:
    """The stages of sentencepiece for an spm.model: one normalises, and none cuts words."""
    return pipeline._replace(
        normalizers=[*[{"type": "Lowercase"}] * options["do_lower_case"], {"type": "Spm"}],
        pretokenizers=[],
        model={**pipeline.model, "sentencepiece": True},
        added=tuple(token._replace(normalized=False) for token in pipeline.added),
        decoder={**(pipeline.decoder or {}), "type": "Spm"},
        marks_apart=options["split_by_punct"],
    )


def _v1(rule: str, options: Mapping[str, Any], charsmap: str | None) -> dict[str, Any]:
    prefix = {"add_prefix_space": options["add_prefix_space"], "trim_offsets": True, "use_regex": True}
    return {
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", **prefix},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    }


def _bert(rule: str, options: Mapping[str, Any], charsmap: str | None) -> dict[str, Any]:
    return {
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": options["tokenize_chinese_chars"],
            "strip_accents": options["strip_accents"],
            "lowercase": options["do_lower_case"],
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    }


def template(kind: str, rule: str, cls: tuple[str, int], sep: tuple[str, int]) -> dict[str, Any]:
    """The post_processor of a class: the names and ids of its special tokens, and the types of the second text."""

    def special(token: tuple[str, int], type_id: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token[0], "type_id": type_id}}

    twice = kind == V1 and rule == "HF5"  # [SEP] [SEP] between the texts, and one type for all
    second = 0 if twice else 1
    single = [special(cls, 0), {"Sequence": {"id": "A", "type_id": 0}}, special(sep, 0)]
    between = [special(sep, 0)] if twice else []
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, *between, {"Sequence": {"id": "B", "type_id": second}}, special(sep, second)],
        "special_tokens": {name: {"id": name, "ids": [id], "tokens": [name]} for name, id in (cls, sep)},
    }


def own_model(kind: str, section: Any, unknown: str, unk_id: int) -> dict[str, Any]:
    """The model that a class of transformers 5 makes of the one in a tokenizer.json: its tokens and merges are kept.

    Errors: ValueError, to go on after the name of the file, when the class has models of another type.
    """
    found = section.get("type") if isinstance(section, dict) else None
    if not isinstance(section, dict) or found not in (None, _MODELS[kind]) or "vocab" not in section:
        raise ValueError(
            f'has a model of type {found!r}; {kind} needs {_MODELS[kind]!r}, or give compatibility="transformers4"'
        )
    vocab = section["vocab"]
    if kind == V2:
        marks = [[unknown, 0.0], (unknown, 0.0)]
        places = [vocab.index(mark) for mark in marks if isinstance(vocab, list) and mark in vocab]
        return {"type": "Unigram", "unk_id": min(places, default=unk_id), "vocab": vocab, "byte_fallback": False}
    if kind == V1:
        empty = {"dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": ""}
        flags = {"fuse_unk": False, "byte_fallback": False, "ignore_merges": False}
        return {"type": "BPE", **empty, **flags, "vocab": vocab, "merges": section.get("merges", [])}
    return {
        "type": "WordPiece",
        "unk_token": unknown,
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": vocab,
    }


def with_options(content: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """A tokenizer.json whose pipeline obeys options that the caller gave.

    Errors: ValueError, to go on after the name of the file, when the pipeline has no stage that an option concerns.
    """
    if not options:
        return content
    normalizers = _sequence(content.get("normalizer"), "normalizers")
    cuts = _sequence(content.get("pre_tokenizer"), "pretokenizers")
    for name, value in options.items():
        bert = [stage for stage in normalizers if stage.get("type") == "BertNormalizer"]
        prefixed = [stage for stage in cuts if stage.get("type") in ("ByteLevel", "Metaspace")]
        if name == "do_lower_case" and not bert:
            normalizers = [stage for stage in normalizers if stage.get("type") != "Lowercase"]
            normalizers = [*[{"type": "Lowercase"}] * value, *normalizers]
        elif name == "split_by_punct":
            cuts = [stage for stage in cuts if stage.get("type") != "Punctuation"]
            cuts = [*[_PUNCTUATION] * value, *cuts]
        elif name == "add_prefix_space" and prefixed:
            for stage in prefixed:
                stage.pop("prepend_scheme", None)
                stage["add_prefix_space"] = value
        elif name != "add_prefix_space" and bert:
            key = {"do_lower_case": "lowercase", "tokenize_chinese_chars": "handle_chinese_chars"}.get(name, name)
            bert[0][key] = value
        else:
            raise ValueError(f"has no stage for the option {name}, which is {value!r}; leave the option out")
    return {
        **content,
        "normalizer": _section(normalizers, "normalizers"),
        "pre_tokenizer": _section(cuts, "pretokenizers"),
    }


def _section(stages: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """The section of some stages; one stands alone, for transformers looks for options there only."""
    return stages[0] if len(stages) == 1 else {"type": "Sequence", key: stages}


def options_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a tokenizer.json amounts to, as far as its stages are those that options concern."""
    found: dict[str, Any] = {}
    normalizers = _sequence(content.get("normalizer"), "normalizers")
    cuts = _sequence(content.get("pre_tokenizer"), "pretokenizers")
    found["do_lower_case"] = any(stage.get("type") == "Lowercase" for stage in normalizers)
    found["split_by_punct"] = any(stage.get("type") == "Punctuation" for stage in cuts)
    for stage in normalizers:
        if stage.get("type") == "BertNormalizer":
            found["do_lower_case"] = stage.get("lowercase", True)
            found["tokenize_chinese_chars"] = stage.get("handle_chinese_chars", True)
            found["strip_accents"] = stage.get("strip_accents")
    for stage in cuts:
        if stage.get("type") in ("ByteLevel", "Metaspace"):
            found["add_prefix_space"] = stage.get("add_prefix_space", True) and stage.get("prepend_scheme") != "never"
    return found


def _sequence(section: Any, key: str) -> list[dict[str, Any]]:
    """Copies of the stages of a section; of one that is not a stage, nothing: reading it complains."""
    waiting, found = [section], []
    while waiting:
        stage = waiting.pop()
        if isinstance(stage, dict) and stage.get("type") == "Sequence" and isinstance(stage.get(key), list):
            waiting.extend(reversed(stage[key]))
        elif stage is not None:
            found.append(dict(stage) if isinstance(stage, dict) else {"type": stage})
    return found
