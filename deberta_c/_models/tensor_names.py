"""The names of the core's tensors in the files of each family, and the conversion of the tensors of files."""

import re
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._files.checkpoint import BUFFERS, Tensor, check_weight

WORDS = "embeddings.word_embeddings.weight"
POSITIONS = "embeddings.position_embeddings.weight"
PREFIXES = {"deberta": "deberta.", "deberta-v2": "deberta.", "bert": "bert."}

# Names of tensors in files of DeBERTa that no network needs: a regular expression.
DEBERTA_IGNORES = r"position_embeddings|(^|\.)position_ids$|^deberta\.encoder\.LayerNorm\.|^encoder\.LayerNorm\."
DECODER = "cls.predictions.decoder"
BIAS = "cls.predictions.bias"

# Layers of the core's head, and their names in files; {} is the prefix of the family.
POOLER = {"head.dense": "{}pooler.dense"}
POOLED = {**POOLER, "head.out": "classifier"}
NEXT_SENTENCE = {**POOLER, "head.out": "cls.seq_relationship"}
CONTEXT_POOLED = {"head.dense": "pooler.dense", "head.out": "classifier"}
TOKENS = {"head.out": "classifier"}
SPANS = {"head.out": "qa_outputs"}
PREDICTIONS = {
    "head.dense": "cls.predictions.transform.dense",
    "head.LayerNorm": "cls.predictions.transform.LayerNorm",
    "head.out": DECODER,
}
PAIRS = {"head.pooler": "{}pooler.dense", "head.follows": "cls.seq_relationship"}  # beside PREDICTIONS, not in the core
LM_HEAD = {  # its output layer is the word table
    "head.dense": "lm_predictions.lm_head.dense",
    "head.LayerNorm": "lm_predictions.lm_head.LayerNorm",
    "head.out": "lm_predictions.lm_head",
}
REPLACED = {
    "head.dense": "mask_predictions.dense",
    "head.LayerNorm": "mask_predictions.LayerNorm",
    "head.out": "mask_predictions.classifier",
}

# Prefixes that wrappers of a model add to its names, or to those of its parts.
_WITHIN = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_BEFORE = re.compile(
    r"^(?:(?:module|model|base_model)\.)+"
    r"(?=(?:deberta|bert|embeddings|encoder|pooler|classifier|qa_outputs|cls|lm_predictions|mask_predictions)\.)"
)
# Tensors of a masked language model with a row or number for each word, besides the word table.
OUTPUTS_OF_WORDS = (f"{DECODER}.weight", f"{DECODER}.bias", BIAS, "lm_predictions.lm_head.bias")

