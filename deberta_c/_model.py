"""The classifier: a model directory, opened, with the calls of transformers and of a data frame."""

from collections.abc import Iterable
from contextlib import ContextDecorator
from copy import deepcopy
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._checkpoint import Tensor, named, read_checkpoint
from deberta_c._config import DebertaV2Config, require_directory
from deberta_c._encodings import require_cpu
from deberta_c._errors import MissingHeadWarning, warn_caller
from deberta_c._frame import Missing, the_only
from deberta_c._outputs import SequenceClassifierOutput, sigmoid, softmax
from deberta_c._packing import Packed, pack, unpack_attentions, unpack_hidden
from deberta_c._predict import BATCH_TOKENS, check_rows, predict
from deberta_c._reopen import reopened
from deberta_c._tokenizer import PreTrainedTokenizerFast, as_tokenizer, explain, reopened_tokenizer, warn_of_cuts

_NETWORK = ("deberta.", "pooler.", "classifier.")
_HEAD = ("pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias")
# Arguments of transformers that change nothing here.
_HARMLESS = frozenset({"local_files_only", "use_safetensors", "attn_implementation", "low_cpu_mem_usage"})


class DebertaV2ForSequenceClassification:
    """A DeBERTa v2, v3 or mDeBERTa classifier on the CPU, in float32.

    The weights are immutable, the object may be used from many threads at once, and pickles as the path of its
    directory and options; a process that unpickles it again and again opens it once, and the last one stays open. Of
    `config`, the labels and `problem_type` may be set at any time; other keys count when it is opened.

    >>> import deberta_c
    >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
    >>> model.predict(["Free entry!", "See you at home", "Free entry!"]).shape
    (3, 2)
    """

    def __init__(self, directory: Path, config: DebertaV2Config, options: dict[str, Any]) -> None:
        self.config = config
        self.name_or_path = str(directory)
        self._options = options
        self._loaded = self._settable()
        self._tokenizer: PreTrainedTokenizerFast | None = None
        tensors = named(read_checkpoint(directory))
        if options.get("ignore_mismatched_sizes"):
            tensors = [tensor for tensor in tensors if not _other_labels(tensor, config.num_labels)]
        self._settings = config.for_core()  # what the core runs with, whatever happens to `config`
        self._size = sum(prod(tensor.shape) for tensor in tensors if tensor.name.startswith(_NETWORK))
        try:
            self._core = _core.Model(self._settings, [tensor[:4] for tensor in tensors])
        except ValueError as error:
            raise ValueError(f"{self.name_or_path!r}: {error}") from error
        names = {tensor.name for tensor in tensors}
        self._missing = tuple(name for name in _HEAD if name not in names)
        if self._missing:
            warn_caller(
                MissingHeadWarning(
                    f"{self.name_or_path!r} lacks {', '.join(self._missing)}: it is not a trained classifier, and "
                    "predicting raises an error; train it, or load a directory that holds them",
                    tensors=self._missing,
                )
            )

    @classmethod
    def from_pretrained(
        cls, directory: str | Path, *, config: DebertaV2Config | None = None, **options: Any
    ) -> "DebertaV2ForSequenceClassification":
        """Opens a directory with config.json and model.safetensors, or its shards, in F32, F16 or BF16.

        Keys of config.json, such as `num_labels`, `id2label` or `problem_type`, replace those of the file; `config`
        replaces the file. `ignore_mismatched_sizes=True` drops a classifier with another number of labels.
        `dtype` may be "float32" or "auto": the network computes in float32.

        The weights stay in the files, which are mapped into memory. While a model has them open, replace them by
        renaming new files into their place; a file that is cut or rewritten where it lies ends the process (SIGBUS)
        or changes the results.

        Errors: OSError for a missing directory or file, ValueError for a file that contradicts itself or the
        configuration, TypeError for an unknown option. Warnings: MissingHeadWarning names the missing tensors of the
        head; such a model does not predict.
        """
        folder = require_directory(directory).absolute()
        overrides = _check_options(options)
        if config is not None and not isinstance(config, DebertaV2Config):
            raise TypeError(f"config is {config!r}; give what AutoConfig.from_pretrained returned, or leave it out")
        if config is None:
            config = DebertaV2Config.from_pretrained(folder, **overrides)
        else:
            config = DebertaV2Config.from_dict(config.to_dict(), **overrides)
            config.check()
            options = {**options, "config": config.to_dict()}
        return cls(folder, config, options)

    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        *,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
        return_dict: bool = True,
    ) -> Any:
        """Runs the network over a padded batch: arrays, tensors or lists of shape (N, S), as a tokenizer makes them.

        Masks may have padding on either side and holes; the head reads the first token that is not masked, where
        transformers reads column 0. Returns a `SequenceClassifierOutput`, or a tuple with `return_dict=False`.

        Errors: ValueError names the argument, the place and the value (shapes, ids outside the vocabulary, mask
        values, rows without a token); TypeError for a wrong dtype; RuntimeError when the head is missing.

        >>> import deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> model(input_ids=[[1, 7, 2]]).logits.shape
        (1, 2)
        """
        self._require_head()
        settings = self._settings
        packed = pack(
            input_ids,
            attention_mask,
            token_type_ids,
            vocab_size=settings["vocab_size"],
            type_vocab_size=settings["type_vocab_size"],
            positions=settings["max_positions"] if settings["position_biased_input"] else None,
        )
        logits, hidden, attentions = self._run(packed, output_hidden_states, output_attentions)
        output = SequenceClassifierOutput(
            logits,
            None if hidden is None else unpack_hidden(packed, hidden),
            None
            if attentions is None
            else unpack_attentions(packed, attentions, settings["layers"], settings["heads"]),
        )
        return output if return_dict else output.to_tuple()

    forward = __call__

    def predict(
        self,
        texts: Iterable[Any],
        text_pairs: Iterable[Any] | None = None,
        *,
        truncation: bool | str = True,
        max_length: int | None = None,
        batch_tokens: int = BATCH_TOKENS,
        na: Missing = "raise",
        progress: bool = False,
        tokenizer: PreTrainedTokenizerFast | None = None,
    ) -> NDArray[np.float32]:
        """Logits, float32 (N, num_labels), of a column of texts or of pairs, in its order.

        A column is a list, Series, pyarrow array, ndarray or iterator. It is read in windows of 8,192 rows, so that
        beyond the column and the result memory does not grow with the number of rows. Each distinct text of a window
        is computed once, in batches of about `batch_tokens` tokens, and not again in later windows until some ten
        megabytes of other texts have come. Ctrl-C is served between layers. `na` says what a missing value (None, NaN,
        pd.NA) does: "raise", "empty" (an empty text) or "skip" (a row of NaN). `progress=True` shows a bar by tqdm,
        or a plain line on stderr. Truncation and `max_length` work as in a call of the tokenizer; the warning that
        counts the texts cut comes when all rows are done.

        Errors: TypeError and ValueError name the row and the remedy, before anything is computed for what is no str
        or missing, unless it comes from an iterator; RuntimeError when the head is missing.

        >>> import deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> model.predict(["See you at home", None], na="skip").shape
        (2, 2)
        """
        return self.logits_of_column(
            texts,
            text_pairs,
            tokenizer,
            truncation=truncation,
            max_length=max_length,
            batch_tokens=batch_tokens,
            na=na,
            progress=progress,
        )

    def predict_proba(
        self,
        texts: Iterable[Any],
        text_pairs: Iterable[Any] | None = None,
        *,
        truncation: bool | str = True,
        max_length: int | None = None,
        batch_tokens: int = BATCH_TOKENS,
        na: Missing = "raise",
        progress: bool = False,
        tokenizer: PreTrainedTokenizerFast | None = None,
    ) -> NDArray[np.float32]:
        """Probabilities, float32 (N, num_labels): softmax, or sigmoid for multi-label models and a single logit.

        Arguments and errors are those of `predict`; a regression model raises ValueError, for it has none.

        >>> import deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> float(model.predict_proba(["See you at home"]).sum().round(3))
        1.0
        """
        function = self.probability_function()
        if function is None:
            raise ValueError('config key problem_type is "regression": there are no probabilities; call predict')
        logits = self.logits_of_column(
            texts,
            text_pairs,
            tokenizer,
            truncation=truncation,
            max_length=max_length,
            batch_tokens=batch_tokens,
            na=na,
            progress=progress,
        )
        return softmax(logits) if function == "softmax" else sigmoid(logits)

    def probability_function(self) -> str | None:
        """What makes probabilities of the logits: "softmax", "sigmoid", or None for regression."""
        if self.config.problem_type == "regression":
            return None
        if self.config.problem_type == "multi_label_classification" or self.num_labels == 1:
            return "sigmoid"
        return "softmax"

    def logits_of(
        self, text: str, name: str, tokenizer: PreTrainedTokenizerFast, truncation: bool | str, max_length: int | None
    ) -> NDArray[np.float32]:
        """Logits (1, num_labels) of one text, the short way; messages call it `name`."""
        self._require_head()
        options = tokenizer.encode_options(truncation, max_length)
        try:
            rows = tokenizer.encode_with([text], None, options)
        except ValueError:
            explain(tokenizer, [text], None, options, (the_only(name), the_only(name)))
            raise
        if rows.cut and max_length is None:
            warn_of_cuts(1, "1 text", options["max_length"])
        check_rows(rows, self._settings, the_only(name))
        logits = self._core.forward(rows.ids, rows.offsets, types=rows.types)[0]
        assert logits is not None
        return logits

    def logits_of_column(
        self,
        texts: Iterable[Any],
        text_pairs: Iterable[Any] | None,
        tokenizer: PreTrainedTokenizerFast | None,
        **arguments: Any,
    ) -> NDArray[np.float32]:
        """What `predict` returns; `arguments` are those of the function of that name in `_predict`."""
        self._require_head()
        tokenizer = self.tokenizer if tokenizer is None else as_tokenizer(tokenizer)
        return predict(self._core, self._settings, tokenizer, texts, text_pairs, **arguments)

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The tokenizer of the model's directory, read on first use."""
        if self._tokenizer is None:
            self._tokenizer = reopened_tokenizer(self.name_or_path)
        return self._tokenizer

    @property
    def num_labels(self) -> int:
        """How many labels the classifier tells apart."""
        return int(self._settings["num_labels"])

    def labels(self) -> list[str]:
        """The names of the labels, in the order of the logits, as `config.id2label` has them now.

        Errors: ValueError when it was set to another number of labels than the classifier has.
        """
        names, count = self.config.id2label, self.num_labels
        if names.keys() != set(range(count)):
            raise ValueError(
                f"config key id2label has the keys {list(names)}, but the classifier has {count} labels; "
                f"give names for 0 to {count - 1}"
            )
        return [names[label] for label in range(count)]

    @property
    def device(self) -> str:
        """Where the network runs: "cpu"."""
        return "cpu"

    def num_parameters(self) -> int:
        """How many numbers the checkpoint holds for it: the sizes of all tensors deberta.*, pooler.*, classifier.*."""
        return self._size

    def eval(self) -> "DebertaV2ForSequenceClassification":
        """Returns itself: the model always evaluates."""
        return self

    def train(self, mode: bool = True) -> "DebertaV2ForSequenceClassification":
        """Returns itself for `mode=False`; raises NotImplementedError otherwise, for this version does not train."""
        if mode:
            raise NotImplementedError(
                "this version does not train; fine-tune with transformers, save_pretrained, and load that directory"
            )
        return self

    def to(self, device: object) -> "DebertaV2ForSequenceClassification":
        """Returns itself when `device` is the CPU; raises ValueError otherwise."""
        require_cpu(device)
        return self

    def __repr__(self) -> str:
        settings = self._settings
        labels = list(self.config.id2label.values())
        shown = repr(labels) if len(labels) <= 6 else f"[{', '.join(map(repr, labels[:5]))}, ...]"
        return (
            f"{type(self).__name__}({self.name_or_path!r}, {settings['layers']} layers x {settings['hidden_size']}, "
            f"{settings['heads']} heads, {self._size:,} parameters, {self.num_labels} labels {shown})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        changed = {name: value for name, value in self._settable().items() if value != self._loaded[name]}
        return _reopen, (type(self), self.name_or_path, {**self._options, **changed})

    def __copy__(self) -> "DebertaV2ForSequenceClassification":
        return self

    def __deepcopy__(self, _: object) -> "DebertaV2ForSequenceClassification":
        return self

    def _settable(self) -> dict[str, Any]:
        """What a user may set in `config` of an open model."""
        return {"id2label": dict(self.config.id2label), "problem_type": self.config.problem_type}

    def _run(
        self, packed: Packed, hidden_states: bool, attentions: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.float32] | None]:
        """The core's outputs; those of no row at all are empty."""
        if len(packed.offsets) == 1:
            settings = self._settings
            hidden = np.empty((settings["layers"] + 1, 0, settings["hidden_size"]), np.float32)
            return (
                np.empty((0, settings["num_labels"]), np.float32),
                hidden if hidden_states else None,
                np.empty(0, np.float32) if attentions else None,
            )
        logits, *others = self._core.forward(
            packed.ids,
            packed.offsets,
            types=packed.types,
            mask=packed.mask,
            first=packed.first,
            hidden_states=hidden_states,
            attentions=attentions,
        )
        assert logits is not None
        return logits, others[0], others[1]

    def _require_head(self) -> None:
        if self._missing:
            raise RuntimeError(
                f"{self.name_or_path!r} lacks {', '.join(self._missing)} and cannot classify; train it, or load a "
                "directory that holds them"
            )


