"""Rows of a tokenizer, combined into batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deberta_c._tokenizers.encodings import BatchEncoding
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast


@dataclass
class DataCollatorWithPadding:
    """Pads rows to one length, those of a DataLoader or a loop, with `tokenizer.pad`.

    Calling it with a list of dicts, a row each, gives a BatchEncoding of int64 arrays of shape (rows, tokens);
    `label` or `label_ids` becomes `labels`, of shape (rows,). The arguments are those of `tokenizer.pad`.
    `return_tensors` is "np" by default; that of transformers is "pt", which works here too where torch is installed.

    Errors: those of `tokenizer.pad`.

    >>> import deberta_c
    >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    >>> collate = deberta_c.DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8)
    >>> batch = collate([{**tokenizer("Free entry!"), "label": 1}, {**tokenizer("See you"), "label": 0}])
    >>> batch["input_ids"].shape, batch["labels"].tolist()
    ((2, 8), [1, 0])
    """

    tokenizer: PreTrainedTokenizerFast
    padding: bool | str | None = True
    max_length: int | None = None
    pad_to_multiple_of: int | None = None
    return_tensors: str | None = "np"

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> BatchEncoding:
        """A batch of rows."""
        batch = self.tokenizer.pad(
            list(features),
            padding=self.padding,
            max_length=self.max_length,
            pad_to_multiple_of=self.pad_to_multiple_of,
            return_tensors=self.return_tensors,
        )
        for name in ("label", "label_ids"):
            if name in batch:
                batch["labels"] = batch.pop(name)
        return batch
