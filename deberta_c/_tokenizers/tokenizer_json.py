"""tokenizer.json: its sections, checked, as the core takes them. An unsupported part raises an error that names it."""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from deberta_c import _core
from deberta_c._tokenizers.vocabularies import SpmIds

FIRST, SECOND = -1, -2  # ids in a template that stand for the texts

_REQUIRED: Any = object()
_BEHAVIORS = ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")
_MAX_ID = 2**30

Stage = dict[str, Any]
Ids = Mapping[str, int] | SpmIds
Template = tuple[tuple[int, int], ...]


class AddedToken(NamedTuple):
    """A token that is looked for in a text before the model sees it; an id of -1: the next free one."""

    content: str
    id: int = -1
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = False

    def flags(self) -> tuple[str, ...]:
        """The names of the flags that are set."""
        return tuple(name for name in self._fields[2:] if getattr(self, name))


class Pipeline(NamedTuple):
    """A tokenizer.json as `_core.Tokenizer` takes it, and what is done outside of the core."""

    normalizers: list[Stage]
    pretokenizers: list[Stage]
    model: dict[str, Any]
    added: tuple[AddedToken, ...]  # in the order of their ids
    single: Template
    pair: Template
    decoder: Mapping[str, Any] | None
    trim_offsets: bool | None  # None: spans are left alone; else the add_prefix_space by which they lose white space
    base_size: int  # entries of the model's vocabulary
    marks_apart: bool = False  # every punctuation mark is normalised and encoded by itself

    def for_core(self) -> dict[str, Any]:
        """The arguments of `_core.Tokenizer`."""
        return {
            "normalizers": self.normalizers,
            "pretokenizers": self.pretokenizers,
            "model": self.model,
            "added": [(token.content, token.id, token.flags()) for token in self.added],
            "single": self.single,
            "pair": self.pair,
            "marks_apart": self.marks_apart,
        }


def translate(content: Mapping[str, Any]) -> Pipeline:
    """The pipeline that a tokenizer.json describes; its sections truncation and padding are ignored.

    Errors: ValueError, whose message goes on after the name of the file, for a part that is not known or broken.
    """
    if content.get("version", "1.0") != "1.0":
        raise ValueError(f'has the version {content["version"]!r}; this version of deberta_c reads "1.0"')
    model, vocabulary, size = _model(content.get("model"))
    normalizers, pretokenizers, (single, pair, trims) = stages_of(content)
    decoder = content.get("decoder")
    if decoder is not None and not isinstance(decoder, dict):
        raise ValueError(f"has the decoder {_shown(decoder)}, which is not an object")
    return Pipeline(
        normalizers=normalizers,
        pretokenizers=pretokenizers,
        model=model,
        added=resolve_added(added_tokens(content), vocabulary, size),
        single=single,
        pair=pair,
        decoder=decoder,
        trim_offsets=trims,
        base_size=size,
    )


def stages_of(content: Mapping[str, Any]) -> tuple[list[Stage], list[Stage], tuple[Template, Template, bool | None]]:
    """Normalizers, pre-tokenizers and templates, which describe the tokenizer except for its model."""
    return (
        _stages("normalizer", content.get("normalizer"), "normalizers", _NORMALIZERS),
        _stages("pre_tokenizer", content.get("pre_tokenizer"), "pretokenizers", _PRE_TOKENIZERS),
        templates(content.get("post_processor")),
    )


class Part:
    """An object of the file, such as one normalizer, whose keys are asked for under its name."""

    def __init__(self, role: str, section: Any) -> None:
        if not isinstance(section, dict):
            raise ValueError(f"has the {role} {_shown(section)}, which is not an object")
        self.role, self.section = role, section
        self.kind = section.get("type")

    def get(self, key: str, default: Any = _REQUIRED, *, kind: type | None = None) -> Any:
        """The value of a key, of the type of `default` or of `kind`; a null is a missing one."""
        value = self.section.get(key)
        if value is None:
            if default is _REQUIRED:
                raise ValueError(f"has the {self.role} {self.kind!r} without {key}")
            return default
        wanted = kind or type(default)
        if type(value) is not wanted:
            raise self.wrong(key, value)
        return value

    def flags(self, **defaults: bool | None) -> tuple[str, ...]:
        """The keys whose value is true; a default of None: the key must be there."""
        return tuple(
            key
            for key, default in defaults.items()
            if (self.get(key, kind=bool) if default is None else self.get(key, default))
        )

    def wrong(self, key: str, value: Any) -> ValueError:
        """The error for an invalid value."""
        return ValueError(
            f"has the {self.role} {self.kind!r} with {key} {_shown(value)}, which this version does not know"
        )


