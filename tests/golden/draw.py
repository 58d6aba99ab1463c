"""Random checkpoints from a configuration and a seed, with NumPy alone: the same bits on every machine and version.

The weights are wide: query times key has a standard deviation near 1.7, so attention is far from uniform, and a
network without one of the terms has large errors. Small weights, as in a new transformers model, would prove nothing.
"""

import json
import math
import zlib
from pathlib import Path

import numpy as np

SHARED = {
    "vocab_size": 101,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "hidden_act": "gelu",
    "max_position_embeddings": 512,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "pad_token_id": 0,
}
DEBERTA = {
    **SHARED,
    "layer_norm_eps": 1e-7,
    "max_relative_positions": -1,
    "relative_attention": True,
    "pos_att_type": "c2p|p2c",
    "position_biased_input": False,
    "type_vocab_size": 0,
    "pooler_dropout": 0,
    "pooler_hidden_act": "gelu",
}
# A small checkpoint of each family; the cases of the tests change single fields.
TINY = {
    "deberta": DEBERTA,
    "deberta-v2": {
        **DEBERTA,
        "position_buckets": 256,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "pos_att_type": "p2c|c2p",
    },
    "bert": {**SHARED, "layer_norm_eps": 1e-12, "type_vocab_size": 2},
}
FAMILIES = {"deberta": "Deberta", "deberta-v2": "DebertaV2", "bert": "Bert"}
CLASSES = {
    "none": "Model",
    "sequence": "ForSequenceClassification",
    "tokens": "ForTokenClassification",
    "answers": "ForQuestionAnswering",
    "choices": "ForMultipleChoice",
    "masked_lm": "ForMaskedLM",
    "enhanced": "ForMaskedLM",
    "replaced": "ForPreTraining",
}


def tiny(model_type="deberta-v2", **changes):
    """The family's TINY with some fields changed; `num_labels` renames the labels, None removes a field."""
    config = {"model_type": model_type, **TINY[model_type], **changes}
    labels = config.pop("num_labels", 3)
    config["id2label"] = {str(i): f"LABEL_{i}" for i in range(labels)}
    config["label2id"] = {f"LABEL_{i}": i for i in range(labels)}
    return {name: value for name, value in config.items() if value is not None}


def class_name(config, head="sequence"):
    """The name of the class of a family with a head, in transformers and in deberta_c."""
    return FAMILIES[config["model_type"]] + CLASSES[head]


