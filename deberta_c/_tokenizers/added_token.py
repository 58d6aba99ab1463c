"""A token that is added to a tokenizer, as users make it; those of tokenizers and transformers are taken, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deberta_c._columns.texts import content_of_str

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@dataclass(frozen=True)
class AddedToken:
    """A token that is looked for in a text before the model sees it, as in transformers.

    `single_word`: it stands alone, not within a word; `lstrip`, `rstrip`: it takes the white space on that side with
    it; `normalized`: it is looked for in the normalized text, by default unless it is special; `special`:
    `skip_special_tokens` and `split_special_tokens` concern it.

    >>> AddedToken("<number>", lstrip=True)
    AddedToken(content='<number>', single_word=False, lstrip=True, rstrip=False, normalized=True, special=False)
    """

    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool | None = None
    special: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "_chosen", self.normalized)
        if self.normalized is None:
            object.__setattr__(self, "normalized", not self.special)

    def __str__(self) -> str:
        return self.content


def token_section(value: Any) -> dict[str, Any] | None:
    """A token as a file has it, with the flags that it has: of an AddedToken of any library, or of a mapping.

    None if it is not such a token.
    """
    names = ("content", *FLAGS)
    found = value if isinstance(value, Mapping) else {name: getattr(value, name, None) for name in names}
    content = found.get("content")
    if not isinstance(content, str):
        return None
    if not isinstance(value, Mapping):
        found = {**found, "normalized": _chosen_normalized(value)}
    flags = {name: found[name] for name in FLAGS if found.get(name) is not None}
    return {"content": content_of_str(content), **flags}


def _chosen_normalized(token: Any) -> bool | None:
    """`normalized` of an AddedToken of any library; None if it was not given and follows `special`."""
    normalized: bool | None = getattr(token, "_chosen", getattr(token, "normalized", None))
    special = getattr(token, "special", None)
    if special is None or normalized is None or isinstance(token, AddedToken):
        return normalized
    try:
        token.special = not special  # tokenizers says only in this way whether it follows
    except AttributeError:
        return normalized
    follows = token.normalized != normalized
    token.special = special
    return None if follows else normalized
