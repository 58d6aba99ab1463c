"""The same numbers alone, padded, in any order, on one thread or two, twice, and on every instruction set."""

import os
import subprocess
import sys

import numpy as np
import pytest

import deberta_c
from tests.parity.oracle import check_wide, differences, errors, run_ours, run_theirs, torch

ABSOLUTE = {"position_biased_input": True, "type_vocab_size": 2, "max_position_embeddings": 700}
NETWORKS = [{}, {"share_att_key": False, "position_buckets": 16}, ABSOLUTE]
NAMES = ["v3", "separate_keys", "absolute"]
LENGTHS = [3, 130, 1, 2, 64, 513, 17, 16, 129, 1]

RUN = """
import sys
import numpy as np
import deberta_c
directory, source, target = sys.argv[1:]
with np.load(source) as inputs:
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)
    out = model(**inputs, output_hidden_states=True, output_attentions=True)
np.savez(target, logits=out.logits, **{f"h{i}": a for i, a in enumerate(out.hidden_states)},
         **{f"a{i}": a for i, a in enumerate(out.attentions)})
print(deberta_c._core.isa())
"""


def alone(inputs, row):
    """One row without its padding."""
    valid = inputs["attention_mask"][row] != 0
    return {name: array[row : row + 1, valid] for name, array in inputs.items()}


@pytest.mark.parametrize("changes", NETWORKS, ids=NAMES)
def test_alone_equals_padded(pair, changes):
    network = pair(**changes)
    inputs = network.batch(LENGTHS)
    together = run_ours(network.ours, inputs)
    for row in range(len(LENGTHS)):
        one = alone(inputs, row)
        single = run_ours(network.ours, one)
        kept = type(together)(
            together.logits[row : row + 1],
            [state[row : row + 1, : LENGTHS[row]] for state in together.hidden],
            [layer[row : row + 1, :, : LENGTHS[row], : LENGTHS[row]] for layer in together.attentions],
        )
        assert max(differences(kept, single, one["attention_mask"])) <= 1e-5


