"""Networks of the published sizes with random weights. v3-xsmall runs always; `-m full` adds larger ones.

A full run writes the errors and the machine to results.json.
"""

import gc
import json
import platform
import shutil
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import pytest

import deberta_c
from tests.parity.oracle import LENGTHS, PUBLISHED, Pair, batch, check_wide, errors, run_ours, run_theirs, tiny

RESULTS = Path(__file__).with_name("results.json")
TOLERANCE = 1e-4


MIXED = [5, 130, 64, 1, 257, 17, 512, 2]

# name: (lengths, layout); a row or two of one length, then rows of many
BATCHES = {f"{length}": ([length] * (6 if length <= 2 else 2 if length <= 130 else 1), "right") for length in LENGTHS}
BATCHES |= {"mixed": (MIXED, "right"), "mixed_left": (MIXED, "left"), "mixed_holes": (MIXED, "holes")}
BATCHES |= {"short_holes": ([5, 64, 1, 17, 2, 33], "holes")}

# All sizes of v3 except the last; of the others those with other parts, as large as a few minutes allow.
RUNS = {name: [batch for batch in BATCHES if batch != "short_holes"] for name in ("v3-xsmall", "v3-base", "v3-large")}
RUNS |= {
    "mdeberta-v3-base": ["2", "16", "130", "mixed"],
    "v2-xlarge": ["2", "16", "130", "short_holes"],
    "v1-base": ["1", "2", "16", "130", "513", "1100", "mixed", "mixed_left", "mixed_holes"],
    "bert-base": ["1", "2", "16", "130", "512", "mixed", "mixed_left", "mixed_holes"],
}


@pytest.fixture(scope="module")
def network(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    yield request.param, Pair(directory, tiny(**PUBLISHED[request.param]))
    shutil.rmtree(directory)
    gc.collect()


@pytest.fixture(scope="module")
def record(request):
    """name of a network -> name of a batch -> errors; a full run writes complete networks to results.json."""
    measured = {}
    yield measured
    if "full" not in request.config.option.markexpr:
        return
    old = json.loads(RESULTS.read_text(encoding="utf-8"))["networks"] if RESULTS.exists() else {}
    where = {
        "date": datetime.now(tz=timezone.utc).date().isoformat(),
        "processor": processor(),
        "instruction_set": deberta_c._core.isa(),
        "threads": deberta_c.get_num_threads(),
        "versions": {name: version(name) for name in ("torch", "transformers", "numpy")}
        | {"python": platform.python_version(), "deberta_c": deberta_c.__version__}
        | {"onednn": deberta_c._core.onednn_version()},
    }
    whole = {
        size: {**where, "batches": {name: found[name] for name in RUNS[size]}}
        for size, found in measured.items()
        if len(found) == len(RUNS[size])
    }
    networks = {size: {**old, **whole}[size] for size in RUNS if size in {**old, **whole}}
    text = {
        "what": "greatest absolute difference between deberta_c and transformers, both in float32, on valid rows; "
        "where `float64` is given, the difference of each from transformers in float64",
        "rule": f"at most {TOLERANCE}, or at most twice transformers' own difference from float64",
        "networks": networks,
    }
    RESULTS.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")


def processor():
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))


def runs(*names):
    """The batches of these sizes, one size after the other."""
    pairs = [(size, batch) for size in names for batch in RUNS[size]]
    ids = ["-".join(pair) for pair in pairs]
    return pytest.mark.parametrize(("network", "name"), pairs, indirect=["network"], ids=ids, scope="module")


def check(network, name, record, doubled):
    """Compare one batch; `doubled` runs float64, too, even if the plain tolerance holds."""
    size, pair = network
    inputs = batch(pair.config, *BATCHES[name])
    mask = inputs["attention_mask"]
    rows, length = mask.shape
    cells = rows * length**2 * pair.config["num_hidden_layers"] * pair.config["num_attention_heads"]
    attentions = length <= 513 and cells < 4e8  # beyond, they take gigabytes
    theirs, ours = run_theirs(pair.theirs, inputs, attentions), run_ours(pair.ours, inputs, attentions)
    check_wide(theirs, mask)
    found = errors(ours, theirs, mask)
    entry = record.setdefault(size, {})[name] = {key: float(f"{value:.2e}") for key, value in found.items()}
    passed = max(found.values()) <= TOLERANCE
    if doubled or not passed:
        pair.theirs.double()
        try:
            truth = run_theirs(pair.theirs, inputs, attentions)
        finally:
            pair.theirs.float()
        own, other = errors(ours, truth, mask), errors(theirs, truth, mask)
        entry["float64"] = {
            who: {key: float(f"{value:.2e}") for key, value in part.items()}
            for who, part in (("deberta_c", own), ("transformers", other))
        }
        passed = passed or all(own[key] <= max(TOLERANCE, 2 * other[key]) for key in own)
    assert passed, entry


@runs("v3-xsmall")
def test_xsmall(network, name, record):
    check(network, name, record, doubled=False)


@pytest.mark.full
@runs(*RUNS)
def test_full(network, name, record):
    check(network, name, record, doubled=max(BATCHES[name][0]) <= 130)
