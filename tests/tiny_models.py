"""Tiny models, drawn from a seed and written to disk without torch, transformers or a network."""

import json
import struct
from collections.abc import Mapping
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


def tiny_tensors(config: Mapping[str, Any], seed: int = 7) -> dict[str, np.ndarray]:
    """Random weights for a configuration, wide enough that texts and labels differ."""
    random = np.random.default_rng(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    embedding = config.get("embedding_size", hidden)
    tensors: dict[str, np.ndarray] = {}

    def draw(name: str, *shape: int, scale: float = 1.0) -> None:
        tensors[name] = (random.standard_normal(shape) * scale).astype(np.float32)

    def linear(name: str, outputs: int, inputs: int) -> None:
        draw(f"{name}.weight", outputs, inputs, scale=1.5 / np.sqrt(inputs))
        draw(f"{name}.bias", outputs, scale=0.2)

    def norm(name: str) -> None:
        tensors[f"{name}.weight"] = random.uniform(0.5, 1.5, hidden).astype(np.float32)
        draw(f"{name}.bias", hidden, scale=0.2)

    draw("deberta.embeddings.word_embeddings.weight", config["vocab_size"], embedding)
    norm("deberta.embeddings.LayerNorm")
    if embedding != hidden:
        draw("deberta.embeddings.embed_proj.weight", hidden, embedding, scale=1 / np.sqrt(embedding))
    if config.get("type_vocab_size"):
        draw("deberta.embeddings.token_type_embeddings.weight", config["type_vocab_size"], embedding)
    if config["position_biased_input"]:
        draw("deberta.embeddings.position_embeddings.weight", config["max_position_embeddings"], embedding)
    if config["relative_attention"]:
        draw("deberta.encoder.rel_embeddings.weight", 2 * config["position_buckets"], hidden)
        norm("deberta.encoder.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        name = f"deberta.encoder.layer.{layer}"
        for part in ("query_proj", "key_proj", "value_proj"):
            linear(f"{name}.attention.self.{part}", hidden, hidden)
        linear(f"{name}.attention.output.dense", hidden, hidden)
        norm(f"{name}.attention.output.LayerNorm")
        linear(f"{name}.intermediate.dense", inner, hidden)
        linear(f"{name}.output.dense", hidden, inner)
        norm(f"{name}.output.LayerNorm")
    linear("pooler.dense", hidden, hidden)
    linear("classifier", len(config["id2label"]), hidden)
    return tensors


def write_model(directory: Path, drop: tuple[str, ...] = (), **overrides: Any) -> Path:
    """A model directory with TINY, changed by `overrides` (None removes a key), without the tensors in `drop`."""
    config = {key: value for key, value in {**TINY, **overrides}.items() if value is not None}
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor for name, tensor in tiny_tensors(config).items() if name not in drop}
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    (directory / "spm.model").write_bytes(spm_bytes())
    (directory / "tokenizer_config.json").write_text('{"do_lower_case": false, "vocab_type": "spm"}')
    return directory