def flatten(role: str, section: Any, key: str) -> list[Part]:
    """The parts of a section: of a Sequence those under `key`, however deep."""
    parts: list[Part] = []
    waiting = [] if section is None else [section]
    while waiting:
        part = Part(role, waiting.pop())
        if part.kind == "Sequence":
            waiting.extend(reversed(part.get(key, kind=list)))
        else:
            parts.append(part)
    return parts


def _stages(role: str, section: Any, key: str, known: Mapping[str, Callable[[Part], Stage]]) -> list[Stage]:
    return [_lookup(part, known)(part) for part in flatten(role, section, key)]


def _lookup(part: Part, known: Mapping[str, Any]) -> Any:
    if not isinstance(part.kind, str) or part.kind not in known:
        raise ValueError(
            f"has the {part.role} {_shown(part.kind)}, which this version does not know; known are {', '.join(known)}"
        )
    return known[part.kind]


# ---- normalizers and pre-tokenizers ----


def _plain(part: Part) -> Stage:
    return {"type": part.kind}


def _strip(part: Part) -> Stage:
    return {"type": "Strip", "flags": part.flags(strip_left=None, strip_right=None)}


def _precompiled(part: Part) -> Stage:
    text = part.get("precompiled_charsmap", kind=str)
    try:
        return {"type": "Precompiled", "pattern": base64.b64decode(text, validate=True)}
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"has the normalizer 'Precompiled' with a charsmap that is not base64 ({error})") from error


def _pattern(part: Part) -> tuple[bytes, tuple[str, ...]]:
    pattern = part.get("pattern", kind=dict)
    if len(pattern) == 1:
        (how, text), *_ = pattern.items()
        if how in ("String", "Regex") and isinstance(text, str):
            return _utf8(text), ("regex",) if how == "Regex" else ()
    raise part.wrong("pattern", pattern)


def _replace(part: Part) -> Stage:
    pattern, flags = _pattern(part)
    return {"type": "Replace", "pattern": pattern, "flags": flags, "content": _utf8(part.get("content", kind=str))}


def _prepend(part: Part) -> Stage:
    return {"type": "Prepend", "content": _utf8(part.get("prepend", kind=str))}


def _bert(part: Part) -> Stage:
    names = {"clean_text": "clean_text", "handle_chinese_chars": "chinese_chars", "lowercase": "lowercase"}
    flags = [names[key] for key in part.flags(clean_text=True, handle_chinese_chars=True, lowercase=True)]
    if part.get("strip_accents", "lowercase" in flags):
        flags.append("strip_accents")
    return {"type": "BertNormalizer", "flags": tuple(flags)}


def _metaspace(part: Part) -> Stage:
    mark = part.get("replacement", kind=str)
    if len(mark) != 1:
        raise part.wrong("replacement", mark)
    prefix, scheme = part.get("add_prefix_space", True), part.get("prepend_scheme", None, kind=str)
    if scheme not in (None, "always", "first", "never") or (scheme == "first" and not prefix):
        raise part.wrong("prepend_scheme", scheme)
    flags = () if scheme == "never" or not prefix else (f"prepend_{scheme or 'always'}",)
    return {"type": "Metaspace", "content": _utf8(mark), "flags": (*flags, *part.flags(split=True))}


def _behavior(part: Part, default: Any = _REQUIRED) -> str:
    behavior: str = part.get("behavior", default, kind=str)
    if behavior not in _BEHAVIORS:
        raise part.wrong("behavior", behavior)
    return behavior


def _punctuation(part: Part) -> Stage:
    return {"type": "Punctuation", "behavior": _behavior(part, "Isolated")}


