"""`pretrain`: a masked language model, or v3's detector of replaced tokens, from plain text files."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.checks import boolean, folder
from deberta_c._base.extras import require
from deberta_c._base.tables import html_table, text_table
from deberta_c._files.atomic import require_writable
from deberta_c._models.auto import AutoModelForMaskedLM
from deberta_c._models.config import DebertaV2Config, PreTrainedConfig
from deberta_c._models.deberta_v2 import DebertaV2ForMaskedLM, DebertaV2ForPreTraining
from deberta_c._models.heads import MaskedLanguageModel, ReplacedTokenDetector
from deberta_c._models.losses import IGNORED, REPLACED, loss_and_gradient
from deberta_c._tokenizers.tokenizer import as_tokenizer
from deberta_c.training.arguments import TrainingArguments, integer, raise_for_unknown
from deberta_c.training.blocks import Blocks, checked_paths, read_blocks
from deberta_c.training.callbacks import PrinterCallback
from deberta_c.training.fit import OWN_NAMES, training_arguments
from deberta_c.training.masking import NGramMasking
from deberta_c.training.objective import Batch, Objective
from deberta_c.training.objectives import HELD_OUT, MaskedObjective, selected
from deberta_c.training.session import Session
from deberta_c.training.trainer import Trainer

OBJECTIVES = ("masked_lm", "replaced_tokens")
_WORDS = "deberta.embeddings.word_embeddings.weight"
_OF_GENERATOR = "generator:"
_SHOWN = ("step", "epoch", "loss", "eval_loss", "train_loss", "learning_rate")  # of the logs, in a table
_MOST_SHOWN = 20  # rows of it


class PretrainResult(NamedTuple):
    """What `pretrain` returns."""

    model: Any
    """The masked language model, or the detector of replaced tokens."""
    generator: Any
    """The masked language model whose samples the detector learnt from; None for the objective "masked_lm"."""
    history: list[dict[str, Any]]
    """The logs: a dict each, with `step`, `loss`, `learning_rate`, and of validations `eval_loss`."""
    steps: int
    """Updates of the weights."""
    seconds: float
    """How long the training took."""

    def to_frame(self) -> Any:
        """The history as a DataFrame of pandas. Errors: ImportError without pandas."""
        return require("pandas", "to_frame").DataFrame(self.history)

    def __repr__(self) -> str:
        return "\n".join([text_table(self._shown()), self._summary()])

    def _repr_html_(self) -> str:
        return f"{html_table(self._shown())}<p>{self._summary()}</p>"

    def _shown(self) -> list[dict[str, Any]]:
        """A row for each step with logs, at most 20 of them, evenly spaced."""
        steps: dict[int, dict[str, Any]] = {}
        for entry in self.history:
            found = {name: entry[name] for name in _SHOWN if name in entry}
            if len(found) > 1:
                steps.setdefault(entry["step"], {}).update(found)
        chosen = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), _MOST_SHOWN)).round().astype(np.int64))
        rows = list(steps.values())
        return [rows[place] for place in chosen.tolist()]

    def _summary(self) -> str:
        count = f"{self.steps:,} steps" if self.steps != 1 else "1 step"
        return f"{count} in {self.seconds:.1f} s; {type(self.model).__name__}"


def pretrain(
    files: Iterable[str | Path] | str | Path,
    model: Any,
    tokenizer: Any,
    output_dir: str | Path,
    *,
    objective: str = "masked_lm",
    documents: str = "line",
    validation: float | Iterable[str | Path] | None = None,
    max_length: int = 512,
    steps: int | None = None,
    epochs: float = 1,
    batch_size: int = 32,
    learning_rate: float = 1e-4,
    warmup: float = 0.1,
    weight_decay: float = 0.01,
    mlm_probability: float = 0.15,
    max_gram: int | None = None,
    enhanced_mask_decoder: bool | None = None,
    generator: Any = None,
    detection_weight: float = 50.0,
    teacher: Any = None,
    seed: int = 42,
    progress: bool = True,
    resume: bool = False,
    **arguments: Any,
) -> PretrainResult:
    """Pre-trains a model on plain text files, and writes it, its tokenizer and checkpoints to `output_dir`.

    `model` is a configuration, whose weights are drawn from `seed`, or a model to go on with. The texts, a document per
    line (or `documents="paragraph"`, up to an empty line), become rows of `max_length` tokens without padding; their
    ids lie in a temporary file in `output_dir`, 4 bytes per token, so that memory does not grow with the texts.

    With `objective="masked_lm"` the model, of any family, predicts masked tokens: n-grams of up to `max_gram` words (3
    by default), 15 % of the tokens, of which 80 % become the mask, 10 % another token. `enhanced_mask_decoder=True`
    predicts with DeBERTa's enhanced mask decoder; by default a configuration of DeBERTa with
    `position_biased_input=False` and two layers or more does.

    With `objective="replaced_tokens"` two networks are trained, as DeBERTa v3 was: `generator`, a masked language model
    (by default as wide as the detector, with half of its layers, and the enhanced mask decoder), and the detector,
    which finds the tokens that the generator's samples replaced. Its word table is that of the generator, without
    gradient, plus one of its own (gradient-disentangled embedding sharing). The loss is that of the generator plus
    `detection_weight` times that of the detector; each has its own update and clipping. The detector goes to
    `output_dir`, the generator to `output_dir/generator`.

    A `teacher`, a masked language model of the same vocabulary, or its directory or name, adds to the loss of masked
    tokens how far the logits are from its own (`distillation_alpha`, `distillation_temperature`). It reads each batch,
    and the logits of the masked tokens (K, vocab_size) of both models are in memory.

    `validation` is a share of the rows, or files; its masks are the same in every evaluation. Further arguments are
    those of `TrainingArguments`: `optim="xadam"`, `save_steps`, `eval_strategy`, `gradient_accumulation_steps`, ... A
    checkpoint resumes (`resume=True`) bit for bit, with the same arguments and files.

    Errors: ValueError for files without text, a tokenizer that does not fit the model, and invalid arguments; those of
    `Trainer.train`.

    >>> import deberta_c, tempfile
    >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    >>> config = deberta_c.BertConfig(vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "texts.txt").write_text("win a prize now\\nsee you at home\\n" * 20)
    ...     result = pretrain(Path(folder, "texts.txt"), config, tokenizer, folder, max_length=16, warmup=0,
    ...         progress=False)
    >>> result.steps, type(result.model).__name__
    (1, 'BertForMaskedLM')
    """
    raise_for_unknown("pretrain", arguments, signature(pretrain).parameters, OWN_NAMES)
    if objective not in OBJECTIVES:
        raise ValueError(f"objective is {objective!r}; it must be one of {', '.join(map(repr, OBJECTIVES))}")
    detects = objective == "replaced_tokens"
    tokenizer, output = as_tokenizer(tokenizer), folder("output_dir", output_dir)
    if steps is not None:
        steps = integer("steps", steps, 1, ", or None")
    seed, progress, resume = integer("seed", seed, 0), boolean("progress", progress), boolean("resume", resume)
    if not 0 <= detection_weight < math.inf:
        raise ValueError(f"detection_weight is {detection_weight!r}; it must be a number of at least 0")
    if teacher is not None and detects:
        raise ValueError('teacher is given, but objective is "replaced_tokens"; give "masked_lm" or leave it out')
    files = checked_paths(files)
    if validation is not None and not isinstance(validation, (int, float, np.floating)):
        validation = checked_paths(validation, "validation")
    require_writable("output_dir", output)
    output.mkdir(parents=True, exist_ok=True)
    if detects:
        model, generator = _pair(model, generator, enhanced_mask_decoder, seed)
    elif generator is None:
        model = _masked(model, enhanced_mask_decoder, seed)
    else:
        raise ValueError('generator is given, but objective is "masked_lm"; give "replaced_tokens" or leave it out')
    _check_sizes(model, tokenizer, max_length)
    masking = NGramMasking(
        tokenizer,
        probability=mlm_probability,
        max_gram=(1 if detects else 3) if max_gram is None else max_gram,
        masked=1.0 if detects else 0.8,
        kept=0.0 if detects else 0.1,
        max_length=max_length,
    )
    read = partial(read_blocks, tokenizer=tokenizer, max_length=max_length, documents=documents, folder=output)
    rows, held_out = _with_held_out(read, files, validation)
    settings = {
        "output_dir": str(output),
        "per_device_train_batch_size": batch_size,
        "per_device_eval_batch_size": batch_size,
        "num_train_epochs": epochs,
        "max_steps": -1 if steps is None else steps,
        "learning_rate": learning_rate,
        "warmup_steps": warmup,
        "weight_decay": weight_decay,
        "seed": seed,
        "disable_tqdm": not progress,
        "eval_strategy": "no" if held_out is None else "epoch",
        **arguments,
    }
    checked = training_arguments(settings)
    learns: Objective = DetectionObjective(model, masking, seed, detection_weight)
    if not detects:
        learns = MaskingObjective(model, masking, seed)
        learns.temperature, learns.alpha = checked.distillation_temperature, checked.distillation_alpha
    if teacher is not None:
        learns.take_teacher(teacher)
        _check_sizes(learns.teacher, tokenizer, max_length)
    trainer = _Pretrainer(model, checked, learns, rows, held_out, generator)
    if not progress:
        trainer.remove_callback(PrinterCallback)
    began = time.perf_counter()
    trainer.train(resume_from_checkpoint=resume or None)
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    if generator is not None:
        generator.save_pretrained(output / "generator")
        tokenizer.save_pretrained(output / "generator")
    seconds = time.perf_counter() - began
    return PretrainResult(model, generator, trainer.state.log_history, trainer.state.global_step, seconds)


class MaskingObjective(MaskedObjective):
    """Masked tokens of rows without labels: the masks are drawn for each step, and fixed in evaluations."""

    def __init__(self, model: Any, masking: NGramMasking, seed: int) -> None:
        super().__init__(model)
        self._masking, self._seed = masking, seed

    def batch(self, rows: Any, chosen: NDArray[np.int64], seed: int | None = None) -> Batch:
        """The rows of these numbers, masked, with labels (T)."""
        inputs, masked, labels = rows.inputs(chosen), [], []
        step = None if seed is None else np.random.default_rng([self._seed, seed])
        offsets = inputs["offsets"]
        for number, begin, end in zip(chosen, offsets[:-1], offsets[1:], strict=True):
            random = np.random.default_rng([HELD_OUT, int(number)]) if step is None else step
            ids, of_row = self._masking(inputs["ids"][begin:end], random)
            masked.append(ids)
            labels.append(of_row)
        return Batch(chosen, {**inputs, "ids": np.concatenate(masked)}, np.concatenate(labels))


class DetectionObjective(MaskingObjective):
    """Tokens that samples of a generator replaced, found by a detector; the session is a `PairedSession`."""

    def __init__(self, model: Any, masking: NGramMasking, seed: int, weight: float) -> None:
        super().__init__(model, masking, seed)
        self._weight = weight

    def divisor(self, batch: Batch) -> Any:
        """The numbers of tokens that the generator predicts, and that the detector judges."""
        return np.array([self.items(batch), len(batch.labels)])

    def learn(self, session: Session, batch: Batch, divisor: Any, seed: int) -> float:
        """Adds the gradients of a batch to both networks; returns its share in the sum of both losses."""
        assert isinstance(session, PairedSession)
        masked, judged = np.maximum(divisor, 1)
        predicted = session.generator.masked_lm(*selected(batch), seed) / masked
        inputs, replaced = self._sampled(session.generator, batch, seed)
        session.generator.masked_lm_backward(1 / masked)
        loss, gradient = self._detected(session.forward(inputs, seed), replaced, judged)
        session.backward(np.float32(self._weight) * gradient)
        return float(predicted + self._weight * loss)

    def evaluate(
        self, session: Session, batch: Batch, divisor: Any, *, logits: bool = True
    ) -> tuple[float | None, NDArray[np.float32] | None]:
        """The share of a batch in the sum of both losses; the same weights give the same samples."""
        assert isinstance(session, PairedSession)
        masked, judged = np.maximum(divisor, 1)
        predicted = session.generator.masked_lm(*selected(batch), None) / masked
        inputs, replaced = self._sampled(session.generator, batch, HELD_OUT + int(batch.rows[0]))
        loss, _ = self._detected(session.evaluate(inputs), replaced, judged)
        return float(predicted + self._weight * loss), None

    @staticmethod
    def _sampled(generator: Session, batch: Batch, seed: int) -> tuple[dict[str, Any], NDArray[np.int64]]:
        """The inputs of the detector, and for each token (T) whether it was replaced."""
        places = np.flatnonzero(batch.labels != IGNORED)
        ids, replaced = batch.inputs["ids"].copy(), np.zeros(len(batch.labels), np.int64)
        ids[places] = generator.sample(seed)
        replaced[places] = ids[places] != batch.labels[places]
        return {**batch.inputs, "ids": ids}, replaced

    @staticmethod
    def _detected(
        logits: NDArray[np.float32], replaced: NDArray[np.int64], divisor: int
    ) -> tuple[float, NDArray[np.float32]]:
        loss, gradient = loss_and_gradient(REPLACED, logits, replaced, divisor=float(divisor))
        return float(loss), gradient


class PairedSession(Session):
    """The session of a detector, and of the generator whose word table it shares without gradient."""

    def __init__(
        self, detector: Any, generator: Any, *, seed: int, checkpointing: bool = False, bf16: bool = False
    ) -> None:
        self.generator = Session(generator, seed=seed, checkpointing=checkpointing, bf16=bf16)
        super().__init__(detector, seed=seed, base=self.generator, checkpointing=checkpointing, bf16=bf16)

    def prepare(self, args: TrainingArguments) -> None:
        """That of both."""
        if args.lora is not None or args.freeze_layers or args.freeze_embeddings:
            raise ValueError("a detector and its generator are pre-trained whole; leave out freeze_layers and lora")
        self.generator.prepare(args)
        super().prepare(args)

    def update(self, learning_rate: float, **options: Any) -> float:
        """A step of each; the norm of both gradients together."""
        norms = self.generator.update(learning_rate, **options), super().update(learning_rate, **options)
        return float(np.hypot(*norms))

    def write_back(self) -> None:
        """Gives both models their weights."""
        self.generator.write_back()
        super().write_back()

    def _parameter(self, name: str) -> NDArray[np.float32]:
        found = super()._parameter(name)
        return found + self.generator.core.parameter(_WORDS) if name == _WORDS else found

    def state(self) -> dict[str, NDArray[Any]]:
        """The state of the detector, with its own word table, and weights and state of the generator."""
        of_generator = {f"value:{name}": self.generator.core.parameter(name) for name in self.generator.core.names}
        of_generator |= self.generator.state()
        found = {_OF_GENERATOR + name: value for name, value in of_generator.items()}
        return {**super().state(), "own_words": self.core.parameter(_WORDS), **found}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replaces what `state` returned.

        Errors: ValueError when it is that of another model.
        """
        if "own_words" not in state:
            raise ValueError("the checkpoint is not one of a pair; resume with the objective that wrote it")
        own = {name.removeprefix(_OF_GENERATOR): state[name] for name in state if name.startswith(_OF_GENERATOR)}
        for name in self.generator.core.names:
            self.generator.core.set_parameter(name, own[f"value:{name}"].ravel())
        self.generator.set_state(own)
        super().set_state(state)
        self.core.set_parameter(_WORDS, state["own_words"].ravel())


