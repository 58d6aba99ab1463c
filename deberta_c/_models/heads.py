"""The heads: the arguments of a call, the outputs that the core computes, and the result."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib import import_module
from inspect import cleandoc, signature
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._base.checks import boolean
from deberta_c._base.suggest import unknown_option
from deberta_c._columns.frames import (
    NewColumns,
    as_frame,
    column_of,
    columns_of_scores,
    is_reader,
    is_table,
    require_new,
    scored_stream,
    with_columns,
)
from deberta_c._columns.texts import Missing, RowName, rows_of, single_name
from deberta_c._files.checkpoint import Tensor
from deberta_c._models.base import CoreOutputs, PreTrainedModel
from deberta_c._models.config import PreTrainedConfig
from deberta_c._models.facts import labels_line
from deberta_c._models.losses import choice_loss, chosen_loss, classification_loss, replaced_loss, span_loss, token_loss
from deberta_c._models.opening import Plan, untrained_head_text
from deberta_c._models.outputs import (
    BaseModelOutput,
    BaseModelOutputWithPooling,
    BertForPreTrainingOutput,
    MaskedLMOutput,
    MultipleChoiceModelOutput,
    NextSentencePredictorOutput,
    PreTrainingOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
    names_of_given,
    scores_of,
)
from deberta_c._models.packing import Packed, check_positions, flatten_choices, selected_tokens, unpack_tokens
from deberta_c._models.predict import BATCH_TOKENS, check_rows, predict, run_batches
from deberta_c._models.tensor_names import (
    BIAS,
    DECODER,
    LM_HEAD,
    NEXT_SENTENCE,
    PAIRS,
    POSITIONS,
    PREDICTIONS,
    PREFIXES,
    REPLACED,
    SPANS,
    TOKENS,
    MatchedWeights,
    Source,
)
from deberta_c._models.word_table import as_array
from deberta_c._tokenizers.rows import Rows
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast, as_tokenizer, raise_for_bad_row, warn_of_cuts

C = TypeVar("C", bound=Callable[..., Any])


_ERRORS = """
Errors: ValueError names the argument, the position and the value (shapes, ids outside the vocabulary, mask values,
rows without a token); TypeError for a wrong dtype or an unknown argument; RuntimeError if the head is missing.
"""


def _with_errors(call: C) -> C:
    """Appends the paragraph of errors, which all heads share, to the docstring of a `__call__`."""
    call.__doc__ = cleandoc(call.__doc__ or "") + "\n" + _ERRORS
    return call


class Encoder(PreTrainedModel):
    """The network without a head; BERT's has a pooler."""

    _head = "none"
    _layers: ClassVar[Mapping[str, str]] = {}
    _missing_head_text = "pooler_output will be None"
    _needs_head = False

    def __init_subclass__(cls) -> None:
        cls._encoders[cls.config_class] = cls

    @_with_errors
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        *,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **extra: Any,
    ) -> Any:
        """Runs the network on a padded batch: arrays, tensors or lists of shape (N, S), as a tokenizer returns them.

        Returns a `BaseModelOutput`, for BERT a `BaseModelOutputWithPooling`, or a tuple with `return_dict=False`.
        """
        packed = self._packed(extra, input_ids, attention_mask, token_type_ids)
        has_pooler = self._settings["head"] == "pooler"
        outputs = self._run(packed, output_hidden_states, output_attentions, logits=has_pooler, last=True)
        assert outputs.last is not None
        pooled = {"pooler_output": outputs.logits} if self._head == "pooler" else {}
        kind = BaseModelOutputWithPooling if pooled else BaseModelOutput
        return self._as_output(kind, outputs, return_dict, input_ids, last_hidden_state=outputs.last, **pooled)

    def _states_of_rows(self, rows: Rows, row_name: RowName) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Row numbers and the last hidden states (T, H) of their tokens, batch by batch; see `_logits_of_rows`."""
        check_rows(rows, self._settings, row_name)
        return run_batches(self._core, rows, BATCH_TOKENS, states=True)

    def _transformers_name(self, name: str) -> str:
        """Tensors of an encoder without a head have no prefix."""
        return name.removeprefix(PREFIXES[self.config.model_type])


class _Labelled(PreTrainedModel):
    """A model whose logits belong to labels."""

    @property
    def classes_(self) -> NDArray[np.object_]:
        """The names of the labels, an array (num_labels) in the order of the logits, under the name of scikit-learn."""
        return np.array(self.labels(), np.object_)

    def _repr_suffix(self) -> str:
        labels = list(self.config.id2label.values())
        shown = repr(labels) if len(labels) <= 6 else f"[{', '.join(map(repr, labels[:5]))}, ...]"
        return f", {self.num_labels} labels {shown}"

    def _facts(self, tokenizer: Any = None) -> dict[str, str]:
        return super()._facts(tokenizer) | {"labels": labels_line(list(map(str, self.config.id2label.values())))}


class SequenceClassifier(_Labelled):
    """A head that classifies rows."""

    _head = "sequence"
    _missing_head_text = untrained_head_text("classifier")

    @_with_errors
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        *,
        labels: Any = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **extra: Any,
    ) -> Any:
        """Runs the network on a padded batch: arrays, tensors or lists of shape (N, S), as a tokenizer returns them.

        A mask may have padding on either side and holes. The head reads the first token that is not masked;
        transformers reads column 0. Returns a `SequenceClassifierOutput`, or a tuple with `return_dict=False`.

        With `labels`, the output has the loss of the configuration's `problem_type`. "regression": mean squared error;
        "single_label_classification": cross entropy with classes (N), -100 is ignored; "multi_label_classification":
        binary cross entropy with 0 and 1 (N, C). Without a `problem_type`, one label means regression, classes (N)
        cross entropy, and labels (N, C) soft cross entropy, or binary cross entropy with BERT. The logits of a
        regression are (N, 1), also where transformers flattens them.
        """
        packed = self._packed(extra, input_ids, attention_mask, token_type_ids)
        outputs = self._run(packed, output_hidden_states, output_attentions)
        logits, loss = outputs.logits, None
        assert logits is not None
        if labels is not None:
            infer = self.config.model_type == "bert"
            loss = classification_loss(logits, labels, self.config.problem_type, infer=infer)
        return self._as_output(SequenceClassifierOutput, outputs, return_dict, input_ids, loss=loss, logits=logits)

    def fit(
        self,
        texts: Any,
        labels: Iterable[Any] | None = None,
        text_pairs: Iterable[Any] | None = None,
        *,
        text: str = "text",
        label: str = "label",
        text_pair: str | None = None,
        validation: Any = 0.1,
        epochs: float = 3,
        batch_size: int = 16,
        learning_rate: float | None = None,
        warmup: float = 0.1,
        weight_decay: float = 0.01,
        max_length: int | None = None,
        class_weight: Any = None,
        sample_weight: Iterable[float] | None = None,
        teacher: Any = None,
        metric: str = "loss",
        patience: int | None = 2,
        seed: int = 42,
        progress: bool = True,
        output_dir: str | Path | None = None,
        resume: bool = False,
        tokenizer: PreTrainedTokenizerFast | None = None,
        **arguments: Any,
    ) -> Any:
        """Fine-tunes the model on a column of texts (or of pairs) and one of labels, and keeps its best epoch.

        Or give a table alone: its columns `text`, `label` and, for pairs, `text_pair` are read. A table is a DataFrame
        of pandas or polars, a Table of pyarrow, a datasets.Dataset, a dict of columns, or a list of dicts.

        Labels are str or numbers, one a row; lists of them are independent labels, and a model with one label takes
        numbers to predict. The names of new labels become `config.id2label`; the model must have as many labels: open
        it with `num_labels=`. `validation` is the share of rows that is drawn to compare the epochs, with the same
        share of each label, or a table or (texts, labels) of their own, or None. The epoch with the best `metric`,
        "loss", "accuracy", "f1" (or "f1_macro"), "rmse" or "r2", is kept; `patience` epochs without a better one end
        the training. By default the learning rate is 5e-5 for a small model and 2e-5 or 1e-5 for wider ones; `warmup`
        is a share of the steps. `class_weight="balanced"` lets rare labels count as much as frequent ones;
        `sample_weight` (N), numbers of at least 0, says how much each row counts in the loss. A `teacher`, a classifier
        of the same labels with its own tokenizer, or its directory or name, adds to the loss how far the logits are
        from its own (`distillation_alpha`). With `output_dir`, checkpoints stay there and `resume=True` continues from
        the last one. Further arguments are those of `deberta_c.TrainingArguments`. Returns a `FitResult`: the history
        as a table.

        Errors: ValueError and TypeError name the row and the remedy; FloatingPointError for a loss that is not finite.

        >>> import deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> result = model.fit(["win a prize", "see you at home"] * 10, ["spam", "ham"] * 10, epochs=1, progress=False)
        >>> result.labels
        ['ham', 'spam']
        """
        given = {name: value for name, value in locals().items() if name not in ("self", "texts", "labels")}
        more = given.pop("arguments")
        return import_module("deberta_c.training.fit").fit(self, texts, labels, **given, **more)

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
        **unknown: Any,
    ) -> NDArray[np.float32]:
        """Logits, float32 (N, num_labels), of a column of texts or of pairs, in its order.

        A column is a list, Series, pyarrow array, ndarray, data set or iterator; pairs are two columns, or a list of
        tuples of two texts. The column is read in windows of 8,192 rows, so apart from the column and the result,
        memory does not grow with the number of rows. Each distinct text of a window is computed once, in batches of
        about `batch_tokens` tokens, and again in later windows only after about ten megabytes of other texts. Ctrl-C
        works between layers. `na` decides about missing values (None, NaN, pd.NA): "raise" an error, "empty" treats
        them as empty texts, "skip" returns NaN rows. `progress=True` shows a bar by tqdm if it is installed, otherwise
        a line on stderr. `truncation` and `max_length` work as in a call of the tokenizer; one warning at the end
        counts the texts that were cut.

        Errors: TypeError and ValueError name the row and the remedy; rows that are not a str, or missing, raise before
        anything is computed, unless they come from an iterator. RuntimeError if the head is missing.

        >>> import deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> model.predict(["See you at home", None], na="skip").shape
        (2, 2)
        """
        _raise_for_unknown(self.predict, unknown)
        return self._logits_of_column(
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
        **unknown: Any,
    ) -> NDArray[np.float32]:
        """Probabilities, float32 (N, num_labels): softmax, or sigmoid for multi-label models and a single logit.

        Arguments and errors are those of `predict`; a regression model has no probabilities and raises ValueError.

        >>> import deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> float(model.predict_proba(["See you at home"]).sum().round(3))
        1.0
        """
        _raise_for_unknown(self.predict_proba, unknown)
        function = self.probability_function()
        if function is None:
            raise ValueError('config key problem_type is "regression": there are no probabilities; call predict')
        logits = self._logits_of_column(
            texts,
            text_pairs,
            tokenizer,
            truncation=truncation,
            max_length=max_length,
            batch_tokens=batch_tokens,
            na=na,
            progress=progress,
        )
        return scores_of(logits, function)

    def predict_labels(
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
        **unknown: Any,
    ) -> NDArray[np.object_]:
        """The most likely label of each row, an array of str (N), whatever the order of the labels in the logits.

        With a multi-label model each row is a list of the labels whose probability is above 0.5. With `na="skip"` the
        label of a missing text is None. Arguments and errors are those of `predict`; a regression model or a model with
        one label raises ValueError, because there is no label to choose.

        >>> import deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> model.predict_labels(["See you at home", None], na="skip").tolist()
        ['ham', None]
        """
        _raise_for_unknown(self.predict_labels, unknown)
        several = self.config.problem_type == "multi_label_classification"
        if not several and (self.probability_function() is None or self.num_labels == 1):
            raise ValueError("this model scores rows and has no labels to choose from; call predict or predict_proba")
        logits = self._logits_of_column(
            texts,
            text_pairs,
            tokenizer,
            truncation=truncation,
            max_length=max_length,
            batch_tokens=batch_tokens,
            na=na,
            progress=progress,
        )
        scores, labels = scores_of(logits, self.probability_function()), self.labels()
        answers = np.empty(len(logits), np.object_)
        if several:
            for row, given in enumerate(names_of_given(scores, labels)):
                answers[row] = given
            return answers
        for row in np.flatnonzero(~np.isnan(scores[:, 0])).tolist():
            answers[row] = labels[scores[row].argmax()]
        return answers

    def predict_frame(
        self,
        frame: Any,
        text: str = "text",
        text_pair: str | None = None,
        *,
        proba: bool = False,
        prefix: str = "",
        truncation: bool | str = True,
        max_length: int | None = None,
        batch_tokens: int = BATCH_TOKENS,
        na: Missing = "raise",
        progress: bool = False,
        tokenizer: PreTrainedTokenizerFast | None = None,
        **unknown: Any,
    ) -> Any:
        """A table with the columns `label` and `score` at its end, and with `proba` the probability of each label.

        `frame` is a table of pandas, polars or pyarrow, and the result is one of the same library, with the same index
        and the same other columns, which are not copied. A dict of columns gives another dict, with a list of labels
        and arrays of scores; a list of dicts, one for each row, gives another list. A table of another library that
        has Arrow's C interface (`__arrow_c_stream__`), such as a relation of DuckDB, gives a table of pyarrow. A
        RecordBatchReader of pyarrow gives another, which reads and computes a batch at a time. `text` names the column
        of texts, and `text_pair` that of the second texts of pairs. A Series or an array of Arrow may take the place
        of the table: the result has the new columns alone.

        `label` is categorical: a Categorical of pandas, an Enum of polars, a dictionary of Arrow. With a multi-label
        model it has the list of labels whose probability is above 0.5. `score` is the highest probability; of a model
        with one label, or of a regression, there is a `score` and no label. Scores are float32. `prefix` is put before
        the names of the new columns. With `na="skip"` the new columns are missing where a text is. Further arguments
        are those of `predict`; each distinct text is computed once.

        Errors: those of `predict`; ValueError for a column that is missing, or one of the same name as a new one.

        >>> import deberta_c, pandas as pd
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> df = pd.DataFrame({"text": ["See you at home", "WIN a prize! Call now"]}, index=["a", "b"])
        >>> model.predict_frame(df)["label"].to_dict()
        {'a': 'ham', 'b': 'spam'}
        >>> list(model.predict_frame(df, proba=True, prefix="p_"))
        ['text', 'p_label', 'p_score', 'p_ham', 'p_spam']
        """
        _raise_for_unknown(self.predict_frame, unknown)

        def scores(texts: Any, pairs: Any, **named: Any) -> NDArray[np.float32]:
            logits = self._logits_of_column(
                texts,
                pairs,
                tokenizer,
                truncation=truncation,
                max_length=max_length,
                batch_tokens=batch_tokens,
                na=na,
                progress=progress,
                **named,
            )
            return scores_of(logits, self.probability_function())

        return self._scored_frame(frame, text, text_pair, scores, proba=proba, prefix=prefix)

    def _scored_frame(
        self,
        frame: Any,
        text: str,
        text_pair: str | None,
        scores: Callable[..., NDArray[np.float32]],
        *,
        proba: bool,
        prefix: str,
    ) -> Any:
        """The result of `predict_frame`; `scores` makes those (N, C) of two columns, named for its messages."""
        proba = boolean("proba", proba)
        if not isinstance(prefix, str):
            raise TypeError(f"prefix is {prefix!r}; it must be a str")
        if isinstance(frame, list) and not frame:
            return []  # of no dicts
        frame = as_frame(frame)
        if is_reader(frame):
            again = partial(self._scored_frame, scores=scores, proba=proba, prefix=prefix)
            return scored_stream(frame, lambda batch: again(batch, text, text_pair))
        table = is_table(frame)
        firsts = column_of(frame, text, "text") if table else frame
        seconds = None
        name, second = (f"frame[{text!r}]", f"frame[{text_pair!r}]") if table else ("frame", "text_pair")
        if text_pair is not None:
            if not table:
                raise ValueError("frame is one column, and text_pair names another; give the table that has both")
            seconds = column_of(frame, text_pair, "text_pair")

        def columns(found: NDArray[np.float32]) -> NewColumns:
            problem = None if self.num_labels == 1 else self.probability_function()
            several = names_of_given(found, self.labels()) if problem == "sigmoid" else None
            return columns_of_scores(found, self.labels(), problem=problem, proba=proba, prefix=prefix, several=several)

        require_new(frame, columns(np.empty((0, self.num_labels), np.float32)))  # before hours of work
        found = scores(firsts, seconds, name=name, row_names=(rows_of(name), rows_of(second)))
        return with_columns(frame, columns(found))

    def probability_function(self) -> str | None:
        """The function that turns logits into probabilities: "softmax", "sigmoid", or None for regression."""
        if self.config.problem_type == "regression":
            return None
        if self.config.problem_type == "multi_label_classification" or self.num_labels == 1:
            return "sigmoid"
        return "softmax"

    def _logits_of_text(
        self, text: str, name: str, tokenizer: PreTrainedTokenizerFast, truncation: bool | str, max_length: int | None
    ) -> NDArray[np.float32]:
        """Logits (1, num_labels) of one text, without the windows of a column; messages call it `name`."""
        self._require_head()
        options = tokenizer._encode_options(truncation, max_length)
        try:
            rows = tokenizer._encode_for_model([text], None, options)
        except ValueError:
            raise_for_bad_row(tokenizer, [text], None, options, (single_name(name), single_name(name)))
            raise
        if rows.cut and max_length is None:
            warn_of_cuts(1, "1 text", options["max_length"])
        check_rows(rows, self._settings, single_name(name))
        logits = self._core.forward(rows.ids, rows.offsets, types=rows.types)[0]
        assert logits is not None
        return logits

    def _logits_of_column(
        self,
        texts: Iterable[Any],
        text_pairs: Iterable[Any] | None,
        tokenizer: PreTrainedTokenizerFast | None,
        **arguments: Any,
    ) -> NDArray[np.float32]:
        """The result of `predict`; `arguments` are those of the function of that name in `_predict`."""
        self._require_head()
        tokenizer = self.tokenizer if tokenizer is None else as_tokenizer(tokenizer)
        return predict(self._core, self._settings, tokenizer, texts, text_pairs, **arguments)


class TokenClassifier(_Labelled):
    """A head that classifies tokens."""

    _head = "tokens"
    _layers = TOKENS
    _missing_head_text = untrained_head_text("classifier of tokens")

    @_with_errors
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        *,
        labels: Any = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **extra: Any,
    ) -> Any:
        """Runs the network on a padded batch: arrays, tensors or lists of shape (N, S), as a tokenizer returns them.

        Returns a `TokenClassifierOutput`, whose logits (N, S, C) are zero for masked tokens, or a tuple with
        `return_dict=False`. With `labels` (N, S), the output has the cross entropy of the tokens that are neither
        labelled -100 nor masked; transformers also counts masked tokens, unless they are labelled -100.
        """
        packed = self._packed(extra, input_ids, attention_mask, token_type_ids)
        outputs = self._run(packed, output_hidden_states, output_attentions)
        logits = _padded(packed, outputs.logits)
        loss = None if labels is None else token_loss(logits, labels, packed.valid)
        return self._as_output(TokenClassifierOutput, outputs, return_dict, input_ids, loss=loss, logits=logits)


class SpanReader(PreTrainedModel):
    """A head that finds where an answer begins and where it ends."""

    _head = "tokens"
    _layers = SPANS
    _missing_head_text = untrained_head_text("reader of answers")

    @_with_errors
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        *,
        start_positions: Any = None,
        end_positions: Any = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **extra: Any,
    ) -> Any:
        """Runs the network on a padded batch: arrays, tensors or lists of shape (N, S), as a tokenizer returns them.

        Returns a `QuestionAnsweringModelOutput`, whose logits (N, S) are the lowest float32 for masked tokens, so that
        argmax never chooses one, or a tuple with `return_dict=False`. With `start_positions` and `end_positions` (N)
        it has the mean of both cross entropies; a position of S or more is ignored, a masked one raises ValueError.
        Masked tokens do not compete, so padding never affects the loss; in transformers they compete.
        """
        packed = self._packed(extra, input_ids, attention_mask, token_type_ids)
        outputs = self._run(packed, output_hidden_states, output_attentions)
        logits = _padded(packed, outputs.logits)
        if packed.valid is not None:
            logits[~packed.valid] = np.finfo(np.float32).min  # no answer begins or ends there
        start, end = (np.ascontiguousarray(part) for part in np.moveaxis(logits, 2, 0))
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = span_loss(start, end, start_positions, end_positions, packed.valid)
        values = {"loss": loss, "start_logits": start, "end_logits": end}
        return self._as_output(QuestionAnsweringModelOutput, outputs, return_dict, input_ids, **values)

    def _plan(self, config: PreTrainedConfig, found: Mapping[str, Tensor], options: Mapping[str, Any]) -> Plan:
        if config.num_labels != 2:
            raise ValueError(
                f"config key num_labels is {config.num_labels}; a reader of answers has 2, for start and end: give "
                "num_labels=2"
            )
        return super()._plan(config, found, options)


class Chooser(PreTrainedModel):
    """A head that scores choices."""

    _head = "sequence"
    _missing_head_text = untrained_head_text("model for choices")

    @_with_errors
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        *,
        labels: Any = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **extra: Any,
    ) -> Any:
        """Runs the network on N questions with the same number of choices: arrays or lists (N, choices, S).

        Returns a `MultipleChoiceModelOutput` with logits (N, choices), or a tuple with `return_dict=False`. With
        `labels` (N), the numbers of the right choices, it has their cross entropy.
        """
        packed = self._packed(extra, input_ids, attention_mask, token_type_ids)
        outputs = self._run(packed, output_hidden_states, output_attentions)
        assert outputs.logits is not None
        logits = outputs.logits.reshape(np.shape(input_ids)[:2])
        loss = None if labels is None else choice_loss(logits, labels)
        return self._as_output(MultipleChoiceModelOutput, outputs, return_dict, input_ids, loss=loss, logits=logits)

    def _pack(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Packed:
        ids = flatten_choices("input_ids", input_ids)
        others = [
            None if value is None else flatten_choices(name, value, np.shape(input_ids))
            for name, value in (("attention_mask", attention_mask), ("token_type_ids", token_type_ids))
        ]
        return super()._pack(ids, *others)

    def _plan(self, config: PreTrainedConfig, found: Mapping[str, Tensor], options: Mapping[str, Any]) -> Plan:
        plan = super()._plan(config, found, options)
        return plan._replace(settings={**plan.settings, "num_labels": 1})


class NextSentencePredictor(PreTrainedModel):
    """A head that predicts whether the second text of a pair follows the first."""

    _head = "sequence"
    _layers = NEXT_SENTENCE
    _missing_head_text = untrained_head_text("predictor of the next sentence")

    @_with_errors
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        *,
        labels: Any = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **extra: Any,
    ) -> Any:
        """Runs the network on a padded batch: arrays, tensors or lists of shape (N, S), as a tokenizer returns them.

        Returns a `NextSentencePredictorOutput` with logits (N, 2), the first for a text that follows, or a tuple with
        `return_dict=False`. With `labels` (N), 0 for a text that follows and 1 for any other, it has their cross
        entropy.
        """
        packed = self._packed(extra, input_ids, attention_mask, token_type_ids)
        outputs = self._run(packed, output_hidden_states, output_attentions)
        logits = outputs.logits
        assert logits is not None
        loss = None if labels is None else choice_loss(logits, labels)
        return self._as_output(NextSentencePredictorOutput, outputs, return_dict, input_ids, loss=loss, logits=logits)

    def _plan(self, config: PreTrainedConfig, found: Mapping[str, Tensor], options: Mapping[str, Any]) -> Plan:
        plan = super()._plan(config, found, options)
        return plan._replace(settings={**plan.settings, "num_labels": 2})


class MaskedLanguageModel(PreTrainedModel):
    """A head that predicts the tokens in the place of masks."""

    _head = "masked_lm"
    _missing_head_text = untrained_head_text("masked language model")

    def __init__(self, config: PreTrainedConfig, *, seed: int = 0, enhanced_mask_decoder: bool | None = None) -> None:
        self._make(config, seed, {"enhanced_mask_decoder": enhanced_mask_decoder})

    @_with_errors
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        *,
        positions: Any = None,
        labels: Any = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **extra: Any,
    ) -> Any:
        """Runs the network on a padded batch: arrays, tensors or lists of shape (N, S), as a tokenizer returns them.

        Returns a `MaskedLMOutput`, whose logits (N, S, V) are zero for masked tokens, or a tuple with
        `return_dict=False`. With `positions`, a boolean (N, S) array such as `input_ids == tokenizer.mask_token_id`,
        only the logits (K, V) of the K chosen tokens are computed, row by row, which saves most of the time and memory
        for a large vocabulary. With `labels` (N, S), the output has the cross entropy of the tokens that are not
        labelled -100, not masked and, with `positions`, chosen; transformers also counts masked tokens, unless they
        are labelled -100.
        """
        packed = self._packed(extra, input_ids, attention_mask, token_type_ids)
        outputs, logits, loss = self._predicted(packed, positions, labels, output_hidden_states, output_attentions)
        return self._as_output(MaskedLMOutput, outputs, return_dict, input_ids, loss=loss, logits=logits)

    def _predicted(
        self,
        packed: Packed,
        positions: Any,
        labels: Any,
        hidden_states: bool | None,
        attentions: bool | None,
        *,
        last: bool = False,
    ) -> tuple[CoreOutputs, NDArray[np.float32], np.float32 | None]:
        """The outputs of the core, the logits (N, S, V) or (K, V), and with `labels` their loss."""
        chosen = None if positions is None else check_positions(positions, packed)
        some = chosen is None or bool(chosen.any())
        selected = None if chosen is None or not some else selected_tokens(packed, chosen)
        outputs = self._run(packed, hidden_states, attentions, logits=some, last=last, selected=selected)
        if chosen is None:
            logits = _padded(packed, outputs.logits)
            return outputs, logits, None if labels is None else token_loss(logits, labels, packed.valid)
        none = np.empty((0, self._settings["num_labels"]), np.float32)
        logits = none if outputs.logits is None else outputs.logits
        return outputs, logits, None if labels is None else chosen_loss(logits, labels, chosen)

    def _unexpected(self, matched: MatchedWeights) -> tuple[str, ...]:
        """A decoder that is not tied has its own bias; the other bias in the files is expected then."""
        return tuple(name for name in super()._unexpected(matched) if name != BIAS)

    def _loading_info(self, matched: MatchedWeights, found: Mapping[str, Tensor]) -> dict[str, Any]:
        """The head of transformers has both biases, although it adds only one."""
        information = super()._loading_info(matched, found)
        if self._opened.layers is PREDICTIONS:
            information["missing_keys"] |= {BIAS, DECODER + ".bias"} - found.keys()
        return information

    def _plan(self, config: PreTrainedConfig, found: Mapping[str, Tensor], options: Mapping[str, Any]) -> Plan:
        option = options.get("enhanced_mask_decoder")
        _check_decoder_option(option, config)
        legacy = bool(config.get("legacy", True)) and not option
        if any(name.startswith("lm_predictions.lm_head.") for name in found):
            legacy = legacy and any(name.startswith("cls.predictions.") for name in found)
        enhanced = _decodes_twice(config, found, legacy) if option is None else option
        if legacy != config.get("legacy", True):
            config = type(config).from_dict({**config.to_dict(), "legacy": legacy})
        if not legacy:
            _check_width(config)
        if enhanced:
            _check_decoder(config, found)
        settings = config._for_core(self._head, enhanced_mask_decoder=enhanced)
        return Plan(config, settings, PREDICTIONS if legacy else LM_HEAD)


class PreTrainingModel(MaskedLanguageModel):
    """Both heads with which BERT was trained: one predicts tokens, the other whether a second text follows the first.

    The core has the first; the second is two small products for each row, computed here.
    """

    _missing_head_text = untrained_head_text("model with both heads")
    _pairs: Mapping[str, NDArray[np.float32]]  # weights of the second head

    @_with_errors
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        *,
        positions: Any = None,
        labels: Any = None,
        next_sentence_label: Any = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **extra: Any,
    ) -> Any:
        """Runs the network over a padded batch: arrays, tensors or lists of shape (N, S), as a tokenizer makes them.

        Returns a `BertForPreTrainingOutput` with `prediction_logits` (N, S, V), zero for masked tokens, and
        `seq_relationship_logits` (N, 2), the first for a text that follows, or a tuple with `return_dict=False`.
        `positions` (N, S) selects tokens as in BertForMaskedLM. With both `labels` (N, S) and `next_sentence_label`
        (N), 0 for a text that follows and 1 for any other, it has the sum of both cross entropies; with only one of
        them it has no loss, as in transformers.
        """
        packed = self._packed(extra, input_ids, attention_mask, token_type_ids)
        both = labels is not None and next_sentence_label is not None
        outputs, logits, loss = self._predicted(
            packed, positions, labels if both else None, output_hidden_states, output_attentions, last=True
        )
        follows = self._follows(packed, outputs)
        if loss is not None:
            loss += choice_loss(follows, next_sentence_label, "next_sentence_label")
        values = {"loss": loss, "prediction_logits": logits, "seq_relationship_logits": follows}
        return self._as_output(BertForPreTrainingOutput, outputs, return_dict, input_ids, **values)

    def _follows(self, packed: Packed, outputs: CoreOutputs) -> NDArray[np.float32]:
        """Logits (N, 2) of the first token of each row."""
        assert outputs.last is not None
        first = 0 if packed.valid is None else packed.valid.argmax(axis=1)
        states, weights = outputs.last[np.arange(len(outputs.last)), first], self._pairs
        pooled = np.tanh(_dense(states, weights["head.pooler.weight"], weights["head.pooler.bias"]))
        return _dense(pooled, weights["head.follows.weight"], weights["head.follows.bias"])

    def _wanted(self, plan: Plan) -> list[Source]:
        size, prefix = plan.config.hidden_size, PREFIXES[plan.config.model_type]
        sources = super()._wanted(plan)
        for layer, rows in (("head.pooler", size), ("head.follows", 2)):
            file = PAIRS[layer].format(prefix)
            for part, shape in (("weight", (rows, size)), ("bias", (rows,))):
                sources.append(Source(f"{layer}.{part}", shape, f"{file}.{part}", shape))
        return sources

    def _load(
        self, plan: Plan, found: dict[str, Tensor], options: dict[str, Any], core: _core.Model | None = None
    ) -> MatchedWeights:
        matched = super()._load(plan, found, options, core)
        if matched.complete:
            extra = {source.name: source.file for source in self._wanted(plan) if source.name.startswith(tuple(PAIRS))}
            self._pairs = {name: _finite(matched.files[file]) for name, file in extra.items()}
        return matched


class ReplacedTokenDetector(PreTrainedModel):
    """A head that detects which tokens were replaced."""

    _head = "replaced_tokens"
    _layers = REPLACED
    _missing_head_text = untrained_head_text("detector of replaced tokens")

    @_with_errors
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        *,
        labels: Any = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **extra: Any,
    ) -> Any:
        """Runs the network on a padded batch: arrays, tensors or lists of shape (N, S), as a tokenizer returns them.

        Returns a `PreTrainingOutput` with logits (N, S), above 0 where a token seems replaced and 0 for masked tokens,
        or a tuple with `return_dict=False`. With `labels` (N, S), 1 for replaced and 0 for original tokens, it has the
        binary cross entropy of the tokens that are neither masked nor labelled -100.
        """
        packed = self._packed(extra, input_ids, attention_mask, token_type_ids)
        outputs = self._run(packed, output_hidden_states, output_attentions)
        logits = _padded(packed, outputs.logits)[:, :, 0]
        loss = None if labels is None else replaced_loss(logits, labels, packed.valid)
        return self._as_output(PreTrainingOutput, outputs, return_dict, input_ids, loss=loss, logits=logits)


def _raise_for_unknown(method: Callable[..., Any], unknown: Mapping[str, Any]) -> None:
    """TypeError for an argument that a method does not have."""
    if unknown == {"labels": True}:
        raise TypeError(f"{method.__name__} has no option 'labels'; predict_labels returns the label of each row")
    if unknown:
        raise unknown_option(method.__name__, unknown, list(signature(method).parameters)[:-1])


def _padded(packed: Packed, logits: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """(T, C) as (N, S, C) with zeros for masked tokens."""
    assert logits is not None
    return unpack_tokens(packed, logits)


def _dense(states: NDArray[np.float32], weight: NDArray[np.float32], bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, H) times (O, H) plus (O); each row has the same bits in any batch, which `@` does not promise."""
    product: NDArray[np.float32] = np.einsum("nh,oh->no", states, weight)
    return product + bias


