"""Random checkpoints from a configuration and a seed, with NumPy alone: the same bits on every machine and version.

The weights are wide: query times key has a standard deviation near 1.7, so that attention is far from uniform and a
network that drops a term is far off. Near-zero weights, as a fresh transformers model has them, would prove nothing.
"""

import json
import math
import zlib
from pathlib import Path

import numpy as np

# The shape of a v3 checkpoint in small; the cases of the tests change some fields.
TINY = {
    "model_type": "deberta-v2",
    "vocab_size": 101,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-7,
    "max_position_embeddings": 512,
    "max_relative_positions": -1,
    "relative_attention": True,
    "position_buckets": 256,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "pos_att_type": "p2c|c2p",
    "position_biased_input": False,
    "type_vocab_size": 0,
    "pooler_dropout": 0,
    "pooler_hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "pad_token_id": 0,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"},
    "label2id": {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2},
}


def tiny(**changes):
    """TINY with some fields changed; `num_labels` renames the labels, a value of None removes the field."""
    config = {**TINY, **changes}
    labels = config.pop("num_labels", 3)
    config["id2label"] = {str(i): f"LABEL_{i}" for i in range(labels)}
    config["label2id"] = {f"LABEL_{i}": i for i in range(labels)}
    return {name: value for name, value in config.items() if value is not None}


def words(seed, name, count):
    """`count` random 32-bit words that belong to this seed and this name."""
    source = np.random.PCG64([seed, zlib.crc32(name.encode())])
    return source.random_raw((count + 1) // 2).astype("<u8", copy=False).view("<u4")[:count]


def uniform(seed, name, shape, deviation):
    """float32 array of mean 0: made of the generator's raw words, which no NumPy version may change."""
    values = words(seed, name, math.prod(shape)).view("<i4").astype(np.float32)
    values *= np.float32(deviation * math.sqrt(3) / 2**31)
    return values.reshape(shape)


def integers(seed, name, shape, low, high):
    """int64 array of low <= values < high."""
    return (low + words(seed, name, math.prod(shape)) % np.uint32(high - low)).astype(np.int64).reshape(shape)


def relative_rows(config):
    buckets, span = config.get("position_buckets", -1), config.get("max_relative_positions", -1)
    return 2 * (buckets if buckets > 0 else span if span > 0 else config["max_position_embeddings"])


def layout(config):
    """Name -> (shape, mean, standard deviation) of every tensor of a sequence classifier."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    embedding = config.get("embedding_size", hidden)
    tensors = {}

    def matrix(name, rows, columns, deviation):
        tensors[name + ".weight"] = (rows, columns), 0, deviation

    def dense(name, rows, columns, gain):
        matrix(name, rows, columns, gain / math.sqrt(columns))
        tensors[name + ".bias"] = (rows,), 0, 0.2

    def norm(name):
        tensors[name + ".weight"] = (hidden,), 1, 0.2
        tensors[name + ".bias"] = (hidden,), 0, 0.2

    bert = config["model_type"] == "bert"
    base = "bert" if bert else "deberta"
    matrix(f"{base}.embeddings.word_embeddings", config["vocab_size"], embedding, 1)
    if config.get("position_biased_input", True):
        matrix(f"{base}.embeddings.position_embeddings", config["max_position_embeddings"], embedding, 0.7)
    if config.get("type_vocab_size", 0):
        matrix(f"{base}.embeddings.token_type_embeddings", config["type_vocab_size"], embedding, 0.7)
    if embedding != hidden:
        matrix(f"{base}.embeddings.embed_proj", hidden, embedding, 1 / math.sqrt(embedding))
    norm(f"{base}.embeddings.LayerNorm")
    for number in range(config["num_hidden_layers"]):
        layer = f"{base}.encoder.layer.{number}."
        if config["model_type"] == "deberta":
            matrix(f"{layer}attention.self.in_proj", 3 * hidden, hidden, query_gain(config) / math.sqrt(hidden))
            tensors[f"{layer}attention.self.q_bias"] = (hidden,), 0, 0.2
            tensors[f"{layer}attention.self.v_bias"] = (hidden,), 0, 0.2
            if "c2p" in attention_terms(config):
                matrix(f"{layer}attention.self.pos_proj", hidden, hidden, query_gain(config) / math.sqrt(hidden))
            if "p2c" in attention_terms(config):
                dense(f"{layer}attention.self.pos_q_proj", hidden, hidden, query_gain(config))
        else:
            end = "" if bert else "_proj"
            for projection in (f"query{end}", f"key{end}", *position_projections(config)):
                dense(f"{layer}attention.self.{projection}", hidden, hidden, query_gain(config))
            dense(f"{layer}attention.self.value{end}", hidden, hidden, 1)
        dense(f"{layer}attention.output.dense", hidden, hidden, 0.8)
        norm(f"{layer}attention.output.LayerNorm")
        dense(f"{layer}intermediate.dense", inner, hidden, 1)
        dense(f"{layer}output.dense", hidden, inner, 0.8)
        norm(f"{layer}output.LayerNorm")
    if config.get("relative_attention", False):
        matrix("deberta.encoder.rel_embeddings", relative_rows(config), hidden, 1)
    if "layer_norm" in config.get("norm_rel_ebd", "none").lower():
        norm("deberta.encoder.LayerNorm")
    if kernel := config.get("conv_kernel_size", 0):
        inputs = hidden // config.get("conv_groups", 1)
        tensors["deberta.encoder.conv.conv.weight"] = (hidden, inputs, kernel), 0, 1 / math.sqrt(inputs * kernel)
        tensors["deberta.encoder.conv.conv.bias"] = (hidden,), 0, 0.2
        norm("deberta.encoder.conv.LayerNorm")
    dense("bert.pooler.dense" if bert else "pooler.dense", hidden, hidden, 1.5)
    dense("classifier", len(config["id2label"]), hidden, 2)
    return tensors


def attention_terms(config):
    """Which of c2p and p2c the configuration names."""
    named = config.get("pos_att_type") or []
    named = [item.strip() for item in named.lower().split("|")] if isinstance(named, str) else named
    return [term for term in ("c2p", "p2c") if term in named]


def query_gain(config):
    """Gain of queries and keys that gives the scores a standard deviation near 1.7, whatever divides them."""
    divided = 1 + len(attention_terms(config))
    summed = divided if config.get("relative_attention", False) else 1
    return 1.3 * (divided / summed) ** 0.25


def position_projections(config):
    """The projections of positions that a layer has of its own."""
    if not config.get("relative_attention", False) or config.get("share_att_key", False):
        return []
    return [{"c2p": "pos_key_proj", "p2c": "pos_query_proj"}[term] for term in attention_terms(config)]


def draw(config, seed=0):
    """Name -> float32 array of every tensor of a sequence classifier."""
    out = {}
    for name, (shape, mean, deviation) in layout(config).items():
        out[name] = uniform(seed, name, shape, deviation)
        if mean:
            out[name] += np.float32(mean)
    return out


def save(directory, config, tensors):
    """Write config.json and model.safetensors (F32)."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    header, end = {}, 0
    for name, array in tensors.items():
        start, end = end, end + array.nbytes
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with (directory / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array, "<f4").data)
