"""Tiny models, drawn from a seed and written to disk without torch, transformers or a network."""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

NORMAL, UNKNOWN, CONTROL = 1, 2, 3
WORDS = ["hello", "world", "free", "entry", "home", "call", "now", "see", "you", "at", "the"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-"

TINY = {
    "model_type": "deberta-v2",
    "vocab_size": 128,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
    "relative_attention": True,
    "position_buckets": 8,
    "pos_att_type": "p2c|c2p",
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "id2label": {"0": "ham", "1": "spam", "2": "other"},
}

_V2_ONLY = ("position_buckets", "share_att_key", "norm_rel_ebd")
V1 = {**{key: value for key, value in TINY.items() if key not in _V2_ONLY}, "model_type": "deberta"}
CONV = {**TINY, "conv_kernel_size": 3, "conv_act": "gelu", "conv_groups": 2}
_ABSOLUTE = ("relative_attention", "pos_att_type", "position_biased_input")
BERT = {
    **{key: value for key, value in V1.items() if key not in _ABSOLUTE},
    "model_type": "bert",
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, value: int | float | bytes) -> bytes:
    """A protobuf field: varint, 32-bit float or bytes."""
    if isinstance(value, bytes):
        return _varint(number << 3 | 2) + _varint(len(value)) + value
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    return _varint(number << 3) + _varint(value)


def spm_bytes(words: list[str] = WORDS) -> bytes:
    """An spm.model with the four special pieces, the words, the letters and nothing else; no character map."""
    pieces = [("[PAD]", 0.0, CONTROL), ("[CLS]", 0.0, CONTROL), ("[SEP]", 0.0, CONTROL), ("[UNK]", 0.0, UNKNOWN)]
    pieces += [("▁" + word, -4.0 - index / 8, NORMAL) for index, word in enumerate(words)]
    pieces += [("▁", -7.0, NORMAL)] + [(letter, -9.0 - index / 8, NORMAL) for index, letter in enumerate(LETTERS)]
    out = b"".join(_field(1, _field(1, p.encode()) + _field(2, score) + _field(3, kind)) for p, score, kind in pieces)
    trainer = _field(3, 1) + _field(40, 3) + _field(41, 1) + _field(42, 2) + _field(43, 0)
    return out + _field(2, trainer) + _field(3, _field(1, b"identity"))


def safetensors_bytes(tensors: Mapping[str, np.ndarray], bfloat16: bool = False) -> bytes:
    """A safetensors file; with `bfloat16` float32 arrays lose their lower halves."""
    names = {"float32": "F32", "float16": "F16", "float64": "F64", "int64": "I64"}
    header: dict[str, Any] = {}
    body = b""
    for name, tensor in tensors.items():
        kind, data = names[tensor.dtype.name], tensor.tobytes()
        if bfloat16 and kind == "F32":
            kind, data = "BF16", (np.ascontiguousarray(tensor).view(np.uint32) >> 16).astype(np.uint16).tobytes()
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def tiny_tensors(config: Mapping[str, Any], seed: int = 7, head: str = "sequence") -> dict[str, np.ndarray]:
    """Random weights for a configuration, wide enough that texts and labels differ, under the current names of files.

    `head` is "sequence", "tokens", "spans", "choice", "legacy_lm", "both" (legacy_lm and the next sentence, of BERT),
    "lm", "decoder" (lm and the position table), "replaced" or "none".
    """
    drawn = _Drawn(config, seed)
    bert = config["model_type"] == "bert"
    prefix = "bert" if bert else "deberta"
    drawn.encoder(prefix, head == "decoder")
    hidden, labels = config["hidden_size"], len(config["id2label"])
    embedding = config.get("embedding_size", hidden)
    if head in ("sequence", "choice", "both") or (head == "none" and bert):
        drawn.linear("bert.pooler.dense" if bert else "pooler.dense", hidden, hidden)
    if head in ("sequence", "choice", "tokens"):
        drawn.linear("classifier", 1 if head == "choice" else labels, hidden)
    elif head == "spans":
        drawn.linear("qa_outputs", 2, hidden)
    elif head in ("legacy_lm", "both"):
        drawn.linear("cls.predictions.transform.dense", embedding, hidden)
        drawn.norm("cls.predictions.transform.LayerNorm", embedding)
        drawn.draw("cls.predictions.bias", config["vocab_size"], scale=0.2)
        if head == "both":
            drawn.linear("cls.seq_relationship", 2, hidden)
    elif head in ("lm", "decoder"):
        drawn.linear("lm_predictions.lm_head.dense", hidden, hidden)
        drawn.norm("lm_predictions.lm_head.LayerNorm", hidden)
        drawn.draw("lm_predictions.lm_head.bias", config["vocab_size"], scale=0.2)
    elif head == "replaced":
        drawn.linear("mask_predictions.dense", hidden, hidden)
        drawn.norm("mask_predictions.LayerNorm", hidden)
        drawn.linear("mask_predictions.classifier", 1, hidden)
    return drawn.tensors


class _Drawn:
    """Tensors drawn one after the other."""

    def __init__(self, config: Mapping[str, Any], seed: int) -> None:
        self.config = config
        self.random = np.random.default_rng(seed)
        self.tensors: dict[str, np.ndarray] = {}

    def draw(self, name: str, *shape: int, scale: float = 1.0) -> None:
        self.tensors[name] = (self.random.standard_normal(shape) * scale).astype(np.float32)

    def linear(self, name: str, outputs: int, inputs: int) -> None:
        self.draw(f"{name}.weight", outputs, inputs, scale=1.5 / np.sqrt(inputs))
        self.draw(f"{name}.bias", outputs, scale=0.2)

    def norm(self, name: str, size: int) -> None:
        self.tensors[f"{name}.weight"] = self.random.uniform(0.5, 1.5, size).astype(np.float32)
        self.draw(f"{name}.bias", size, scale=0.2)

    def encoder(self, prefix: str, positions: bool) -> None:
        config = self.config
        hidden, inner = config["hidden_size"], config["intermediate_size"]
        embedding = config.get("embedding_size", hidden)
        self.draw(f"{prefix}.embeddings.word_embeddings.weight", config["vocab_size"], embedding)
        self.norm(f"{prefix}.embeddings.LayerNorm", hidden)
        if embedding != hidden:
            self.draw(f"{prefix}.embeddings.embed_proj.weight", hidden, embedding, scale=1 / np.sqrt(embedding))
        if config.get("type_vocab_size"):
            self.draw(f"{prefix}.embeddings.token_type_embeddings.weight", config["type_vocab_size"], embedding)
        if config.get("position_biased_input", True) or positions:
            self.draw(f"{prefix}.embeddings.position_embeddings.weight", config["max_position_embeddings"], embedding)
        if config.get("relative_attention"):
            rows = config.get("position_buckets") or config["max_position_embeddings"]
            self.draw(f"{prefix}.encoder.rel_embeddings.weight", 2 * rows, hidden)
        if config.get("norm_rel_ebd") == "layer_norm":
            self.norm(f"{prefix}.encoder.LayerNorm", hidden)
        for layer in range(config["num_hidden_layers"]):
            name = f"{prefix}.encoder.layer.{layer}"
            self.attention(f"{name}.attention.self")
            self.linear(f"{name}.attention.output.dense", hidden, hidden)
            self.norm(f"{name}.attention.output.LayerNorm", hidden)
            self.linear(f"{name}.intermediate.dense", inner, hidden)
            self.linear(f"{name}.output.dense", hidden, inner)
            self.norm(f"{name}.output.LayerNorm", hidden)
        if kernel := config.get("conv_kernel_size"):
            inputs = hidden // config.get("conv_groups", 1)
            self.draw(f"{prefix}.encoder.conv.conv.weight", hidden, inputs, kernel, scale=1 / np.sqrt(inputs * kernel))
            self.draw(f"{prefix}.encoder.conv.conv.bias", hidden, scale=0.2)
            self.norm(f"{prefix}.encoder.conv.LayerNorm", hidden)

    def attention(self, name: str) -> None:
        config = self.config
        hidden, scale = config["hidden_size"], 1.5 / np.sqrt(config["hidden_size"])
        terms = config.get("pos_att_type", "") if config.get("relative_attention") else ""
        if config["model_type"] == "deberta":
            self.draw(f"{name}.in_proj.weight", 3 * hidden, hidden, scale=scale)
            self.draw(f"{name}.q_bias", hidden, scale=0.2)
            self.draw(f"{name}.v_bias", hidden, scale=0.2)
            if "c2p" in terms:
                self.draw(f"{name}.pos_proj.weight", hidden, hidden, scale=scale)
            if "p2c" in terms:
                self.linear(f"{name}.pos_q_proj", hidden, hidden)
            return
        end = "" if config["model_type"] == "bert" else "_proj"
        for part in ("query", "key", "value"):
            self.linear(f"{name}.{part}{end}", hidden, hidden)
        if not config.get("share_att_key"):
            if "c2p" in terms:
                self.linear(f"{name}.pos_key_proj", hidden, hidden)
            if "p2c" in terms:
                self.linear(f"{name}.pos_query_proj", hidden, hidden)


def write_model(
    directory: Path,
    drop: tuple[str, ...] = (),
    *,
    base: Mapping[str, Any] = TINY,
    head: str = "sequence",
    rename: Callable[[str], str] = str,
    add: Mapping[str, np.ndarray] | None = None,
    **overrides: Any,
) -> Path:
    """A model directory with `base`, changed by `overrides` (None removes a key).

    Tensors in `drop` are left out, those in `add` are added, and `rename` renames the others.
    """
    config = {key: value for key, value in {**base, **overrides}.items() if value is not None}
    directory.mkdir(parents=True, exist_ok=True)
    drawn = tiny_tensors(config, head=head)
    tensors = {rename(name): tensor for name, tensor in drawn.items() if name not in drop} | dict(add or {})
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    (directory / "spm.model").write_bytes(spm_bytes())
    (directory / "tokenizer_config.json").write_text('{"do_lower_case": false, "vocab_type": "spm"}')
    return directory


def padded(rows: Sequence[Sequence[int]], left: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Ids and mask (N, S) of rows of ids, with padding on the right, and `left` of it on the left."""
    width = left + max(map(len, rows))
    ids, mask = np.zeros((2, len(rows), width), np.int64)
    for row, tokens in enumerate(rows):
        ids[row, left : left + len(tokens)] = tokens
        mask[row, left : left + len(tokens)] = 1
    return ids, mask