@pytest.mark.parametrize("changes", NETWORKS[:2], ids=NAMES[:2])
def test_left_padding_equals_right_padding(pair, changes):
    """Only distances matter without absolute positions."""
    network = pair(**changes)
    right = network.batch(LENGTHS, "right")
    left = network.batch(LENGTHS, "left")
    for name in ("input_ids", "token_type_ids"):
        left[name][left["attention_mask"] != 0] = right[name][right["attention_mask"] != 0]
    one, other = run_ours(network.ours, right), run_ours(network.ours, left)
    np.testing.assert_allclose(one.logits, other.logits, rtol=0, atol=1e-5)
    last = [state.hidden[-1][inputs["attention_mask"] != 0] for state, inputs in ((one, right), (other, left))]
    np.testing.assert_allclose(*last, rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", ["right", "left", "both", "holes"])
def test_padded_rows_are_zeros(pair, layout):
    network = pair(**ABSOLUTE)
    inputs = network.batch(LENGTHS, layout)
    result = run_ours(network.ours, inputs)
    padded = inputs["attention_mask"] == 0
    assert padded.any()
    assert all(not state[padded].any() for state in result.hidden)
    assert all(not layer.swapaxes(1, 2)[padded].any() for layer in result.attentions)
    assert all(not layer.transpose(0, 3, 1, 2)[padded].any() for layer in result.attentions)


def test_padding_content_does_not_matter(pair):
    """The ids of padding change no bit."""
    network = pair()
    inputs = network.batch(LENGTHS)
    other = {**inputs, "input_ids": np.where(inputs["attention_mask"] != 0, inputs["input_ids"], 0)}
    assert (inputs["input_ids"] != other["input_ids"]).any()
    assert run_ours(network.ours, inputs).logits.tobytes() == run_ours(network.ours, other).logits.tobytes()


def test_order_of_rows_does_not_matter(pair):
    network = pair()
    inputs = network.batch(LENGTHS)
    order = np.random.default_rng(0).permutation(len(LENGTHS))
    straight = run_ours(network.ours, inputs)
    mixed = run_ours(network.ours, {name: array[order] for name, array in inputs.items()})
    np.testing.assert_allclose(mixed.logits, straight.logits[order], rtol=0, atol=1e-5)


def test_missing_mask_is_a_mask_of_ones(pair):
    network = pair()
    inputs = network.batch([40, 40])
    bare = network.ours(input_ids=inputs["input_ids"])
    assert bare.logits.tobytes() == run_ours(network.ours, inputs).logits.tobytes()


def test_logits_alone_equal_logits_with_all_layers(pair):
    """Without hidden states the last layer is computed for the read rows only."""
    for changes in NETWORKS:
        network = pair(**changes)
        for layout in ("right", "left", "holes"):
            inputs = network.batch(LENGTHS, layout)
            short = network.ours(**inputs).logits
            np.testing.assert_allclose(short, run_ours(network.ours, inputs).logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("lengths", [[16], [513], LENGTHS], ids=["one_short", "one_long", "mixed"])
@pytest.mark.parametrize("changes", NETWORKS, ids=NAMES)
def test_threads_agree(pair, changes, lengths):
    network = pair(**changes)
    inputs = network.batch(lengths)
    results = []
    for count in (1, 2):
        deberta_c.set_num_threads(count)
        try:
            results.append((run_ours(network.ours, inputs), network.ours(**inputs).logits))
        finally:
            deberta_c.set_num_threads(0)
    (one, one_logits), (two, two_logits) = results
    assert max(differences(one, two, inputs["attention_mask"])) <= 2e-6
    np.testing.assert_allclose(one_logits, two_logits, rtol=0, atol=2e-6)


@pytest.mark.parametrize("lengths", [[16], [513], LENGTHS], ids=["one_short", "one_long", "mixed"])
def test_same_bits_from_run_to_run(pair, lengths):
    network = pair()
    inputs = network.batch(lengths)
    fresh = deberta_c.AutoModelForSequenceClassification.from_pretrained(network.directory)
    first = run_ours(network.ours, inputs)
    for model in (network.ours, network.ours, fresh):
        again = run_ours(model, inputs)
        assert again.logits.tobytes() == first.logits.tobytes()
        assert all(a.tobytes() == b.tobytes() for a, b in zip(again.hidden, first.hidden, strict=True))
        assert all(a.tobytes() == b.tobytes() for a, b in zip(again.attentions, first.attentions, strict=True))


@pytest.mark.parametrize("level", ["scalar", "avx2", "avx512", "amx"])
@pytest.mark.parametrize("changes", [{"hidden_size": 128, "num_attention_heads": 2}, ABSOLUTE], ids=["v3", "absolute"])
def test_instruction_set(pair, tmp_path, level, changes):
    network = pair(**changes)
    inputs = network.batch([5, 130, 513, 1, 16], "holes")
    np.savez(tmp_path / "in.npz", **inputs)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(network.directory), str(tmp_path / "in.npz"), str(tmp_path / "out.npz")],
        env={**os.environ, "DEBERTA_C_ISA": level}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode and "DEBERTA_C_ISA" in done.stderr:
        pytest.skip(f"this CPU has no {level}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == level
    theirs = run_theirs(network.theirs, inputs)
    check_wide(theirs, inputs["attention_mask"])
    with np.load(tmp_path / "out.npz") as out:
        layers = len(theirs.attentions)
        ours = type(theirs)(
            out["logits"], [out[f"h{i}"] for i in range(layers + 1)], [out[f"a{i}"] for i in range(layers)]
        )
    found = errors(ours, theirs, inputs["attention_mask"])
    assert max(found.values()) <= 2e-5, found


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_ragged_batches(pair, threads, seed):
    """Many lengths at once: each thread runs its own chunks, or all share each chunk, in blocks of every size."""
    network = pair()
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(4.2, 1.0, 24), 1, 700).astype(int).tolist()
    inputs = network.batch(lengths, seed=seed)
    with deberta_c.threads(threads):
        ours = network.ours(**inputs).logits
    with torch.inference_mode():
        tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
        theirs = network.theirs(**tensors).logits.numpy()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5)
