"""Write the golden arrays: what transformers computes, in double precision, for the cases below.

    python -m tests.golden.write_golden

Needs torch and transformers. The checkpoints are not stored: draw.py draws them again from the configuration.
Each case becomes one .npz with `logits` (N, C), or (rows kept, C) of a head that reads every token. Those of
sequences also have `hidden` (layers + 1, rows kept, H) and `attentions` (layers, heads, 2, S), what the first and the
last kept row of sequence 0 attend to.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.golden.draw import draw, integers, tiny

HERE = Path(__file__).parent
SEED = 7


@dataclass(frozen=True)
class Case:
    changes: dict = field(default_factory=dict)  # of tiny()
    lengths: tuple = (19, 1, 2, 12)
    side: str = "right"  # of the padding
    every: int = 1  # every so many valid rows one is kept
    head: str = "sequence"


CONVOLUTION = {"conv_kernel_size": 3, "conv_act": "gelu"}
V1, BERT = {"model_type": "deberta"}, {"model_type": "bert"}
CASES = {
    "v3": Case(),
    "v3_long": Case(lengths=(600,), every=37),
    "separate_keys": Case({"share_att_key": False, "num_labels": 1}, (17, 9), "left"),
    "c2p_only": Case({"pos_att_type": "c2p", "share_att_key": False, "hidden_act": "gelu_new"}, (23,)),
    "p2c_only": Case({"pos_att_type": ["p2c"], "num_labels": 2, "hidden_act": "silu"}, (23,)),
    "no_buckets": Case({"position_buckets": -1, "max_relative_positions": 10, "norm_rel_ebd": None}, (40,), every=2),
    "few_buckets": Case({"position_buckets": 16, "max_position_embeddings": 64}, (130,), every=9),
    "absolute": Case(
        {
            "relative_attention": False, "position_biased_input": True, "type_vocab_size": 2, "embedding_size": 20,
            "max_position_embeddings": 40, "hidden_size": 40, "intermediate_size": 52, "num_attention_heads": 5,
            "pooler_hidden_act": "tanh", "num_labels": 5,
        },
        (21, 30), "left", 2,
    ),
    "v1": Case(V1),
    "v1_long": Case({**V1, "max_relative_positions": 24}, (130,), every=13),
    "v1_p2c": Case({**V1, "pos_att_type": "p2c|p2p", "embedding_size": 20, "type_vocab_size": 2}, (17, 9), "left"),
    "conv": Case(CONVOLUTION, (17, 9, 3)),
    "conv_groups": Case({"conv_kernel_size": 5, "conv_groups": 4, "share_att_key": False}, (17, 9, 3), "left"),
    "bert": Case(BERT),
    "bert_left": Case({**BERT, "hidden_act": "relu", "type_vocab_size": 3}, (17, 9), "left"),
    "v1_tokens": Case({**V1, "num_labels": 9}, (17, 9), "left", head="tokens"),
    "conv_answers": Case({**CONVOLUTION, "num_labels": 2}, (17, 9), head="answers"),
    "bert_tokens": Case({**BERT, "num_labels": 9}, (17, 9), head="tokens"),
    "v3_choices": Case(lengths=(17, 9, 3, 12), head="choices"),
    "bert_choices": Case(BERT, (17, 9, 3, 12), head="choices"),
    "v1_masked_lm": Case({**V1, "embedding_size": 20}, (17, 9), head="masked_lm"),
    "v3_masked_lm": Case({"legacy": False}, (17, 9), head="masked_lm"),
    "bert_masked_lm": Case(BERT, (17, 9), head="masked_lm"),
    "v1_enhanced": Case(V1, (17, 9), head="enhanced"),
    "v3_enhanced": Case({"num_hidden_layers": 2}, (17, 9), "left", head="enhanced"),
    "replaced": Case(lengths=(17, 9), head="replaced"),
}  # fmt: skip


def inputs(config, lengths, side):
    """(ids, mask, types), all (N, S) int64; the padding has ordinary ids, which must have no effect."""
    shape = len(lengths), max(lengths)
    ids = integers(SEED, "ids", shape, 0, config["vocab_size"])
    types = integers(SEED, "types", shape, 0, max(1, config["type_vocab_size"]))
    column = np.arange(shape[1])[None, :]
    length = np.array(lengths)[:, None]
    valid = column < length if side == "right" else column >= shape[1] - length
    return ids, valid.astype(np.int64), types


def case(name):
    """(config, tensors, arguments of a call) of a case; those of choices are (N, 2, S)."""
    of = CASES[name]
    config = tiny(**of.changes)
    arrays = inputs(config, of.lengths, of.side)
    if of.head == "choices":
        arrays = [array.reshape(-1, 2, array.shape[1]) for array in arrays]
    names = "input_ids", "attention_mask", "token_type_ids"
    return config, draw(config, SEED, of.head), dict(zip(names, arrays, strict=True))


def kept(name, mask, logits, hidden, attentions):
    """The part of the logits, hidden states [(N, S, H), ...] and attentions [(N, A, S, S), ...] that is stored."""
    rows = np.argwhere(mask)[:: CASES[name].every]
    if CASES[name].head != "sequence":
        return {"logits": logits if logits.ndim == 2 else logits[rows[:, 0], rows[:, 1]]}
    ends = rows[rows[:, 0] == 0, 1][[0, -1]]
    return {
        "logits": logits,
        "hidden": np.stack([state[rows[:, 0], rows[:, 1]] for state in hidden]),
        "attentions": np.stack([layer[0][:, ends] for layer in attentions]),
    }


def compute(name):
    """The arrays of a case by transformers, in double precision."""
    from tests.parity.oracle import made, run_theirs

    config, tensors, arguments = case(name)
    result = run_theirs(made(config, tensors, CASES[name].head).double(), arguments)
    arrays = kept(name, arguments["attention_mask"], result.logits, result.hidden, result.attentions)
    return {part: array.astype(np.float32) for part, array in arrays.items()}


def main():
    for name in CASES:
        arrays = compute(name)
        path = HERE / f"{name}.npz"
        np.savez_compressed(path, **arrays)
        print(path.name, path.stat().st_size, {key: value.shape for key, value in arrays.items()})


if __name__ == "__main__":
    main()
