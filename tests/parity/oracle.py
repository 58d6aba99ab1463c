"""One random network in transformers and in deberta_c, and the comparison of what they compute."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from golden.draw import draw, integers, tiny

torch = pytest.importorskip("torch", reason="the parity suite needs torch")
transformers = pytest.importorskip("transformers", reason="the parity suite needs transformers")

import deberta_c  # noqa: E402

__all__ = ["LENGTHS", "Pair", "Result", "batch", "check_wide", "differences", "errors", "tiny"]

LENGTHS = (1, 2, 16, 128, 129, 130, 257, 511, 512, 513, 1100)

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


@dataclass
class Result:
    logits: np.ndarray  # (N, C)
    hidden: list  # layers + 1 of (N, S, H)
    attentions: list  # layers of (N, A, S, S)


class Pair:
    """The same weights on both sides: drawn, saved by transformers, loaded by both from the one directory."""

    def __init__(self, directory, config, seed=1, dtype="float32", max_shard_size="50GB"):
        self.directory, self.config = directory, config
        self.save(directory, config, seed, dtype, max_shard_size)
        self.theirs = load_theirs(directory)
        self.ours = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)

    @staticmethod
    def save(directory, config, seed=1, dtype="float32", max_shard_size="50GB"):
        """Write a checkpoint of random weights, as transformers writes it."""
        model = empty(config)
        tensors = draw(config, seed)
        model.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()}, strict=True)
        model.to(getattr(torch, dtype)).save_pretrained(directory, max_shard_size=max_shard_size)

    def batch(self, lengths, layout="right", seed=1):
        return batch(self.config, lengths, layout, seed)

    def compare(self, inputs, tolerance=2e-5):
        """Both results; fails where they differ by more than `tolerance` or prove nothing."""
        theirs, ours = run_theirs(self.theirs, inputs), run_ours(self.ours, inputs)
        check_wide(theirs, inputs["attention_mask"])
        found = errors(ours, theirs, inputs["attention_mask"])
        assert max(found.values()) <= tolerance, found
        return ours, theirs


def empty(config):
    """A model of transformers whose weights are not yet set."""
    with torch.device("meta"):
        model = transformers.DebertaV2ForSequenceClassification(transformers.AutoConfig.for_model(**config))
    return model.to_empty(device="cpu").eval()


def load_theirs(directory, dtype="float32"):
    return transformers.AutoModelForSequenceClassification.from_pretrained(
        directory, dtype=getattr(torch, dtype), attn_implementation="eager"
    ).eval()


def batch(config, lengths, layout="right", seed=1):
    """Keyword arguments of a call, as int64 arrays (N, S). The padding holds ordinary ids: they must not matter.

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


def run_theirs(model, inputs, attentions=True):
    """What transformers computes, but with the head on each row's first real token, where it reads column 0."""
    with torch.inference_mode():
        out = model(
            **{name: torch.from_numpy(array) for name, array in inputs.items()},
            output_hidden_states=True, output_attentions=attentions,
        )  # fmt: skip
        first = torch.from_numpy(inputs["attention_mask"].argmax(1))
        rows = out.hidden_states[-1][torch.arange(len(first)), first]
        logits = model.classifier(model.pooler(rows[:, None]))
        unmoved = first == 0
        assert torch.allclose(logits[unmoved], out.logits[unmoved], rtol=0, atol=1e-5)
        parts = [[array.numpy() for array in part or ()] for part in (out.hidden_states, out.attentions)]
        return Result(logits.numpy(), *parts)


def run_ours(model, inputs, attentions=True):
    out = model(**inputs, output_hidden_states=True, output_attentions=attentions)
    assert out.logits.dtype == np.float32
    return Result(out.logits, list(out.hidden_states), list(out.attentions or ()))


def differences(ours, theirs, mask):
    """Greatest absolute difference of the logits, of each layer's hidden states and of each layer's attentions."""
    valid = mask != 0
    assert (len(ours.hidden), len(ours.attentions)) == (len(theirs.hidden), len(theirs.attentions))
    pairs = [(ours.logits, theirs.logits)]
    pairs += [(own[valid], other[valid]) for own, other in zip(ours.hidden, theirs.hidden, strict=True)]
    for own, other in zip(ours.attentions, theirs.attentions, strict=True):
        assert own.shape == other.shape
        pairs.append((own.swapaxes(1, 2)[valid], other.swapaxes(1, 2)[valid]))
    assert all(own.shape == other.shape and np.isfinite(own).all() for own, other in pairs)
    return [float(np.abs(own - other).max()) for own, other in pairs]


def errors(ours, theirs, mask):
    found = differences(ours, theirs, mask)
    layers = len(theirs.hidden)
    parts = {"logits": found[:1], "hidden": found[1 : 1 + layers], "attentions": found[1 + layers :]}
    return {name: max(values) for name, values in parts.items() if values}


def check_wide(result, mask, low=0.4, high=0.9):
    """Attention is far from uniform, rows have different logits: else agreement would prove nothing."""
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
    if len(result.logits) > 1:
        assert np.ptp(result.logits, axis=0).max() > 0.05, f"the rows have nearly the same logits: {result.logits}"


def rewrite_config(directory, **changes):
    """Change fields of a saved config.json; None removes one."""
    path = directory / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}), encoding="utf-8")
