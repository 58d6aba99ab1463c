"""One random network in transformers and in deberta_c, and the comparison of their outputs."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from tests.golden.draw import CLASSES, class_name, draw, integers, save, tiny

torch = pytest.importorskip("torch", reason="the parity suite needs torch")
transformers = pytest.importorskip("transformers", reason="the parity suite needs transformers")

import deberta_c  # noqa: E402
from tests.parity.composed import EnhancedMaskDecoder, ReplacedTokens, build  # noqa: E402

__all__ = [
    "CLASSES", "COMPOSED", "LENGTHS", "PUBLISHED", "Pair", "Result", "as_choices", "as_torch", "batch", "build",
    "check_wide", "class_name", "differences", "errors", "flat", "load_ours", "load_theirs", "made", "rewrite_config",
    "run_ours", "run_theirs", "tiny", "torch", "transformers",
]  # fmt: skip

LENGTHS = (1, 2, 16, 128, 129, 130, 257, 511, 512, 513, 1100)

COMPOSED = {"enhanced": EnhancedMaskDecoder, "replaced": ReplacedTokens}

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


@dataclass
class Result:
    logits: np.ndarray  # (N, C), or (N, S, C) of a head that reads every token; the last layer where there is no head
    hidden: list  # layers + 1 of (N, S, H)
    attentions: list  # layers of (N, A, S, S)


class Pair:
    """The same weights on both sides: drawn, saved by transformers, loaded by both from one directory."""

    def __init__(self, directory, config, seed=1, dtype="float32", max_shard_size="50GB", head="sequence"):
        self.directory, self.config, self.head = directory, config, head
        self.save(directory, config, seed, dtype, max_shard_size, head)
        if head in COMPOSED:
            self.theirs = made(config, draw(config, seed, head), head)
        else:
            self.theirs = load_theirs(directory, head=head)
        self.ours = load_ours(directory, config, head)

    @staticmethod
    def save(directory, config, seed=1, dtype="float32", max_shard_size="50GB", head="sequence"):
        """Write a checkpoint of random weights as transformers does, also for composed heads, which it lacks."""
        tensors = draw(config, seed, head)
        if head in COMPOSED:
            assert dtype == "float32"
            save(directory, config, tensors)
            return
        model = filled(empty(config, head), tensors)
        model.to(getattr(torch, dtype)).save_pretrained(directory, max_shard_size=max_shard_size)

    def batch(self, lengths, layout="right", seed=1):
        return batch(self.config, lengths, layout, seed)

    def compare(self, inputs, tolerance=2e-5):
        """Both results; fails if they differ by more than `tolerance` or prove nothing."""
        theirs, ours = run_theirs(self.theirs, inputs), run_ours(self.ours, inputs)
        mask = flat(inputs["attention_mask"])
        check_wide(theirs, mask)
        if self.head == "enhanced":  # the last layer, which is computed otherwise, is not shown
            for result in (ours, theirs):
                result.hidden, result.attentions = result.hidden[:-1], []
        found = errors(ours, theirs, mask)
        assert max(found.values()) <= tolerance, found
        return ours, theirs


def size(model_type, hidden, layers, vocabulary, **changes):
    """The fields of a published size: heads of 64, and an inner layer four times as wide."""
    return {
        "model_type": model_type, "hidden_size": hidden, "num_hidden_layers": layers, "vocab_size": vocabulary,
        "num_attention_heads": hidden // 64, "intermediate_size": 4 * hidden, **changes,
    }  # fmt: skip


CONVOLUTION = {"conv_kernel_size": 3, "conv_act": "gelu", "attention_head_size": 64}
PUBLISHED = {
    "v1-base": size("deberta", 768, 12, 50265),
    "v1-large": size("deberta", 1024, 24, 50265),
    "v1-xlarge": size("deberta", 1024, 48, 50265),
    "v2-xlarge": size("deberta-v2", 1536, 24, 128100, **CONVOLUTION),
    "v2-xxlarge": size("deberta-v2", 1536, 48, 128100, **CONVOLUTION),
    "v3-xsmall": size("deberta-v2", 384, 12, 128100),
    "v3-small": size("deberta-v2", 768, 6, 128100),
    "v3-base": size("deberta-v2", 768, 12, 128100),
    "v3-large": size("deberta-v2", 1024, 24, 128100),
    "mdeberta-v3-base": size("deberta-v2", 768, 12, 251000),
    "bert-base": size("bert", 768, 12, 30522),
    "bert-large": size("bert", 1024, 24, 30522),
}


def empty(config, head="sequence"):
    """A model of transformers whose weights are not yet set."""
    with torch.device("meta"):
        model = getattr(transformers, class_name(config, head))(transformers.AutoConfig.for_model(**config))
    return model.to_empty(device="cpu").eval()


def filled(model, tensors):
    """`tensors`, with a checkpoint's names, in a model of transformers: all of its weights except a tied decoder."""
    base = model.base_model_prefix + "."
    bare = not hasattr(model, model.base_model_prefix)
    own = {name.removeprefix(base) if bare else name: torch.from_numpy(array) for name, array in tensors.items()}
    report = model.load_state_dict(own, strict=False)
    assert not report.unexpected_keys
    assert all(".decoder." in name for name in report.missing_keys), report
    model.tie_weights()
    return model