class _Pretrainer(Trainer):
    """A Trainer whose data sets are blocks of text."""

    def __init__(
        self, model: Any, args: TrainingArguments, objective: Objective, rows: Blocks, held_out: Any, generator: Any
    ) -> None:
        super().__init__(model, args, train_dataset=rows, eval_dataset=held_out)
        self.objective, self._generator = objective, generator

    def _rows(self, dataset: Any, name: str) -> Any:
        return dataset

    def _new_session(self) -> Session:
        if self._generator is None:
            return super()._new_session()
        return PairedSession(self.model, self._generator, **self._session_options())


def _with_held_out(
    read: Callable[[Any], Blocks], files: list[Path], validation: float | Iterable[str | Path] | None
) -> tuple[Blocks, Blocks | None]:
    """The rows to train on, and those to validate with: of other files, or a share of all rows."""
    rows = read(files)
    if isinstance(validation, (int, float, np.floating)):
        return rows.split(float(validation))
    return rows, None if validation is None else read(validation)


def _masked(model: Any, enhanced: bool | None, seed: int) -> MaskedLanguageModel:
    """A masked language model: the given one, or one with drawn weights."""
    if isinstance(model, MaskedLanguageModel):
        if enhanced is not None and enhanced != model._settings["enhanced_mask_decoder"]:
            raise ValueError("enhanced_mask_decoder differs from that of the model; open the model with it")
        return model
    if not isinstance(model, PreTrainedConfig):
        raise TypeError(f"model is {type(model).__name__}; give a configuration, or a model of AutoModelForMaskedLM")
    if enhanced is None:
        enhanced = (
            model.model_type != "bert"
            and model.get("position_biased_input") is False
            and model.num_hidden_layers >= 2
            and (model.get("embedding_size") or model.hidden_size) == model.hidden_size
        )
    made: MaskedLanguageModel = AutoModelForMaskedLM.from_config(
        model, seed=seed, **({} if model.model_type == "bert" else {"enhanced_mask_decoder": enhanced})
    )
    return made


