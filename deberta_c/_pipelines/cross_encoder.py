"""`CrossEncoder`: scores of pairs and rankings of documents, with the names of sentence-transformers."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.checks import boolean
from deberta_c._base.errors import short
from deberta_c._base.tables import html_facts
from deberta_c._columns.texts import values_of
from deberta_c._files.json import read_json
from deberta_c._models.auto import AutoModelForSequenceClassification
from deberta_c._models.config import PreTrainedConfig
from deberta_c._models.heads import SequenceClassifier
from deberta_c._models.outputs import sigmoid, softmax
from deberta_c._pipelines.base import check_batch_size, check_top_k
from deberta_c._tokenizers.encodings import as_tensor, require_cpu
from deberta_c._tokenizers.inputs import members
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast, as_tokenizer

Activation = Callable[[Any], Any]


class CrossEncoder:
    """A model that scores pairs of texts: rerankers, similarity, reward models.

    `model_name_or_path` is a directory, a name of the hub or an opened model. `max_length` is the limit of a pair in
    tokens. `activation_fn` is applied to the logits: a function of an array, or a module of torch; by default the one
    that the files name, otherwise the sigmoid for a model with one label, and none for others. `cache_folder` and
    other options are passed to `from_pretrained`. Attributes: `model`, `tokenizer`, `config`, `num_labels`,
    `max_length`, `activation_fn`.

    Errors: OSError for a missing directory; ValueError for a device other than the CPU or an unknown function in the
    files; RuntimeError in a call if the head is missing.

    >>> import deberta_c
    >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    >>> config = deberta_c.DebertaV2Config(vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16, num_labels=1)
    >>> untrained = deberta_c.AutoModelForSequenceClassification.from_config(config)
    >>> encoder = deberta_c.CrossEncoder(untrained, tokenizer=tokenizer)
    >>> encoder.predict([("Where is Ann?", "At home"), ("Where is Ann?", "At noon")]).shape
    (2,)
    >>> [sorted(answer) for answer in encoder.rank("Where is Ann?", ["At home", "At noon"], top_k=1)]
    [['corpus_id', 'score']]
    """

    def __init__(
        self,
        model_name_or_path: str | Path | SequenceClassifier,
        *,
        num_labels: int | None = None,
        max_length: int | None = None,
        activation_fn: Activation | None = None,
        device: Any = None,
        tokenizer: PreTrainedTokenizerFast | str | Path | None = None,
        cache_folder: str | None = None,
        **options: Any,
    ) -> None:
        require_cpu(device)
        model: Any = model_name_or_path
        if isinstance(model, (str, Path)):
            given = {"num_labels": num_labels, "cache_dir": cache_folder, **options}
            given = {name: value for name, value in given.items() if value is not None}
            model = AutoModelForSequenceClassification.from_pretrained(model, **given)
        elif not isinstance(model, SequenceClassifier):
            raise TypeError(f"model_name_or_path is of type {type(model).__name__}; give a directory or a classifier")
        self.model: SequenceClassifier = model
        self.tokenizer = model.tokenizer if tokenizer is None else as_tokenizer(tokenizer)
        self.max_length = max_length
        self.activation_fn = _named_activation(self.model) if activation_fn is None else activation_fn

    @property
    def config(self) -> PreTrainedConfig:
        """The configuration of the model."""
        return self.model.config

    @property
    def num_labels(self) -> int:
        """The number of labels: 1 for scores of relevance."""
        return self.model.num_labels

    def predict(
        self,
        inputs: Any = None,
        *,
        sentences: Any = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        apply_softmax: bool = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
    ) -> Any:
        """The scores of pairs, float32 (N), or (N, num_labels) for a model with several labels.

        `inputs` (formerly `sentences`) is a list of pairs, an array or table (N, 2), or a single pair, which returns
        its score. `activation_fn` replaces that of the constructor; `apply_softmax` turns the scores of several labels
        into probabilities. `convert_to_tensor` returns a tensor of torch, `convert_to_numpy=False` a list. Pairs are
        computed without padding, equal ones once; `batch_size` has no effect.

        Errors: ValueError and TypeError name the pair.
        """
        inputs = sentences if inputs is None else inputs
        check_batch_size(batch_size)
        single = _is_pair(inputs)
        pairs = [_pair(row, place) for place, row in enumerate([inputs] if single else _rows(inputs))]
        scores = self._scores(pairs, activation_fn or self.activation_fn, bool(show_progress_bar))
        if boolean("apply_softmax", apply_softmax) and scores.ndim > 1:
            scores = softmax(scores)
        found: Any = as_tensor(scores) if convert_to_tensor else scores if convert_to_numpy else list(scores)
        return found[0] if single else found

    def rank(
        self,
        query: str,
        documents: Iterable[str],
        top_k: int | None = None,
        return_documents: bool = False,
        *,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
    ) -> list[dict[str, Any]]:
        """The documents by their scores for a query, best first: dicts with "corpus_id" and "score".

        `documents` is a list or another column of str, `top_k` the number of results (None: all). With
        `return_documents` the dicts have the document as "text". Other arguments are those of `predict`.

        Errors: ValueError for a model with several labels; TypeError and ValueError name the document.
        """
        if self.num_labels != 1:
            raise ValueError(
                f"the model has {self.num_labels} labels; rank needs a model with one, call predict with pairs instead"
            )
        check_top_k(top_k, "all documents")
        boolean("return_documents", return_documents)
        check_batch_size(batch_size)
        texts = values_of(documents, "documents")
        if not isinstance(query, str):
            raise TypeError(f"query is of type {type(query).__name__}; it must be a str")
        scores = self._scores(
            [(query, text) for text in texts],
            activation_fn or self.activation_fn,
            bool(show_progress_bar),
            lambda row: f"documents[{row}]",
        ).tolist()
        order = sorted(range(len(texts)), key=scores.__getitem__, reverse=True)[:top_k]
        return [
            {"corpus_id": place, "score": scores[place]} | ({"text": texts[place]} if return_documents else {})
            for place in order
        ]

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Writes the model and the tokenizer to a directory."""
        self.model.save_pretrained(save_directory)
        self.tokenizer.save_pretrained(save_directory)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    def _repr_html_(self) -> str:
        """The model as a table, for notebooks."""
        return html_facts({"pipeline": type(self).__name__, **self.model._facts(self.tokenizer)})

    def _scores(
        self,
        pairs: list[tuple[Any, Any]],
        activation: Activation,
        progress: bool,
        row_name: Callable[[int], str] | None = None,
    ) -> NDArray[Any]:
        """Activated logits, float32 (N) or (N, num_labels)."""
        if not pairs:
            return np.zeros(0, np.float32)
        logits = self.model._logits_of_column(
            [first for first, _ in pairs],
            [second for _, second in pairs],
            self.tokenizer,
            truncation=True,
            max_length=self.max_length,
            progress=progress,
            name="inputs",
            row_names=members("inputs") if row_name is None else (lambda _: "query", row_name),
        )
        scores: NDArray[Any] = np.asarray(_activated(activation, logits), np.float32)
        return scores[:, 0] if self.num_labels == 1 and scores.ndim > 1 else scores


