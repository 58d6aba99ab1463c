"""tokenizer.json beside spm.model: what it says about the pipeline, refused where spm.model would be read otherwise."""

import json
import re
from pathlib import Path
from typing import Any

from deberta_c._config import read_json

_HEAD = 2**21  # characters that are enough for everything before the vocabulary
_KEY = re.compile(r'\s*[{,]\s*"(\w+)"\s*:\s*')
_WANTED = frozenset({"added_tokens", "normalizer", "pre_tokenizer"})
_STRIP = {"type": "Strip", "strip_left": True, "strip_right": True}
_BLANKS = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}


def read_pipeline(path: Path) -> tuple[dict[str, bool], dict[str, Any]]:
    """The options `do_lower_case` and `split_by_punct` of a tokenizer.json, and the ids of its added tokens.

    Errors: ValueError for a pipeline other than the one that transformers 4 makes of spm.model.
    """
    head = _read_head(path)
    added = {}
    for token in _items(head.get("added_tokens")):
        content = str(token.get("content"))
        for flag in ("lstrip", "rstrip", "single_word"):
            if token.get(flag):
                raise _refused(path, f"gives the token {content!r} the flag {flag}")
        added[content] = token.get("id")
    options = {
        "do_lower_case": _lowers(path, head.get("normalizer")),
        "split_by_punct": _splits(path, head.get("pre_tokenizer")),
    }
    return options, added


def _lowers(path: Path, normalizer: Any) -> bool:
    stages = _sequence(normalizer, "normalizers")
    rest = [stage for stage in stages if stage.get("type") not in ("Lowercase", "Precompiled")]
    kinds = [stage.get("type") for stage in stages]
    order = [kind for kind in ("Lowercase", "Strip", "Precompiled", "Replace") if kind in kinds]
    if rest != [_STRIP, _BLANKS] or kinds != order:
        raise _refused(path, f"has the normalizer {_shown(normalizer)}")
    return "Lowercase" in kinds


def _splits(path: Path, pre_tokenizer: Any) -> bool:
    stages = _sequence(pre_tokenizer, "pretokenizers")
    punctuation = [stage.get("type") for stage in stages] == ["Punctuation", "Metaspace"]
    if punctuation and stages[0].get("behavior", "Isolated") == "Isolated":
        stages = stages[1:]
    if len(stages) != 1 or not _is_metaspace(stages[0]):
        raise _refused(path, f"has the pre_tokenizer {_shown(pre_tokenizer)}")
    return punctuation


def _is_metaspace(stage: dict[str, Any]) -> bool:
    legacy = "always" if stage.get("add_prefix_space", True) else "never"
    return (
        stage.get("type") == "Metaspace"
        and stage.get("replacement") == "▁"
        and stage.get("prepend_scheme", legacy) == "always"
        and stage.get("split", True) is True
    )


def _read_head(path: Path) -> dict[str, Any]:
    """What stands before the vocabulary, which is nearly all of the file; everything, when that does not suffice."""
    head: dict[str, Any] = {}
    decoder = json.JSONDecoder()
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_HEAD)
        at = 0
        while (key := _KEY.match(text, at)) and key[1] != "model":
            head[key[1]], at = decoder.raw_decode(text, key.end())
    except (ValueError, RecursionError):
        return read_json(path)  # cut where the reading ended, or no JSON at all
    return head if head.keys() >= _WANTED else read_json(path)


def _sequence(stage: Any, name: str) -> list[dict[str, Any]]:
    """The stages of a Sequence, or the one stage."""
    return _items(_get(stage, name) if _get(stage, "type") == "Sequence" else [stage])


def _get(stage: Any, name: str) -> Any:
    return stage.get(name) if isinstance(stage, dict) else None


def _items(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; what is none counts as an object without keys."""
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else []


def _shown(stage: Any) -> str:
    """A stage or its parts, each cut to what tells it, for a charsmap is long."""
    parts = [part for name in ("normalizers", "pretokenizers") for part in _items(_get(stage, name))] or [stage]
    texts = [json.dumps(part, ensure_ascii=False) for part in parts]
    return ", ".join(text if len(text) <= 100 else text[:97] + "..." for text in texts)


def _refused(path: Path, problem: str) -> ValueError:
    return ValueError(
        f"{str(path)!r} {problem}, which is not what transformers 4 makes of spm.model; this version runs that only: "
        "delete tokenizer.json to use spm.model as it is"
    )