def _finite(tensor: Tensor) -> NDArray[np.float32]:
    """A tensor as float32 numbers; ValueError for NaN and infinity, as the core raises it for its own tensors."""
    with np.errstate(over="ignore"):
        array: NDArray[np.float32] = as_array(tensor).astype(np.float32)
    if not np.isfinite(array).all():
        index = int(np.flatnonzero(~np.isfinite(array))[0])
        value = "nan" if np.isnan(array.flat[index]) else "inf"
        raise ValueError(f"tensor {tensor.name!r} holds {value} at index {index}; the file is damaged, copy it again")
    return array


def _decodes_twice(config: PreTrainedConfig, found: Mapping[str, Tensor], legacy: bool) -> bool:
    """Whether the files are of a model that was trained with the enhanced mask decoder."""
    return (
        not legacy
        and config.get("position_biased_input") is False
        and "deberta." + POSITIONS in found
        and "lm_predictions.lm_head.bias" in found
        and config.num_hidden_layers >= 2
    )


def _check_decoder_option(option: Any, config: PreTrainedConfig) -> None:
    """TypeError or ValueError if `enhanced_mask_decoder` is invalid for this family."""
    if option is not None and not isinstance(option, bool):
        raise TypeError(f"enhanced_mask_decoder is {option!r}; it must be None, True or False")
    if option and config.model_type == "bert":
        raise ValueError("enhanced_mask_decoder is True, but BERT has no such decoder; leave it out")


