"""Reading, resizing and saving the weights of a model."""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from deberta_c._files.atomic import new_files
from deberta_c._files.checkpoint import Tensor
from deberta_c._files.shards import holds_weights, write_weights
from deberta_c._models.opening import OpenedModel
from deberta_c._models.precision import KEEP
from deberta_c._models.tensor_names import (
    OUTPUTS_OF_WORDS,
    PREFIXES,
    WORDS,
)
from deberta_c._models.word_table import Embedding, as_array, resized

M = TypeVar("M", bound="WeightedModel")

_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_HARMLESS_SAVING = frozenset({"token", "save_peft_format", "save_original_format", "distributed_checkpoint"})
_PUSH = "deberta_c does not upload; call save_pretrained(DIR), then run `hf upload NAME DIR` of huggingface_hub"


class WeightedModel(OpenedModel):
    """An open model whose weights can be read, resized and saved; see `PreTrainedModel`."""

    def save_pretrained(
        self,
        save_directory: str | Path,
        is_main_process: bool = True,
        *,
        max_shard_size: int | str = "50GB",
        variant: str | None = None,
        safe_serialization: bool = True,
        push_to_hub: bool = False,
        **options: Any,
    ) -> None:
        """Writes config.json and model.safetensors to a directory, which is created; save the tokenizer separately.

        transformers loads the directory and computes the same logits, except for a masked language model with the
        enhanced mask decoder, which transformers does not have: it reads the ordinary last layer. Tensors that the
        network does not use are not written: a model opened with `enhanced_mask_decoder=False` is saved without its
        position table, so the copy can only use the ordinary last layer.

        The weights keep their type (F32 for initial weights); `dtype` of config.json is a type that represents all of
        them. Tied weights are stored once. The layers that an int8 or bfloat16 model keeps in float32 become the
        key low_precision_keep of config.json. Weights of more than `max_shard_size` bytes, an int or a str such as
        "5GB", are split into shards with an index. `variant="fp16"` names the file model.fp16.safetensors. With
        `is_main_process=False` nothing is written. Weights of an earlier model in the directory are removed. If saving
        fails, the directory is unchanged; only a power cut can leave some files of an earlier model.

        Errors: RuntimeError if the head is missing, OSError if the directory cannot be written, TypeError and
        ValueError for an unsupported option.

        >>> import tempfile, deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     model.save_pretrained(directory)
        ...     sorted(path.name for path in Path(directory).iterdir())
        ['config.json', 'model.safetensors']
        """
        _check_saving(options, safe_serialization, push_to_hub)
        self._require_head()
        if not is_main_process:
            return
        tensors = [tensor._replace(name=self._transformers_name(name)) for name, tensor in self._weights().items()]
        config = self._saved_config()
        config.update(architectures=[type(self).__name__], dtype=_common_type(tensors))
        with new_files(save_directory, stale=lambda name: holds_weights(name, variant)) as place:
            place("config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            write_weights(place, tensors, limit=max_shard_size, variant=variant)

    def push_to_hub(self, *_: Any, **__: Any) -> None:
        """Raises NotImplementedError; the message says how to upload a saved directory."""
        raise NotImplementedError(_PUSH)

    def named_parameters(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Names and read-only arrays of the weights, each once, with the names and types of files.

        A bfloat16 weight is a float32 copy.
        """
        for name, tensor in self._weights().items():
            yield self._transformers_name(name), as_array(tensor)

    def parameters(self) -> Iterator[NDArray[Any]]:
        """The arrays of `named_parameters`."""
        return (array for _, array in self.named_parameters())

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Names and read-only arrays of the weights, tied ones under both names."""
        state = dict(self.named_parameters())
        tied = self._tie(self._opened.config, {})
        for source in self._wanted(self._opened):
            if source.file in tied and tied[source.file] in state:
                state.setdefault(source.file, state[tied[source.file]])
        return state

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """The number of parameters, without a missing head; tied weights count once.

        `exclude_embeddings` excludes the tables of words, positions, types and distances; `only_trainable` has no
        effect.
        """
        if not exclude_embeddings:
            return self._size
        sizes = {name: prod(tensor.shape) for name, tensor in self._weights().items()}
        return sum(size for name, size in sizes.items() if not name.endswith("_embeddings.weight"))

    def get_input_embeddings(self) -> Embedding:
        """The table of words: `weight` is a read-only array (V, E)."""
        return Embedding(as_array(self._weights()[self._words]))

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> Embedding:
        """Changes the number of rows of the word table, for example after tokens were added; returns the new table.

        Rows are removed at the end, or added: drawn around the mean of the others, as in transformers, or like initial
        weights with `mean_resizing=False`. The new values depend only on the old and the new number of rows. The number
        is rounded up to a multiple of `pad_to_multiple_of`; None keeps the number. The head of a masked language model
        is resized too, and `config.vocab_size` is set; saving and pickling keep the new size. No other thread may use
        the model meanwhile. A `base_model` that was returned before keeps the old table.

        Errors: TypeError and ValueError for an invalid number.

        >>> import deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
        >>> tokenizer.add_tokens(["<ent>"])
        1
        >>> model.resize_token_embeddings(len(tokenizer)).num_embeddings == len(tokenizer) == model.config.vocab_size
        True
        """
        if new_num_tokens is None and pad_to_multiple_of is None:
            return self.get_input_embeddings()
        plan, found = self._opened, dict(self._weights())
        rows = _rounded_up(plan.config.vocab_size if new_num_tokens is None else new_num_tokens, pad_to_multiple_of)
        config = type(plan.config).from_dict({**plan.config.to_dict(), "vocab_size": rows})
        config._check()
        deviation = None if mean_resizing else config.get("initializer_range") or 0.02
        for name in (self._words, *OUTPUTS_OF_WORDS):
            if name in found:
                found[name] = resized(found[name], rows, deviation, zlib.crc32(name.encode()))
        settings = {**plan.settings, "vocab_size": rows}
        if self._head == "masked_lm":
            settings["num_labels"] = rows
        self._made_by = _resize_again, (*self._made_by, rows, mean_resizing)
        self._load(plan._replace(config=config, settings=settings), found, self._options)
        self.config.vocab_size = rows
        return self.get_input_embeddings()

    @property
    def _words(self) -> str:
        return PREFIXES[self._opened.config.model_type] + WORDS

    def _saved_config(self) -> dict[str, Any]:
        """The configuration as it is now; keys of the network have the values with which it was opened."""
        if len(self.config.id2label) != self.num_labels:
            self.labels()  # raises
        opened = {key: value for key, value in self._opened.config.to_dict().items() if self.config._declares(key)}
        saved = {**self.config.to_dict(), **opened, **self._settable()}
        for name in ("torch_dtype", "quantization_config"):  # of the files that were read
            saved.pop(name, None)
        if self.precision.dtype != "float32":
            saved[KEEP] = list(self.precision.keep)
        return saved


def _check_saving(options: Mapping[str, Any], safe_serialization: bool, push_to_hub: bool) -> None:
    """Raises for an unsupported option of `save_pretrained`."""
    if push_to_hub:
        raise NotImplementedError(_PUSH)
    if not safe_serialization:
        raise ValueError("safe_serialization is False; weights are written as safetensors only, leave it out")
    for name, value in options.items():
        if name not in _HARMLESS_SAVING and value is not None:
            why = (
                "the model writes its own weights, leave it out"
                if name in ("state_dict", "save_function")
                else ("give max_shard_size, variant or is_main_process")
            )
            raise TypeError(f"save_pretrained takes no {name!r}; {why}")


def _rounded_up(count: Any, multiple: Any) -> int:
    """A number of rows for the word table; TypeError or ValueError for an invalid one."""
    for name, value in (("new_num_tokens", count), ("pad_to_multiple_of", multiple)):
        if value is None and name == "pad_to_multiple_of":
            continue
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{name} is {value!r}; it must be an integer, such as len(tokenizer)")
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
    step = int(multiple or 1)
    return -(-int(count) // step) * step


def _common_type(tensors: list[Tensor]) -> str:
    """The smallest type that represents all the weights, by its name in config.json."""
    kinds = {tensor.dtype for tensor in tensors}
    return _DTYPES[kinds.pop()] if len(kinds) == 1 else "float64" if "F64" in kinds else "float32"


def _resize_again(made: Callable[..., M], arguments: tuple[Any, ...], rows: int, mean_resizing: bool) -> M:
    model = made(*arguments)
    model.resize_token_embeddings(rows, mean_resizing=mean_resizing)
    return model
