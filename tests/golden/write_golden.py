"""Write the golden arrays: what transformers computes, in double precision, for the cases below.

    PYTHONPATH=tests python -m golden.write_golden [NAME ...]

Needs torch and transformers. The checkpoints are not stored: draw.py makes them again from the configuration.
Each case becomes one .npz with `logits` (N, C), `hidden` (layers + 1, rows kept, H) and `attentions` (layers,
heads, 2, S), what the first and the last kept row of sequence 0 attend to.
"""

import sys
from pathlib import Path

import numpy as np
from golden.draw import draw, integers, tiny

HERE = Path(__file__).parent
SEED = 7

_V2_ONLY = {"position_buckets": None, "share_att_key": None, "norm_rel_ebd": None}
V1 = {**_V2_ONLY, "model_type": "deberta"}
BERT = {
    **_V2_ONLY, "model_type": "bert", "relative_attention": None, "pos_att_type": None, "position_biased_input": None,
    "pooler_hidden_act": None, "type_vocab_size": 2, "max_position_embeddings": 40, "layer_norm_eps": 1e-12,
}  # fmt: skip

# name: (changes of tiny(), lengths of the sequences, padding side, every how manyth valid row is kept)
CASES = {
    "v3": ({}, (19, 1, 2, 12), "right", 1),
    "v3_long": ({}, (600,), "right", 37),
    "separate_keys": ({"share_att_key": False, "num_labels": 1}, (17, 9), "left", 1),
    "c2p_only": ({"pos_att_type": "c2p", "share_att_key": False, "hidden_act": "gelu_new"}, (23,), "right", 1),
    "p2c_only": ({"pos_att_type": ["p2c"], "num_labels": 2, "hidden_act": "silu"}, (23,), "right", 1),
    "no_buckets": ({"position_buckets": -1, "max_relative_positions": 10, "norm_rel_ebd": None}, (40,), "right", 2),
    "few_buckets": ({"position_buckets": 16, "max_position_embeddings": 64}, (130,), "right", 9),
    "convolution": ({"conv_kernel_size": 3, "conv_act": "gelu", "conv_groups": 2}, (14, 3, 1), "left", 1),
    "convolution_wide": ({"conv_kernel_size": 5, "num_hidden_layers": 2}, (33,), "right", 2),
    "v1": ({**V1, "max_position_embeddings": 24}, (19, 1, 40), "right", 2),
    "v1_p2c": ({**V1, "pos_att_type": ["p2c", "p2p"], "max_relative_positions": 9, "num_labels": 2}, (23,), "left", 1),
    "bert": ({**BERT, "num_labels": 4}, (21, 2, 30), "left", 2),
    "absolute": (
        {
            "relative_attention": False, "position_biased_input": True, "type_vocab_size": 2, "embedding_size": 20,
            "max_position_embeddings": 40, "hidden_size": 40, "intermediate_size": 52, "num_attention_heads": 5,
            "pooler_hidden_act": "tanh", "num_labels": 5,
        },
        (21, 30), "left", 2,
    ),
}  # fmt: skip


def inputs(config, lengths, side):
    """(ids, mask, types), all (N, S) int64; the padding holds ordinary ids, which must not matter."""
    shape = len(lengths), max(lengths)
    ids = integers(SEED, "ids", shape, 0, config["vocab_size"])
    types = integers(SEED, "types", shape, 0, max(1, config["type_vocab_size"]))
    column = np.arange(shape[1])[None, :]
    length = np.array(lengths)[:, None]
    valid = column < length if side == "right" else column >= shape[1] - length
    return ids, valid.astype(np.int64), types


def case(name):
    """(config, tensors, ids, mask, types) of a case."""
    changes, lengths, side, _ = CASES[name]
    config = tiny(**changes)
    return config, draw(config, SEED), *inputs(config, lengths, side)


def kept(name, mask, hidden, attentions):
    """The part of the hidden states [(N, S, H), ...] and attentions [(N, A, S, S), ...] that is stored."""
    rows = np.argwhere(mask)[:: CASES[name][3]]
    ends = rows[rows[:, 0] == 0, 1][[0, -1]]
    return {
        "hidden": np.stack([state[rows[:, 0], rows[:, 1]] for state in hidden]),
        "attentions": np.stack([layer[0][:, ends] for layer in attentions]),
    }


def compute(name):
    """The arrays of a case by transformers, in double precision."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config, tensors, ids, mask, types = case(name)
    settings = AutoConfig.for_model(**config)
    model = AutoModelForSequenceClassification.from_config(settings, attn_implementation="eager").eval()
    model.load_state_dict({key: torch.from_numpy(value) for key, value in tensors.items()})
    model.double()
    with torch.inference_mode():
        out = model(
            input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask),
            token_type_ids=torch.from_numpy(types), output_hidden_states=True, output_attentions=True,
        )  # fmt: skip
        first = torch.from_numpy(mask.argmax(1))
        last = out.hidden_states[-1][torch.arange(len(ids)), first]
        pooler = model.bert.pooler if config["model_type"] == "bert" else model.pooler
        logits = model.classifier(pooler(last[:, None]))
    arrays = [[array.float().numpy() for array in part] for part in (out.hidden_states, out.attentions)]
    return {"logits": logits.float().numpy(), **kept(name, mask, *arrays)}


def main():
    for name in sys.argv[1:] or CASES:
        arrays = compute(name)
        path = HERE / f"{name}.npz"
        np.savez_compressed(path, **arrays)
        print(path.name, path.stat().st_size, {key: value.shape for key, value in arrays.items()})


if __name__ == "__main__":
    main()