def _pair(model: Any, generator: Any, enhanced: bool | None, seed: int) -> tuple[Any, Any]:
    """The detector and its generator."""
    if isinstance(model, DebertaV2Config):
        model = DebertaV2ForPreTraining.from_config(model, seed=seed)
    if not isinstance(model, ReplacedTokenDetector):
        raise TypeError(
            f"model is {type(model).__name__}; a detector of replaced tokens needs a DebertaV2Config, or a model of "
            "DebertaV2ForPreTraining"
        )
    if generator is None:
        settings = model.config.to_dict()
        layers = max(1, model.config.num_hidden_layers // 2)
        generator = DebertaV2Config.from_dict({**settings, "num_hidden_layers": layers})
    generator = _masked(generator, enhanced, seed)
    sizes = [(found._settings["vocab_size"], found._settings["embedding_size"]) for found in (model, generator)]
    if not isinstance(generator, DebertaV2ForMaskedLM) or sizes[0] != sizes[1]:
        raise ValueError(
            f"generator is {type(generator).__name__} with a word table {sizes[1]}; it must be a DebertaV2ForMaskedLM "
            f"with that of the detector, {sizes[0]}"
        )
    return model, generator


def _check_sizes(model: Any, tokenizer: Any, max_length: int) -> None:
    words, positions = model._settings["vocab_size"], model.config.max_position_embeddings
    if len(tokenizer) > words:
        raise ValueError(
            f"the tokenizer has {len(tokenizer)} tokens, but the model a vocabulary of {words}; set vocab_size of the "
            "configuration to at least that many"
        )
    if max_length > positions:
        raise ValueError(
            f"max_length is {max_length}; config key max_position_embeddings allows {positions}: give "
            f"max_length={positions}, or a larger max_position_embeddings"
        )