def _identity(logits: Any) -> Any:
    return logits


_ACTIVATIONS: dict[str, Activation] = {"Sigmoid": sigmoid, "Identity": _identity}


def _named_activation(model: SequenceClassifier) -> Activation:
    """The function that the files of a model name, or the default."""
    names = [
        _file_of(model).get("activation_fn"),
        (model.config.get("sentence_transformers") or {}).get("activation_fn"),
        model.config.get("sbert_ce_default_activation_function"),
    ]
    name = next((name for name in names if name), "Sigmoid" if model.num_labels == 1 else "Identity")
    found = _ACTIVATIONS.get(str(name).rpartition(".")[2])
    if found is None:
        raise ValueError(
            f"the files of the model name the activation function {short(name)}; known are torch.nn.Sigmoid and "
            "torch.nn.Identity: give activation_fn"
        )
    return found


def _file_of(model: SequenceClassifier) -> dict[str, Any]:
    """The settings that sentence-transformers has written beside a model."""
    path = Path(model.name_or_path, "config_sentence_transformers.json")
    return read_json(path) if model.name_or_path and path.is_file() else {}


def _activated(function: Activation, logits: NDArray[np.float32]) -> Any:
    """The result of a function of arrays, or of a module of torch."""
    if type(function).__module__.startswith("torch."):
        return function(as_tensor(logits)).detach().numpy()
    return function(logits)


def _is_pair(inputs: Any) -> bool:
    """Whether the inputs are a single pair of texts."""
    if isinstance(inputs, np.ndarray):
        return inputs.ndim == 1 and inputs.size > 0 and isinstance(inputs[0], str)
    return isinstance(inputs, (list, tuple)) and len(inputs) > 0 and isinstance(inputs[0], str)


def _rows(inputs: Any) -> list[Any]:
    """The rows of a list, an iterator, or a table with two columns."""
    if len(getattr(inputs, "shape", ())) == 2:
        rows: list[Any] = np.asarray(inputs, object).tolist()
        return rows
    return values_of(inputs, "inputs")


def _pair(row: Any, place: int) -> tuple[Any, Any]:
    if not isinstance(row, (list, tuple, np.ndarray)) or len(row) != 2:
        raise ValueError(f"inputs[{place}] is {short(row)}; give pairs of two texts, such as [(query, document), ...]")
    return row[0], row[1]