class AutoModelForSequenceClassification:
    """Opens the classifier of a model directory."""

    @staticmethod
    def from_pretrained(
        directory: str | Path, *, config: DebertaV2Config | None = None, **options: Any
    ) -> DebertaV2ForSequenceClassification:
        """See `DebertaV2ForSequenceClassification.from_pretrained`."""
        return DebertaV2ForSequenceClassification.from_pretrained(directory, config=config, **options)


class no_grad(ContextDecorator):
    """A block, or a function, in which no gradients are kept; nothing keeps any, so code can stay as it was.

    >>> with no_grad():
    ...     pass
    """

    def __enter__(self) -> "no_grad":
        return self

    def __exit__(self, *_: object) -> None:
        return None


def _reopen(cls: type[DebertaV2ForSequenceClassification], directory: str, options: dict[str, Any]) -> Any:
    model = reopened(cls, directory, options, partial(_open, cls))
    model.config = deepcopy(model.config)  # its labels may be set
    return model


def _open(cls: type[DebertaV2ForSequenceClassification], directory: Path, **options: Any) -> Any:
    config = options.pop("config", None)
    return cls.from_pretrained(
        directory, config=None if config is None else DebertaV2Config.from_dict(config), **options
    )


def _check_options(options: dict[str, Any]) -> dict[str, Any]:
    """The options that replace keys of the configuration; TypeError or ValueError for what is not understood."""
    overrides = {}
    for name, value in options.items():
        if DebertaV2Config.declares(name):
            overrides[name] = value
        elif name in ("dtype", "torch_dtype"):
            if value is not None and str(value).removeprefix("torch.") not in ("float32", "auto"):
                raise ValueError(f'{name} is {value!r}; the network computes in float32, give "float32" or "auto"')
        elif name != "ignore_mismatched_sizes" and name not in _HARMLESS:
            raise TypeError(f"unknown option {name!r}; give a key of config.json or ignore_mismatched_sizes")
    return overrides


def _other_labels(tensor: Tensor, labels: int) -> bool:
    return tensor.name in ("classifier.weight", "classifier.bias") and tensor.shape[:1] != (labels,)