_OLD = (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias"))
_IN_PROJ = ".self.in_proj.weight"  # v1: for each head the rows of the query, then of the key, then of the value
_PARTS = {"query_proj.weight": 0, "key_proj.weight": 1, "value_proj.weight": 2}
_CONVOLUTION = ".encoder.conv.conv.weight"
_SLICE = 1 << 20  # bytes that are compared at once
_RENAMED = {
    "deberta": (
        (r"\.self\.(query|key|value)_proj\.weight$", _IN_PROJ),
        (r"\.self\.query_proj\.bias$", ".self.q_bias"),
        (r"\.self\.value_proj\.bias$", ".self.v_bias"),
        (r"\.self\.pos_key_proj\.", ".self.pos_proj."),
        (r"\.self\.pos_query_proj\.", ".self.pos_q_proj."),
    ),
    "deberta-v2": ((r"^encoder\.conv\.(weight|bias)$", r"encoder.conv.conv.\1"),),
    "bert": ((r"\.self\.(query|key|value)_proj\.", r".self.\1."),),
}


class Source(NamedTuple):
    """The source of the core's tensor `name` of `shape`: the tensor `file` of a checkpoint, of the shape `stored`."""

    name: str
    shape: tuple[int, ...]
    file: str
    stored: tuple[int, ...]


class Mismatch(NamedTuple):
    """A tensor of the head that was ignored because of its shape."""

    name: str
    found: tuple[int, ...]
    expected: tuple[int, ...]


class MatchedWeights(NamedTuple):
    """The tensors of the core, and those of the files by use, under current names.

    `files` are the tensors that are used, each once. If the head is incomplete, `missing` and `mismatched` are the
    tensors that it lacks, and `tensors` contains none of the head. `names` maps names of the core to the source and to
    the name in the file.
    """

    tensors: list[tuple[Any, ...]]
    files: dict[str, Tensor]
    missing: list[str]
    mismatched: list[Mismatch]
    unexpected: list[str]
    names: dict[str, tuple[Source, str]]

    @property
    def complete(self) -> bool:
        """Whether the head has all its tensors."""
        return not (self.missing or self.mismatched)


def own_name(name: str, family: str) -> str:
    """The current name of a tensor in files of this family, without prefixes of wrappers.

    >>> own_name("bert.embeddings.LayerNorm.gamma", "deberta")
    'deberta.embeddings.LayerNorm.weight'
    >>> own_name("pooler.dense.weight", "bert"), own_name("pooler.dense.weight", "deberta-v2")
    ('bert.pooler.dense.weight', 'pooler.dense.weight')
    >>> own_name("base_model.model._orig_mod.classifier.weight", "bert")
    'classifier.weight'
    """
    name = _unwrapped(name)
    for old, new in _OLD:
        if name.endswith(old):
            name = name[: -len(old)] + new
    bare = re.sub(r"^(deberta|bert)\.(?=embeddings\.|encoder\.)", "", name)
    if bare.startswith(("embeddings.", "encoder.")) or (family == "bert" and bare.startswith("pooler.")):
        return PREFIXES[family] + bare
    return name


def _unwrapped(name: str) -> str:
    return _BEFORE.sub("", _WITHIN.sub("", name))


def _wrapped(name: str) -> bool:
    return _unwrapped(name) != name


def by_current_name(tensors: Iterable[Tensor], family: str) -> dict[str, Tensor]:
    """Tensors by their current names; ValueError if two have the same name.

    If names with and without the prefix of a wrapper are the same, the one with the prefix keeps it.
    """
    found: dict[str, Tensor] = {}
    for tensor in sorted(tensors, key=lambda tensor: _wrapped(tensor.name)):
        name = own_name(tensor.name, family)
        if name in found and _wrapped(tensor.name) and not _wrapped(found[name].name):
            name = tensor.name
        if name in found:
            raise ValueError(
                f"{tensor.source!r}: tensors {tensor.name!r} and {found[name].name!r} are both {name!r}; "
                "drop one of them"
            )
        found[name] = tensor
    return found


def tie(found: dict[str, Tensor], family: str, decoded: bool) -> dict[str, str]:
    """Ties the decoder of a masked language model to the word table, and their biases: an absent one is the other.

    Returns the tied names of the decoder, and the tensors whose values they have. Two stored tensors are tied only if
    they are equal and the model is a masked language model (`decoded`).
    """
    tied = {}
    for name, decoder in ((PREFIXES[family] + WORDS, DECODER + ".weight"), (BIAS, DECODER + ".bias")):
        first, second = found.get(name), found.get(decoder)
        if first is not None and second is not None and not (decoded and _equal(first, second)):
            continue
        tied[decoder] = name
        both = second if first is None else first
        if both is not None:
            found[name] = found[decoder] = both
    return tied


def sources(family: str, settings: Mapping[str, Any], head: Mapping[str, str], groups: int = 1) -> list[Source]:
    """The sources of all tensors that the core needs with these settings.

    `head` maps layers of the core's head to those of the files; `groups` is the number of groups of the convolution.
    """
    found = []
    for name, shape in _core.parameters(settings):
        if name == "head.out.weight" and head is LM_HEAD:
            file, stored = PREFIXES[family] + WORDS, shape
        elif name.startswith("head."):
            layer, _, part = name.rpartition(".")
            file, stored = f"{head[layer].format(PREFIXES[family])}.{part}", shape
        else:
            file = _encoder_name(name, family)
            stored = _stored_shape(file, shape, settings["conv_kernel_size"], groups)
        found.append(Source(name, shape, file, stored))
    return found


def match_weights(
    wanted: Iterable[Source],
    found: Mapping[str, Tensor],
    settings: Mapping[str, Any],
    tied: Mapping[str, str],
    *,
    skip_mismatched: bool = False,
    quantizer: str = "",
) -> MatchedWeights:
    """Converts the tensors that `by_current_name` found and `tie` tied to those of the core.

    Errors: ValueError names, as the file does, tensors of the encoder that are missing, and tensors of a wrong shape or
    type; with `skip_mismatched`, tensors of the head with another shape are ignored. `quantizer` is the quantizer that
    config.json names.
    """
    result = MatchedWeights([], {}, [], [], [], {})
    missing: list[str] = []
    for source in wanted:
        of_head, tensor = source.name.startswith("head."), found.get(source.file)
        name = tied.get(source.file, source.file)
        if tensor is None:
            (result.missing if of_head else missing).append(name)
            continue
        check_weight(tensor, _quantized(found, quantizer))
        if tensor.shape == source.stored:
            result.files[name] = tensor
            result.names[source.name] = source, tensor.name
            result.tensors.append(_core_tensor(source, tensor, settings))
        elif of_head and skip_mismatched:
            result.mismatched.append(Mismatch(name, tensor.shape, source.stored))
        else:
            more = "; ignore_mismatched_sizes=True opens it with a new head, to be trained" if of_head else ""
            raise ValueError(
                f"tensor {tensor.name!r} has shape {_written(tensor.shape)}, but config.json asks for "
                f"{_written(source.stored)}{more}"
            )
    if missing:
        why = _quantized(found, quantizer) or "the files are incomplete, or config.json is another model's"
        raise ValueError(f"it lacks {_listed(missing)}; {why}")
    if not result.complete:
        result.tensors[:] = [tensor for tensor in result.tensors if not tensor[0].startswith("head.")]
    used = {id(tensor) for tensor in result.files.values()} | {id(found.get(item.name)) for item in result.mismatched}
    left = {tensor.name for tensor in found.values() if id(tensor) not in used and tensor.dtype not in BUFFERS}
    result.unexpected.extend(left)
    return result


# Names that quantizers give to tensors beside a weight, or in its place.
_QUANTIZERS = (
    (r"\.(SCB|absmax|quant_map|nested_absmax)$|\.quant_state\.bitsandbytes__", "bitsandbytes"),
    (r"\.(qweight|qzeros|g_idx)$", "GPTQ or AWQ"),
    (r"\.(weight_packed|weight_shape|weight_scale|weight_zero_point|input_scale)$", "compressed-tensors"),
    (r"\.weight\._(data|scale|shift)$", "quanto"),
)


def _quantized(found: Mapping[str, Tensor], quantizer: str) -> str:
    """A message that the weights are quantized, by which quantizer, and the remedy; empty if they are not."""
    by = quantizer
    for pattern, name in _QUANTIZERS:
        if not by and any(re.search(pattern, tensor) for tensor in found):
            by = name
    return (
        f"the weights are quantized by {by}: open the model with transformers, call model.dequantize() and save that; "
        'dtype="int8" quantizes it again when deberta_c opens it'
        if by
        else ""
    )


def _encoder_name(name: str, family: str) -> str:
    bare = name.removeprefix("deberta.")
    for pattern, replacement in _RENAMED[family]:
        bare = re.sub(pattern, replacement, bare)
    return PREFIXES[family] + bare


def _stored_shape(file: str, shape: tuple[int, ...], kernel: int, groups: int) -> tuple[int, ...]:
    if file.endswith(_IN_PROJ):
        return 3 * shape[0], shape[1]
    if file.endswith(_CONVOLUTION):
        return shape[0], shape[1] // kernel // groups, kernel
    return shape


def _core_tensor(source: Source, tensor: Tensor, settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments of the core for `source`, from a tensor of the right shape."""
    blocks, data, mapped = None, tensor.data, tensor.mapped
    if source.file.endswith(_IN_PROJ):
        size = settings["hidden_size"] // settings["heads"]  # rows of the queries, keys or values of one head
        begin = _PARTS[source.name.rpartition(".self.")[2]] * size
        end = begin + tensor.shape[0] - 2 * size  # of the last head
        row = data.nbytes // tensor.shape[0]
        data, blocks = data[begin * row : end * row], (size, 3 * size)
    elif source.file.endswith(_CONVOLUTION):
        data, mapped = _flat_kernels(tensor, source.shape), False
    if tensor.dtype == "F64":
        data, mapped = _halved(data), False
    elif data.ctypes.data % (4 if tensor.dtype == "F32" else 2):
        data, mapped = data.copy(), False  # the core reads items in place, aligned
    return source.name, "F32" if tensor.dtype == "F64" else tensor.dtype, source.shape, data, blocks, mapped


def from_core(
    sources: Iterable[Source], arrays: Mapping[str, NDArray[np.float32]], settings: Mapping[str, Any]
) -> dict[str, NDArray[np.float32]]:
    """The tensors of a file, by name, made of the core's: what `match_weights` does, backwards."""
    heads, found = settings["heads"], dict[str, NDArray[np.float32]]()
    for source in sources:
        array = arrays[source.name]
        if source.file.endswith(_IN_PROJ):
            whole = found.setdefault(source.file, np.empty(source.stored, np.float32))
            part = _PARTS[source.name.rpartition(".self.")[2]]
            whole.reshape(heads, 3, -1, array.shape[1])[:, part] = array.reshape(heads, -1, array.shape[1])
        elif source.file.endswith(_CONVOLUTION):
            found[source.file] = _kernels(array, source.stored)
        else:
            found[source.file] = array
    return found


def has_groups(source: Source) -> bool:
    """Whether it is a convolution in groups: the core has zeros where the file has nothing."""
    return source.file.endswith(_CONVOLUTION) and prod(source.shape) != prod(source.stored)


def _halved(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The bytes of float64 numbers as those of float32 numbers; numbers that are too large become infinite."""
    with np.errstate(over="ignore"):
        return data.view(np.float64).astype(np.float32).view(np.uint8)


def _flat_kernels(tensor: Tensor, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """(H, H / groups, K) as (H, K * H): each row has the weights of all inputs for offset 0, then for offset 1, ..."""
    outputs, inputs, kernel = tensor.shape
    items = tensor.data.view(f"u{tensor.data.nbytes // prod(tensor.shape)}").reshape(tensor.shape)
    flat = np.zeros((outputs, kernel, shape[1] // kernel), items.dtype)
    groups = flat.shape[2] // inputs
    for group in range(groups):
        rows = slice(group * outputs // groups, (group + 1) * outputs // groups)
        flat[rows, :, group * inputs : (group + 1) * inputs] = items[rows].transpose(0, 2, 1)
    return flat.reshape(-1).view(np.uint8)


def _kernels(array: NDArray[np.float32], stored: tuple[int, ...]) -> NDArray[np.float32]:
    """What `_flat_kernels` does, backwards: (H, H / groups, K), of each row the inputs of its group."""
    outputs, inputs, kernel = stored
    flat = array.reshape(outputs, kernel, -1)
    groups = flat.shape[2] // inputs
    row = np.arange(outputs)[:, None]
    column = row * groups // outputs * inputs + np.arange(inputs)
    return flat[row, :, column]


def _equal(first: Tensor, second: Tensor) -> bool:
    if (first.dtype, first.shape) != (second.dtype, second.shape):
        return False
    one, other = first.data, second.data
    if one.__array_interface__["data"][0] == other.__array_interface__["data"][0]:
        return True
    slices = (slice(begin, begin + _SLICE) for begin in range(0, one.size, _SLICE))
    return all(np.array_equal(one[part], other[part]) for part in slices)


def _written(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 6 else ""
    return ", ".join(repr(name) for name in (names[:5] if more else names)) + more