def words(seed, name, count):
    """`count` random 32-bit words that belong to this seed and this name."""
    source = np.random.PCG64([seed, zlib.crc32(name.encode())])
    return source.random_raw((count + 1) // 2).astype("<u8", copy=False).view("<u4")[:count]


def uniform(seed, name, shape, deviation):
    """float32 array of mean 0, from the raw words of the generator, which are the same in every NumPy version."""
    values = words(seed, name, math.prod(shape)).view("<i4").astype(np.float32)
    values *= np.float32(deviation * math.sqrt(3) / 2**31)
    return values.reshape(shape)


def integers(seed, name, shape, low, high):
    """int64 array of low <= values < high."""
    return (low + words(seed, name, math.prod(shape)) % np.uint32(high - low)).astype(np.int64).reshape(shape)


# Parts of a network: name -> (shape, mean, standard deviation) of their tensors.


def matrix(name, rows, columns, deviation):
    return {f"{name}.weight": ((rows, columns), 0, deviation)}


def bias(name, size):
    return {name: ((size,), 0, 0.2)}


def dense(name, rows, columns, gain=1.0):
    return matrix(name, rows, columns, gain / math.sqrt(columns)) | bias(f"{name}.bias", rows)


def norm(name, size, mean=1.0):
    return {f"{name}.weight": ((size,), mean, 0.2 * mean)} | bias(f"{name}.bias", size)


def layout(config, head="sequence"):
    """Every tensor of a network with this head; the names are those of a checkpoint with its base's prefix."""
    prefix = "bert" if config["model_type"] == "bert" else "deberta"
    tensors = embeddings(config, f"{prefix}.embeddings.", head)
    for number in range(config["num_hidden_layers"]):
        tensors |= layer(config, f"{prefix}.encoder.layer.{number}.")
    if prefix == "deberta":
        tensors |= encoder(config, "deberta.encoder.")
    return tensors | head_tensors(config, head)


def embeddings(config, name, head):
    hidden, size = config["hidden_size"], embedding_size(config)
    tensors = matrix(f"{name}word_embeddings", config["vocab_size"], size, 1)
    if config.get("position_biased_input", True) or head == "enhanced":
        tensors |= matrix(f"{name}position_embeddings", config["max_position_embeddings"], size, 0.7)
    if config.get("type_vocab_size", 0):
        tensors |= matrix(f"{name}token_type_embeddings", config["type_vocab_size"], size, 0.7)
    if size != hidden:
        tensors |= matrix(f"{name}embed_proj", hidden, size, 1 / math.sqrt(size))
    return tensors | norm(f"{name}LayerNorm", hidden)


def layer(config, name):
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    return {
        **ATTENTION[config["model_type"]](config, f"{name}attention.self."),
        **dense(f"{name}attention.output.dense", hidden, hidden, 0.4 if config["model_type"] == "bert" else 0.8),
        **norm(f"{name}attention.output.LayerNorm", hidden),
        **dense(f"{name}intermediate.dense", inner, hidden),
        **dense(f"{name}output.dense", hidden, inner, 0.8),
        **norm(f"{name}output.LayerNorm", hidden),
    }


def attention_of_v1(config, name):
    hidden, gain = config["hidden_size"], query_gain(config)
    tensors = matrix(f"{name}in_proj", 3 * hidden, hidden, gain / math.sqrt(hidden))
    tensors |= bias(f"{name}q_bias", hidden) | bias(f"{name}v_bias", hidden)
    terms = attention_terms(config) if config.get("relative_attention", False) else []
    if "c2p" in terms:
        tensors |= matrix(f"{name}pos_proj", hidden, hidden, gain / math.sqrt(hidden))
    if "p2c" in terms:
        tensors |= dense(f"{name}pos_q_proj", hidden, hidden, gain)
    return tensors


def attention_of_v2(config, name):
    hidden, tensors = config["hidden_size"], {}
    for projection in ("query_proj", "key_proj", *position_projections(config)):
        tensors |= dense(name + projection, hidden, hidden, query_gain(config))
    return tensors | dense(f"{name}value_proj", hidden, hidden)


def attention_of_bert(config, name):
    hidden, gain = config["hidden_size"], query_gain(config)
    queries = dense(f"{name}query", hidden, hidden, gain) | dense(f"{name}key", hidden, hidden, gain)
    return queries | dense(f"{name}value", hidden, hidden)


ATTENTION = {"deberta": attention_of_v1, "deberta-v2": attention_of_v2, "bert": attention_of_bert}


def encoder(config, name):
    """The parts that all layers of a DeBERTa have."""
    hidden, kernel, tensors = config["hidden_size"], config.get("conv_kernel_size", 0), {}
    if config.get("relative_attention", False):
        tensors |= matrix(f"{name}rel_embeddings", relative_rows(config), hidden, 1)
    if "layer_norm" in config.get("norm_rel_ebd", "none").lower():
        tensors |= norm(f"{name}LayerNorm", hidden)
    if kernel:
        inputs = hidden // config.get("conv_groups", 1)
        tensors[f"{name}conv.conv.weight"] = (hidden, inputs, kernel), 0, 1 / math.sqrt(inputs * kernel)
        tensors |= bias(f"{name}conv.conv.bias", hidden) | norm(f"{name}conv.LayerNorm", hidden)
    return tensors


def head_tensors(config, head):
    """The parts of a head; "masked_lm" multiplies with the word table, so its LayerNorm keeps the logits small."""
    hidden, size = config["hidden_size"], embedding_size(config)
    bert = config["model_type"] == "bert"
    pooler = dense("bert.pooler.dense" if bert else "pooler.dense", hidden, hidden, 1.5)
    if head == "none":
        return pooler if bert else {}
    if head == "sequence":
        return pooler | dense("classifier", len(config["id2label"]), hidden, 2)
    if head == "tokens":
        return dense("classifier", len(config["id2label"]), hidden, 2)
    if head == "answers":
        return dense("qa_outputs", len(config["id2label"]), hidden, 2)
    if head == "choices":
        return pooler | dense("classifier", 1, hidden, 2)
    if head == "replaced":
        name = "mask_predictions."
        tensors = dense(f"{name}dense", hidden, hidden, 1.5) | norm(f"{name}LayerNorm", hidden)
        return tensors | dense(f"{name}classifier", 1, hidden, 2)
    if head == "enhanced" or not config.get("legacy", True):
        name = "lm_predictions.lm_head."
        tensors = dense(f"{name}dense", hidden, hidden, 1.5) | norm(f"{name}LayerNorm", hidden, 0.3)
    else:
        name = "cls.predictions."
        tensors = dense(f"{name}transform.dense", size, hidden, 1.5) | norm(f"{name}transform.LayerNorm", size, 0.3)
    return tensors | bias(f"{name}bias", config["vocab_size"])


def embedding_size(config):
    hidden = config["hidden_size"]
    return hidden if config["model_type"] == "bert" else config.get("embedding_size", hidden)


def relative_rows(config):
    buckets, span = config.get("position_buckets", -1), config.get("max_relative_positions", -1)
    return 2 * (buckets if buckets > 0 else span if span > 0 else config["max_position_embeddings"])


def named_terms(config):
    """`pos_att_type` as a list."""
    named = config.get("pos_att_type") or []
    return [item.strip() for item in named.lower().split("|")] if isinstance(named, str) else named


def attention_terms(config):
    """Which of c2p and p2c the configuration names."""
    return [term for term in ("c2p", "p2c") if term in named_terms(config)]


def query_gain(config):
    """Gain of queries and keys that gives the scores a standard deviation near 1.7, whatever divides them.

    It is larger for BERT, whose tokens become similar without relative positions, and the values have less weight.
    """
    terms = attention_terms(config)
    divided = 1 + len(named_terms(config) if config["model_type"] == "deberta" else terms)
    summed = 1 + len(terms) if config.get("relative_attention", False) else 1
    return 1.7 if config["model_type"] == "bert" else 1.3 * (divided / summed) ** 0.25


def position_projections(config):
    """The projections of positions of a single layer of v2."""
    if not config.get("relative_attention", False) or config.get("share_att_key", False):
        return []
    return [{"c2p": "pos_key_proj", "p2c": "pos_query_proj"}[term] for term in attention_terms(config)]


def draw(config, seed=0, head="sequence"):
    """Name -> float32 array of every tensor of a network with this head."""
    out = {}
    for name, (shape, mean, deviation) in layout(config, head).items():
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
