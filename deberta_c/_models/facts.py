"""What notebooks and the command `info` show of a model."""

from collections.abc import Sequence
from typing import Any

_LABELS = 20  # the most that are named


def tokenizer_facts(tokenizer: Any) -> dict[str, Any]:
    """The class of a tokenizer, the number of its tokens, and how many of them a text may have (None: any number)."""
    return {
        "class": type(tokenizer).__name__,
        "tokens": len(tokenizer),
        "model_max_length": tokenizer.model_max_length,
    }


def tokenizer_line(facts: dict[str, Any]) -> str:
    """The same in a line.

    >>> tokenizer_line({"class": "BertTokenizer", "tokens": 30522, "model_max_length": 512})
    'BertTokenizer, 30,522 tokens, at most 512 a text'
    """
    limit = facts["model_max_length"] or "any number"
    return f"{facts['class']}, {facts['tokens']:,} tokens, at most {limit} a text"


def labels_line(labels: Sequence[str]) -> str:
    """How many labels there are, and the names of the first ones.

    >>> labels_line(["ham", "spam"])
    '2: ham, spam'
    """
    more = f", and {len(labels) - _LABELS} more" if len(labels) > _LABELS else ""
    return f"{len(labels)}: {', '.join(labels[:_LABELS])}{more}"
