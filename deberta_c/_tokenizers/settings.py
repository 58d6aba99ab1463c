"""tokenizer_config.json and the files beside it: special and added tokens, options of the pipeline and of calls."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from deberta_c._base.errors import warn_caller
from deberta_c._base.suggest import unknown_option
from deberta_c._columns.texts import content_of_str
from deberta_c._files.json import read_json
from deberta_c._tokenizers.added_token import token_section
from deberta_c._tokenizers.classes import SPECIAL_NAMES as SPECIAL_NAMES
from deberta_c._tokenizers.classes import (
    default_extra,
    default_tokens,
    input_names,
    special_flags,
    usual_pad_type,
    usual_side,
)
from deberta_c._tokenizers.recipes import FAST, OPTIONS
from deberta_c._tokenizers.tokenizer_json import AddedToken, read_added

T = TypeVar("T")

RULES = {"transformers4": "HF4", "transformers5": "HF5", "sentencepiece": "SPM"}
"""The values of the option compatibility, and what the core calls each."""
COMPATIBILITY = {rule: name for name, rule in RULES.items()}

EXTRA = ("extra_special_tokens", "additional_special_tokens")

_HUGE = 10**20  # a model_max_length above it means that there is none
_FLAGS = ("clean_up_tokenization_spaces", "split_special_tokens")
_STAGE_OPTIONS = ("do_lower_case", "split_by_punct", "tokenize_chinese_chars", "strip_accents", "add_prefix_space")
CALL_OPTIONS = (
    "model_max_length", "padding_side", "truncation_side", "clean_up_tokenization_spaces", "split_special_tokens",
    "model_input_names", "pad_token_type_id",
)  # fmt: skip
_IGNORED = ("use_fast",)  # it changes nothing
_KNOWN = (*_STAGE_OPTIONS, *CALL_OPTIONS, "compatibility", "pipeline", "byte_fallback", *SPECIAL_NAMES, *EXTRA)


class Settings:
    """tokenizer_config.json and the files beside it, and the options of the caller, which win."""

    def __init__(self, directory: Path, options: Mapping[str, Any]) -> None:
        self.directory = directory
        self.path = directory / "tokenizer_config.json"
        self.file: dict[str, Any] = read_json(self.path) if self.path.is_file() else {}
        self.given = _with_compatibility({name: v for name, v in options.items() if name not in _IGNORED})
        for name in self.given:
            if name not in _KNOWN:
                raise unknown_option("a tokenizer", self.given, _KNOWN)
        self.legacy: dict[str, Any] = {}
        if "added_tokens_decoder" not in self.file and (path := directory / "special_tokens_map.json").is_file():
            self.legacy = {name: _flagged_special(value) for name, value in read_json(path).items()}
        self.fallback: dict[str, Any] = {}
        self.class_name = FAST
        """The class of transformers without "Fast": one of KINDS, or one that is read like one of them."""

    def get(self, name: str, default: Any) -> Any:
        return self.given[name] if name in self.given else self.file.get(name, default)

    def where(self, name: str) -> str:
        """What an option is called in messages."""
        if name in self.given:
            return f"tokenizer option {name}"
        path = self.directory / "special_tokens_map.json" if name in self.legacy else self.path
        return f"{str(path)!r}: {name}"

    def check(self, kind: str) -> None:
        """Raises for options that a class does not have."""
        for name in _STAGE_OPTIONS:
            if name in self.given and kind != FAST and name not in OPTIONS[kind]:
                raise TypeError(f"option {name} is {self.given[name]!r}, but {kind} does not have it; leave it out")

    def flag(self, name: str, default: bool | None) -> bool | None:
        value = self.get(name, default)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        raise TypeError(f"{self.where(name)} is {value!r}; it must be true or false")

    def stages(self, defaults: Mapping[str, bool | None]) -> dict[str, bool | None]:
        """What makes the pipeline of a class whose options have these defaults."""
        return {name: self.flag(name, default) for name, default in defaults.items()}

    def given_stages(self) -> dict[str, bool | None]:
        """The same as far as the caller gave it."""
        return {name: self.flag(name, None) for name in _STAGE_OPTIONS if self.given.get(name) is not None}

    def rule(self) -> str:
        """What the core calls the reading of the files that `compatibility` chooses: HF4, HF5 or SPM."""
        fallback = self.flag("byte_fallback", False)
        name = self.given.get("compatibility") or ("sentencepiece" if fallback else self._saved_compatibility())
        if not isinstance(name, str) or name not in RULES:
            raise ValueError(f"compatibility is {name!r}; it must be one of {', '.join(map(repr, RULES))}")
        if fallback and name != "sentencepiece":
            raise ValueError(
                f'byte_fallback is true, which is compatibility="sentencepiece", but compatibility is {name!r}; leave '
                "one out, or give byte_fallback=False"
            )
        return RULES[name]

    def _saved_compatibility(self) -> str:
        """That of tokenizer_config.json, which older versions wrote as `pipeline`."""
        saved = self.file.get("compatibility") or COMPATIBILITY.get(str(self.file.get("pipeline")))
        return saved if isinstance(saved, str) and saved in RULES else "transformers4"

    def read_sections(self, content: Mapping[str, Any]) -> None:
        """Takes from the sections truncation and padding of a tokenizer.json what holds where nothing else is said."""
        for section, side in (("truncation", "truncation_side"), ("padding", "padding_side")):
            if isinstance(found := content.get(section), dict):
                self.fallback[side] = str(found.get("direction", "Right")).lower()
                if isinstance(found.get("pad_token"), str):
                    self.fallback["pad_token"] = found["pad_token"]

    def for_calls(self, rule: str) -> dict[str, Any]:
        """What concerns calls rather than the pipeline."""
        names = self.get("model_input_names", None)
        if names is not None and not (isinstance(names, (list, tuple)) and all(isinstance(n, str) for n in names)):
            raise TypeError(f"{self.where('model_input_names')} is {names!r}; it must be a list of str")
        pad_type = self.given.get("pad_token_type_id", usual_pad_type(self.class_name))
        if type(pad_type) is not int or not 0 <= pad_type < 256:
            raise ValueError(f"tokenizer option pad_token_type_id is {pad_type!r}; it must be an integer from 0 to 255")
        return {
            "model_max_length": self._cap(),
            "padding_side": self._side("padding_side", usual_side(self.class_name)),
            "truncation_side": self._side("truncation_side", "right"),
            **{name: self.flag(name, self.fallback.get(name, False)) for name in _FLAGS},
            "model_input_names": tuple(names) if names else input_names(self.class_name, rule),
            "pad_token_type_id": pad_type,
        }

    def _side(self, name: str, default: str) -> str:
        return check_side(self.where(name), self.get(name, self.fallback.get(name, default)))

    def _cap(self) -> int | None:
        limit = check_limit(self.where("model_max_length"), self.get("model_max_length", self.file.get("max_len")))
        if limit is not None:
            return limit
        positions = self.model_config().get("max_position_embeddings")
        return positions if type(positions) is int and positions > 0 else None

    def model_config(self) -> dict[str, Any]:
        """config.json, where there is one."""
        path = self.directory / "config.json"
        return read_json(path) if path.is_file() else {}

    # ---- tokens ----

    def named(self) -> dict[str, Any]:
        """bos_token, ..., mask_token: a str, or an object with flags."""
        found: dict[str, Any] = {}
        for name in SPECIAL_NAMES:
            for source in (self.given, self.legacy, self.file, default_tokens(self.class_name), self.fallback):
                if (value := source.get(name)) is not None:
                    found[name] = self._token(name, value)
                    break
        return found

    def extra(self) -> list[Any]:
        """extra_special_tokens or additional_special_tokens: str, or objects with flags."""
        for source in (self.given, self.legacy, self.file):
            for name in EXTRA:
                tokens = source.get(name)
                if tokens is None:
                    continue
                tokens = list(tokens.values()) if isinstance(tokens, dict) else tokens
                if not isinstance(tokens, (list, tuple)):
                    raise TypeError(f"{self.where(name)} is {tokens!r}; it must be a list of tokens")
                return [self._token(name, token) for token in tokens]
        return list(default_extra(self.class_name))

    def _token(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            return content_of_str(value)
        if (section := token_section(value)) is not None:
            return section
        raise TypeError(f"{self.where(name)} is {value!r}; it must be a str, an AddedToken or an object with content")

    def claimed(self, special: Iterable[str]) -> list[AddedToken]:
        """The tokens of added_tokens_decoder, or of added_tokens.json, in the order of the ids that they claim."""
        path, named = self.directory / "added_tokens.json", set(special)
        tokens: list[AddedToken] = []
        if "added_tokens_decoder" in self.file:
            section = self.file["added_tokens_decoder"] or {}
            if not isinstance(section, dict) or not all(key.isdecimal() and key.isascii() for key in section):
                raise ValueError(f"{str(self.path)!r}: added_tokens_decoder does not map ids to tokens; copy it again")
            for key, token in section.items():
                read = _read_added(self.path, token, int(key))
                follows = read.content in named and "normalized" not in token
                tokens.append(read._replace(normalized=False) if follows else read)
        elif path.is_file():
            for content, id in read_json(path).items():
                if type(id) is not int or id < 0:
                    raise ValueError(f"{str(path)!r}: the token {content!r} has the id {id!r}; it must be an integer")
                tokens.append(AddedToken(content, id, normalized=content not in named, special=content in named))
        return sorted(tokens, key=lambda token: token.id)

    def added(self, rule: str, own: Iterable[AddedToken], *, from_json: bool = False) -> list[AddedToken]:
        """All tokens to be found in texts: `own` of the vocabulary's file, claimed ones, named and extra ones.

        A named token has the flags that added_tokens_decoder claims, else those of its class, else those of a
        tokenizer.json, else its own.
        """
        named, extra = self.named(), self.extra()
        contents = [content_of(token) for token in (*named.values(), *extra)]
        old = "added_tokens_decoder" not in self.file  # then the flags of a named token win over added_tokens.json
        special_ones = contents
        if rule == "HF5":  # it does not see those of added_tokens.json that tokenizer_config.json flags
            special_ones = [*self._unflagged(named), *map(content_of, extra)] if old else contents[: len(named)]
        found, claimed = ({token.content: token for token in tokens} for tokens in (own, self.claimed(special_ones)))
        of_file = dict(found)
        if old:
            known = found = found | claimed | found
        else:
            known, found = claimed, found | claimed
        known = dict(known) if from_json else claimed
        for content, (name, token) in _deciding(named, rule).items():
            token = _flagged_special(token) if rule == "HF5" else token
            flagged = old and not from_json and rule == "HF4" and isinstance(token, dict)
            claim = None if flagged else known.get(content)
            flags = special_flags(self.class_name, rule, name, from_json)
            special = self._special(name, token, claim, of_file.get(content), flags)
            if special is None and content not in found:
                special = AddedToken(content, special=True)
            if special is not None:
                found[content] = special._replace(id=claimed[content].id) if content in claimed else special
        for token in extra:
            content = content_of(token)
            if isinstance(token, dict) and content not in contents[: len(named)]:
                found[content] = _read_added(self.path, token)._replace(special=True)
            elif rule == "HF5":
                if content not in known and token not in named.values():
                    found[content] = AddedToken(content, special=True)
                elif content in known and content not in contents[: len(named)]:
                    found[content] = known[content]
            else:
                found[content] = found.get(content, AddedToken(content))._replace(special=True)
        return list(found.values())

    def _unflagged(self, named: Mapping[str, Any]) -> list[str]:
        """The contents of special tokens to which tokenizer_config.json gives no flags."""
        others = (*self.given, *self.legacy)
        return [content_of(token) for name, token in named.items() if isinstance(token, str) or name in others]

    def _special(
        self,
        name: str,
        token: Any,
        known: AddedToken | None,
        of_file: AddedToken | None,
        flags: Mapping[str, bool] | None,
    ) -> AddedToken | None:
        """The special token `name` with its flags; None: with those that the vocabulary has.

        `known` is what the files claim of it, `of_file` what a tokenizer.json says, `flags` are those of its class.
        """
        names = any(source.get(name) is not None for source in (self.given, self.legacy, self.file))
        if known is not None and (names or flags is None or _stays(known, of_file, flags)):
            return known._replace(special=True)
        if isinstance(token, dict):
            return _read_added(self.path, token)._replace(special=True)
        return None if flags is None else AddedToken(content_of(token), special=True, **flags)


def _stays(known: AddedToken, of_file: AddedToken | None, flags: Mapping[str, bool]) -> bool:
    """Whether the library takes a token that it knows for the one with these flags, and leaves it as it is."""
    plain = AddedToken(known.content, special=True, **flags)
    if of_file is not None and of_file._replace(id=-1) == plain:
        return True
    alike = known._replace(id=-1, normalized=False, special=True) == plain
    return alike and not known.special and "normalized" not in flags


def _deciding(named: Mapping[str, Any], rule: str) -> dict[str, tuple[str, Any]]:
    """By its content the name of each special token, and the token as it is given under it.

    Of a token with several names the first counts in transformers 4, the last in transformers 5, which passes over a
    str that came before as a str.
    """
    found: dict[str, list[tuple[str, Any]]] = {}
    for name, token in named.items():
        given = found.setdefault(content_of(token), [])
        if not (isinstance(token, str) and any(isinstance(other, str) for _, other in given)):
            given.append((name, token))
    return {content: given[-1 if rule == "HF5" else 0] for content, given in found.items()}


def _with_compatibility(options: dict[str, Any]) -> dict[str, Any]:
    """The options with `compatibility` instead of its former spelling `pipeline`, which a FutureWarning names."""
    if "pipeline" not in options:
        return options
    former = options.pop("pipeline")
    if former is None:
        return options
    name = COMPATIBILITY.get(str(former))
    if name is None:
        raise ValueError(f"pipeline is {former!r}; give compatibility, one of {', '.join(map(repr, RULES))}")
    warn_caller(FutureWarning(f'pipeline="{former}" has become compatibility="{name}"; give that'))
    return {"compatibility": name, **options}


def _flagged_special(value: Any) -> Any:
    """The value of a name of special tokens, whose objects are special: then `normalized` is false if they lack it."""
    if isinstance(value, list):
        return [_flagged_special(token) for token in value]
    return {**value, "special": True} if isinstance(value, dict) and "content" in value else value


def content_of(token: Any) -> str:
    text: str = token["content"] if isinstance(token, dict) else token
    return text


def _read_added(path: Path, token: Any, id: int | None = None) -> AddedToken:
    return errors_name_file(path, lambda: read_added(token, id))


def errors_name_file(path: Path, make: Callable[[], T]) -> T:
    """`make()`, whose errors begin with the name of the file."""
    try:
        return make()
    except (ValueError, RecursionError) as error:
        text = str(error)
        if text.startswith(repr(str(path))):
            raise
        raise ValueError(f"{str(path)!r} {text}" if text.startswith("has ") else f"{str(path)!r}: {text}") from error


def check_side(name: str, value: Any) -> str:
    """The value, "left" or "right"; ValueError for anything else."""
    if value in ("left", "right"):
        return str(value)
    raise ValueError(f'{name} is {value!r}; it must be "left" or "right"')


def check_limit(name: str, value: Any) -> int | None:
    """A number of tokens, or None where there is no limit, which files also write as 1e30."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer)):
        raise TypeError(f"{name} is {value!r}; it must be an integer or None")
    if value >= _HUGE:
        return None
    if not value >= 1 or value != int(value):
        raise ValueError(f"{name} is {value!r}; it must be an integer of at least 1, or None")
    return int(value)