def made(config, tensors, head):
    """The network of transformers, or that of a composed head, with these weights."""
    if head in COMPOSED:
        return build(COMPOSED[head], config, tensors)
    settings = transformers.AutoConfig.for_model(**config, attn_implementation="eager")
    return filled(getattr(transformers, class_name(config, head))(settings).eval(), tensors)


def load_theirs(directory, dtype="float32", head="sequence"):
    return getattr(transformers, "Auto" + CLASSES[head].replace("For", "ModelFor")).from_pretrained(
        directory, dtype=getattr(torch, dtype), attn_implementation="eager"
    ).eval()  # fmt: skip


def load_ours(directory, config, head="sequence"):
    return getattr(deberta_c, class_name(config, head)).from_pretrained(directory)


def batch(config, lengths, layout="right", seed=1):
    """Keyword arguments of a call, as int64 arrays (N, S). The padding has ordinary ids, which must have no effect.

    layout: right, left, both (padding on both sides), holes (padding right and a third of the inner tokens masked).
    """
    shape = len(lengths), max(lengths)
    column = np.arange(shape[1])[None, :]
    length = np.array(lengths)[:, None]
    start = {"right": 0, "holes": 0, "left": shape[1] - length, "both": (shape[1] - length) // 2}[layout]
    valid = (column >= start) & (column < start + length)
    if layout == "holes":
        inner = (column > 0) & (column < length - 1)
        valid &= ~(inner & (integers(seed, "holes", shape, 0, 3) == 0))
    return {
        "input_ids": integers(seed, "ids", shape, 0, config["vocab_size"]),
        "attention_mask": valid.astype(np.int64),
        "token_type_ids": integers(seed, "types", shape, 0, max(1, config["type_vocab_size"])),
    }


def as_choices(inputs, choices):
    """The rows of a batch as choices (N, choices, S) of fewer examples."""
    return {name: array.reshape(-1, choices, array.shape[1]) for name, array in inputs.items()}


def flat(mask):
    """The mask (N, S) of a batch, also of choices (N, C, S)."""
    return mask.reshape(-1, mask.shape[-1])


def as_torch(inputs):
    return {name: torch.from_numpy(array) for name, array in inputs.items()}


def run_theirs(model, inputs, attentions=True):
    """The outputs of transformers, with the head on each row's first token that is not masked, not column 0."""
    with torch.inference_mode():
        out = model(**as_torch(inputs), output_hidden_states=True, output_attentions=attentions)
        logits = logits_of(out, lambda parts: torch.stack(parts, -1))
        pooler = getattr(model, "pooler", None) or getattr(getattr(model, "bert", None), "pooler", None)
        if pooler is not None and hasattr(model, "classifier"):
            logits = at_first_token(model, pooler, out, inputs["attention_mask"], logits)
        parts = [[array.numpy() for array in part or ()] for part in (out.hidden_states, out.attentions)]
        return Result(logits.numpy(), *parts)


def at_first_token(model, pooler, out, mask, logits):
    """The logits of a pooling head for each row's first token that is not masked; for column 0 they are `logits`."""
    first = torch.from_numpy(flat(mask).argmax(1))
    rows = out.hidden_states[-1][torch.arange(len(first)), first]
    moved = model.classifier(pooler(rows[:, None])).reshape(logits.shape)
    unmoved = (first == 0).reshape(mask.shape[:-1])
    if mask.ndim == 3:
        unmoved = unmoved.all(1)
    assert torch.allclose(moved[unmoved], logits[unmoved], rtol=0, atol=1e-5)
    return moved


def run_ours(model, inputs, attentions=True):
    out = model(**inputs, output_hidden_states=True, output_attentions=attentions)
    logits = logits_of(out, lambda parts: np.stack(parts, -1))
    assert logits.dtype == np.float32
    return Result(logits, list(out.hidden_states), list(out.attentions or ()))


def logits_of(out, stack):
    """The logits of any head, those of tokens (N, S, C); the last layer where there is none."""
    if "start_logits" in out:
        return stack([out.start_logits, out.end_logits])
    if "PreTraining" in type(out).__name__:
        return out.logits[..., None]
    return out.logits if "logits" in out else out.last_hidden_state


def differences(ours, theirs, mask):
    """Greatest absolute difference of the logits, of each layer's hidden states and of each layer's attentions."""
    valid = mask != 0
    assert (len(ours.hidden), len(ours.attentions)) == (len(theirs.hidden), len(theirs.attentions))
    pairs = [tuple(known_logits(result, valid) for result in (ours, theirs))]
    pairs += [(own[valid], other[valid]) for own, other in zip(ours.hidden, theirs.hidden, strict=True)]
    for own, other in zip(ours.attentions, theirs.attentions, strict=True):
        assert own.shape == other.shape
        pairs.append((own.swapaxes(1, 2)[valid], other.swapaxes(1, 2)[valid]))
    assert all(own.shape == other.shape and np.isfinite(own).all() for own, other in pairs)
    return [float(np.abs(own - other).max()) for own, other in pairs]


def known_logits(result, valid):
    """The logits to compare: of valid tokens, or of all rows."""
    return result.logits[valid] if result.logits.ndim == 3 else result.logits


def errors(ours, theirs, mask):
    found = differences(ours, theirs, mask)
    layers = len(theirs.hidden)
    parts = {"logits": found[:1], "hidden": found[1 : 1 + layers], "attentions": found[1 + layers :]}
    return {name: max(values) for name, values in parts.items() if values}


def check_wide(result, mask, low=0.4, high=0.9):
    """Attention is far from uniform and rows have different logits: otherwise agreement would prove nothing."""
    valid = mask != 0
    keys = np.broadcast_to(valid.sum(1)[:, None], valid.shape)[valid]
    if result.attentions and keys.max() > 1:
        counted = keys > 1
        shares = []
        for layer in result.attentions:
            rows = layer.swapaxes(1, 2)[valid][counted]  # (valid tokens, A, S)
            entropy = -np.sum(rows * np.log(np.maximum(rows, 1e-30)), axis=-1)
            shares.append(np.mean(entropy / np.log(keys[counted])[:, None]))
        assert low < np.mean(shares) < high, f"entropy of attention over log(length), layer by layer: {shares}"
    logits = known_logits(result, valid)
    if len(logits) > 1:
        assert np.ptp(logits, axis=0).max() > 0.05, f"the rows have nearly the same logits: {logits}"


def rewrite_config(directory, **changes):
    """Change fields of a saved config.json; None removes one."""
    path = directory / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}), encoding="utf-8")