def _split(part: Part) -> Stage:
    pattern, flags = _pattern(part)
    flags = (*flags, *part.flags(invert=False))
    return {"type": "Split", "pattern": pattern, "flags": flags, "behavior": _behavior(part)}


def _byte_level(part: Part) -> Stage:
    names = {"add_prefix_space": "prefix_space", "use_regex": "use_regex"}
    flags = tuple(names[key] for key in part.flags(add_prefix_space=None, use_regex=True))
    return {"type": "ByteLevel", "flags": flags}


_NORMALIZERS: dict[str, Callable[[Part], Stage]] = {
    "BertNormalizer": _bert,
    "Lowercase": _plain,
    "NFC": _plain,
    "NFD": _plain,
    "NFKC": _plain,
    "NFKD": _plain,
    "Precompiled": _precompiled,
    "Prepend": _prepend,
    "Replace": _replace,
    "Strip": _strip,
    "StripAccents": _plain,
}
_PRE_TOKENIZERS: dict[str, Callable[[Part], Stage]] = {
    "BertPreTokenizer": _plain,
    "ByteLevel": _byte_level,
    "Metaspace": _metaspace,
    "Punctuation": _punctuation,
    "Split": _split,
    "Whitespace": _plain,
    "WhitespaceSplit": _plain,
}


# ---- post-processors ----


def templates(section: Any) -> tuple[Template, Template, bool | None]:
    """The rows of one and of two texts, and how spans are trimmed."""
    found: tuple[Template, Template] | None = None
    trims: bool | None = None
    for part in flatten("post_processor", section, "processors"):
        made = _lookup(part, _POST_PROCESSORS)(part)
        if made is not None and found is not None:
            raise ValueError(f"has two post_processors that place special tokens, the second {part.kind!r}")
        found = made or found
        if part.kind in ("ByteLevel", "RobertaProcessing"):  # without these keys the library takes it for another type
            flags = part.flags(trim_offsets=None, add_prefix_space=None)
            if trims is not None and "trim_offsets" in flags:
                raise ValueError("has two post_processors that trim offsets, which this version does not know")
            trims = "add_prefix_space" in flags if "trim_offsets" in flags else trims
    single, pair = found or (((FIRST, 0),), ((FIRST, 0), (SECOND, 1)))
    return single, pair, trims


def _template_processing(part: Part) -> tuple[Template, Template]:
    special = part.get("special_tokens", {})
    single, pair = (_template(part, key, special) for key in ("single", "pair"))
    for key, template, texts in (("single", single, [FIRST]), ("pair", pair, [SECOND, FIRST])):
        if sorted(id for id, _ in template if id < 0) != texts:
            raise part.wrong(key, part.section[key])
    return single, pair


def _template(part: Part, key: str, special: Mapping[str, Any]) -> Template:
    parts: list[tuple[int, int]] = []
    for piece in part.get(key, kind=list):
        (what, value), *rest = piece.items() if isinstance(piece, dict) and piece else [(None, None)]
        name, kind = (value.get("id"), value.get("type_id")) if isinstance(value, dict) else (None, None)
        if rest or type(kind) is not int or not 0 <= kind < 256:
            raise part.wrong(key, piece)
        if what == "Sequence" and name in ("A", "B"):
            parts.append((FIRST if name == "A" else SECOND, kind))
        elif what == "SpecialToken" and isinstance(name, str):
            parts += [(id, kind) for id in _special_ids(part, special, name)]
        else:
            raise part.wrong(key, piece)
    return tuple(parts)


def _special_ids(part: Part, special: Mapping[str, Any], name: str) -> list[int]:
    entry = special.get(name)
    ids = entry.get("ids") if isinstance(entry, dict) else None
    if not isinstance(ids, list) or not all(type(id) is int and 0 <= id < _MAX_ID for id in ids):
        raise ValueError(f"has the post_processor {part.kind!r} whose special_tokens give no ids for {name!r}")
    return ids


def _end(part: Part, key: str) -> int:
    """The id of a ["[SEP]", 102]."""
    value = part.get(key, kind=list)
    if len(value) != 2 or type(value[1]) is not int or not 0 <= value[1] < _MAX_ID:
        raise part.wrong(key, value)
    return int(value[1])