def _check_width(config: PreTrainedConfig) -> None:
    """ValueError if LM_HEAD cannot multiply with the word table."""
    embedding = config.get("embedding_size") or config.hidden_size
    if embedding != config.hidden_size:
        raise ValueError(
            f"config key embedding_size is {embedding}, but the head lm_predictions.lm_head multiplies with the word "
            f"table and needs hidden_size, which is {config.hidden_size}; only cls.predictions, the head of "
            "legacy=True, goes with it"
        )


def _check_decoder(config: PreTrainedConfig, found: Mapping[str, Tensor]) -> None:
    """ValueError with the reason if the enhanced mask decoder cannot run."""
    if config.get("position_biased_input") is not False:
        raise ValueError(
            "enhanced_mask_decoder is True, but positions are added at the input already (config key "
            "position_biased_input); give enhanced_mask_decoder=False"
        )
    if config.num_hidden_layers < 2:
        raise ValueError(
            f"enhanced_mask_decoder is True, but config key num_hidden_layers is {config.num_hidden_layers}; "
            "it needs at least 2"
        )
    needed = ["deberta." + POSITIONS, *(f"{layer}.bias" for layer in LM_HEAD.values())]
    needed += [f"{layer}.weight" for key, layer in LM_HEAD.items() if key != "head.out"]
    missing = [name for name in needed if name not in found]
    if found and missing:
        raise ValueError(
            f"enhanced_mask_decoder is True, but the files lack {', '.join(missing)}; give enhanced_mask_decoder=False"
        )
