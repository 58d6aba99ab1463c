"""Integrated gradients: by how much each token of a row raises a logit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._models.packing import offsets_of
from deberta_c._models.predict import BATCH_TOKENS
from deberta_c._models.tensor_names import match_weights
from deberta_c._tokenizers.rows import Rows

_WORDS = "deberta.embeddings.word_embeddings.weight"  # as the core calls it


class Gradients:
    """Gradients of logits by the word vector of each token.

    A training of the core has the gradient of each row of its word table. Here the table has a row for each token of
    a batch instead of one for each word, so that every token has a vector, and a gradient, of its own. `longest` is
    the number of tokens of the longest row, `baseline` the token of the text where the path begins.
    """

    def __init__(self, model: Any, baseline: str | None, longest: int) -> None:
        self._tokenizer, self._labels = model.tokenizer, model.num_labels
        plan = model._opened
        matched = match_weights(model._wanted(plan), dict(model._weights()), plan.settings, {})
        self._tensors = {tensor[0]: tensor for tensor in matched.tensors}
        self._settings = dict(plan.settings)
        self._table = np.asarray(model.get_input_embeddings().weight, np.float32)
        self._baseline = self._table[self._id_of(baseline)]
        self._size = max(BATCH_TOKENS, longest)
        self._core = self._open()

    def of(self, rows: Rows, row: int, label: int, steps: int, place: int | None) -> NDArray[np.float64]:
        """The values of the tokens (T) of a row: the integral of the gradients of a logit times their distance.

        `place` is the token that has the logit, None if the row has it. The path goes through `steps` points.
        """
        begin, end = rows.offsets[row : row + 2]
        vectors = self._table[rows.ids[begin:end]]
        text = rows.extras["sequences"][begin:end] >= 0
        distance = np.where(text[:, None], vectors - self._baseline, 0)
        points, weights = np.polynomial.legendre.leggauss(steps)
        values = np.zeros(end - begin)
        each = max(1, self._size // len(vectors))
        for first in range(0, steps, each):
            places, shares = (points[first : first + each] + 1) / 2, weights[first : first + each] / 2
            path = vectors - (1 - places)[:, None, None] * distance  # (points, T, E)
            gradient = self._gradient(path.astype(np.float32), rows.types[begin:end], label, shares, place)
            values += (gradient * distance).sum(axis=(0, 2))
        return values

    def _id_of(self, token: str | None) -> int:
        if token is None:
            return int(self._tokenizer.pad_token_id or 0)
        found = self._tokenizer.convert_tokens_to_ids(token)
        if found is None or (found == self._tokenizer.unk_token_id and token != self._tokenizer.unk_token):
            raise ValueError(f"baseline is {token!r}, which is not a token of the tokenizer; give one such as [MASK]")
        return int(found)

    def _gradient(
        self,
        path: NDArray[np.float32],
        types: NDArray[np.uint8],
        label: int,
        shares: NDArray[np.float64],
        place: int | None,
    ) -> NDArray[np.float64]:
        """The gradients of the logit, times shares (P), by the vectors of P rows (P, T, E)."""
        count, tokens, width = path.shape
        table = np.zeros((self._size, width), np.float32)
        table[: count * tokens] = path.reshape(-1, width)
        self._core.set_parameter(_WORDS, table.ravel())
        selected = None if place is None else np.tile(np.arange(tokens) == place, count).astype(np.uint8)
        self._core.forward(
            np.arange(count * tokens, dtype=np.int32),
            offsets_of(np.full(count, tokens)),
            types=np.tile(types, count),
            selected=selected,
            seed=0,
        )
        d_logits = np.zeros((count, self._labels), np.float32)
        d_logits[:, label] = shares
        self._core.backward(d_logits.ravel())
        found = self._core.gradient(_WORDS)[: count * tokens].astype(np.float64).reshape(path.shape)
        self._core.update(0.0, weight_decay=0.0)  # sets the gradients to zero
        return found

    def _open(self) -> _core.Training:
        """The network with a separate word table, the only weights that get gradients."""
        width = self._table.shape[1]
        empty = np.zeros(4 * self._size * width, np.uint8)
        words = (_WORDS, "F32", (self._size, width), empty, None, False)
        tensors = [words if name == _WORDS else tensor for name, tensor in self._tensors.items()]
        core = _core.Training({**self._settings, "vocab_size": self._size}, tensors)
        for name in core.names:
            core.set_options(name, trainable=name == _WORDS)
        return core