def _bert_processing(part: Part) -> tuple[Template, Template]:
    cls, sep = _end(part, "cls"), _end(part, "sep")
    single = ((cls, 0), (FIRST, 0), (sep, 0))
    return single, (*single, (SECOND, 1), (sep, 1))


def _roberta_processing(part: Part) -> tuple[Template, Template]:
    cls, sep = _end(part, "cls"), _end(part, "sep")
    single = ((cls, 0), (FIRST, 0), (sep, 0))
    return single, (*single, (sep, 0), (SECOND, 0), (sep, 0))


_POST_PROCESSORS: dict[str, Callable[[Part], tuple[Template, Template] | None]] = {
    "BertProcessing": _bert_processing,
    "ByteLevel": lambda part: None,
    "RobertaProcessing": _roberta_processing,
    "TemplateProcessing": _template_processing,
}


# ---- models ----


def _model(section: Any) -> tuple[dict[str, Any], Ids, int]:
    """The model as the core takes it, the id of each token, and the size of the vocabulary."""
    part = Part("model", section)
    if part.kind is None:
        part.kind = _inferred(part.section)
    model, vocabulary, size = _lookup(part, _MODELS)(part)
    if vocabulary.get("", -1) >= 0:  # no text holds it
        kept = [index for index, token in enumerate(model["tokens"]) if token]
        model["tokens"] = [model["tokens"][index] for index in kept]
        for key in ("ids", "scores"):
            if key in model:
                model[key] = model[key][kept]
    return model, vocabulary, size


def _inferred(section: Mapping[str, Any]) -> str:
    """The type of a model whose file is too old to say it."""
    if "merges" in section:
        return "BPE"
    if isinstance(section.get("vocab"), list):
        return "Unigram"
    return "WordPiece" if "max_input_chars_per_word" in section else "WordLevel"


def _unigram(part: Part) -> tuple[dict[str, Any], Ids, int]:
    if isinstance(spm := part.section.get("vocab"), _core.SpmModel):
        return {"type": "Unigram", "spm": spm, "unknown": spm.unknown}, SpmIds(spm), len(spm)
    entries = part.get("vocab", kind=list)
    if not entries or not set(map(type, entries)) <= {list, tuple} or set(map(len, entries)) != {2}:
        raise ValueError("has the model 'Unigram' whose vocab is not a list of [piece, score]")
    tokens, numbers = [entry[0] for entry in entries], [entry[1] for entry in entries]
    if set(map(type, tokens)) != {str} or not set(map(type, numbers)) <= {float, int}:
        raise ValueError("has the model 'Unigram' whose vocab is not a list of [piece, score]")
    try:
        scores = np.array(numbers, np.float64)
    except OverflowError:
        scores = np.array([np.inf])
    if not np.isfinite(scores).all():
        raise ValueError("has the model 'Unigram' with a score that is not finite")
    vocabulary = dict(zip(tokens, range(len(tokens)), strict=True))  # of equal pieces the last counts
    ids = np.fromiter(vocabulary.values(), np.int32, len(vocabulary))
    unknown = part.get("unk_id", -1)
    if not -1 <= unknown < len(entries) or (unknown == -1 and part.section.get("unk_id") is not None):
        raise part.wrong("unk_id", unknown)
    model = {
        "type": "Unigram",
        "tokens": list(vocabulary),
        "ids": ids,
        "scores": scores[ids],
        "unknown": unknown,
        "byte_fallback": part.get("byte_fallback", False),
    }
    return model, vocabulary, len(entries)


def _ids(part: Part) -> tuple[dict[str, int], dict[str, Any]]:
    """A vocabulary that maps tokens to ids, and its part of the model."""
    vocabulary: dict[str, int] = part.get("vocab", kind=dict)
    if not set(map(type, vocabulary.values())) <= {int}:
        raise ValueError(f"has the model {part.kind!r} whose vocab has ids that are not integers")
    if not vocabulary or not 0 <= min(vocabulary.values()) <= max(vocabulary.values()) < _MAX_ID:
        raise ValueError(f"has the model {part.kind!r} whose vocab is empty or has ids outside of [0, {_MAX_ID})")
    ids = np.fromiter(vocabulary.values(), np.int32, len(vocabulary))
    return vocabulary, {"type": part.kind, "tokens": list(vocabulary), "ids": ids}


def _wordpiece(part: Part) -> tuple[dict[str, Any], Ids, int]:
    vocabulary, model = _ids(part)
    unknown, longest = part.get("unk_token", "[UNK]"), part.get("max_input_chars_per_word", 100)
    if unknown not in vocabulary:
        raise ValueError(f"has the model 'WordPiece' with unk_token {unknown!r}, which its vocab does not have")
    if not 0 <= longest < 2**31:
        raise part.wrong("max_input_chars_per_word", longest)
    model |= {
        "unknown": vocabulary[unknown],
        "continuing_prefix": part.get("continuing_subword_prefix", "##"),
        "longest_word": longest,
    }
    return model, vocabulary, len(vocabulary)


def _bpe(part: Part) -> tuple[dict[str, Any], Ids, int]:
    vocabulary, model = _ids(part)
    if part.section.get("dropout"):
        raise part.wrong("dropout", part.section["dropout"])
    model |= {
        "merges": _merges(part.get("merges", kind=list)),
        "unknown": vocabulary.get(part.get("unk_token", ""), -1),
        "continuing_prefix": part.get("continuing_subword_prefix", ""),
        "word_suffix": part.get("end_of_word_suffix", ""),
        "fuse_unknown": part.get("fuse_unk", False),
        "byte_fallback": part.get("byte_fallback", False),
        "ignore_merges": part.get("ignore_merges", False),
    }
    return model, vocabulary, len(vocabulary)


def _merges(merges: Sequence[Any]) -> list[str]:
    """The pairs one after the other, out of "a b" or ["a", "b"]."""
    kinds = set(map(type, merges))
    if kinds <= {str}:
        merges = [merge.removesuffix("\n") for merge in merges if not merge.startswith("#version")]
        flat: list[str] = [token for merge in merges for token in merge.split(" ")]
        sound = all(merge.count(" ") == 1 for merge in merges)
    else:
        sound = kinds <= {list, tuple} and set(map(len, merges)) == {2}
        flat = [token for merge in merges for token in merge] if sound else []
        sound = sound and set(map(type, flat)) == {str}
    if not sound:
        raise ValueError("has the model 'BPE' whose merges are not pairs of tokens")
    return flat


_MODELS: dict[str, Callable[[Part], tuple[dict[str, Any], Ids, int]]] = {
    "BPE": _bpe,
    "Unigram": _unigram,
    "WordPiece": _wordpiece,
}


# ---- added tokens ----


def added_tokens(content: Mapping[str, Any]) -> list[AddedToken]:
    """The section added_tokens, with the ids that it claims."""
    tokens = content.get("added_tokens") or []
    if not isinstance(tokens, list):
        raise ValueError(f"has added_tokens {_shown(tokens)}, which is not a list")
    return [read_added(token) for token in tokens]


def read_added(token: Any, id: int | None = None) -> AddedToken:
    """An added token out of an object with content, flags and perhaps an id."""
    part = Part("added token", token)
    part.kind = part.get("content", kind=str)
    special = part.get("special", False)
    values = {key: part.get(key, False) for key in ("single_word", "lstrip", "rstrip")}
    normalized = part.get("normalized", not special)
    own: int = part.get("id", -1) if id is None else id
    return AddedToken(part.kind, own, **values, normalized=normalized, special=special)


def resolve_added(tokens: Iterable[AddedToken], vocabulary: Ids, size: int) -> tuple[AddedToken, ...]:
    """The tokens with the ids that they get: the model's, or the next free one. Of equal contents the last counts.

    >>> [token.id for token in resolve_added([AddedToken("b", 9), AddedToken("[X]", 9)], {"a": 0, "b": 1}, 2)]
    [1, 2]
    """
    found: dict[str, AddedToken] = {}
    next_id = size
    for token in tokens:
        if not token.content:
            continue
        known = found.get(token.content)
        id = known.id if known else vocabulary.get(token.content, next_id)
        next_id = max(next_id, id + 1)
        found[token.content] = token._replace(id=id)
    return tuple(sorted(found.values(), key=lambda token: token.id))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."
