# SPDX-License-Identifier: Apache-2.0
"""The benchmark measures what it claims: the works, the number of FLOPs, checks before timing, the tables."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import deberta_c
from benchmarks import cases, common, many_cores
from benchmarks.peers import low_precision, peers, report, run
from benchmarks.peers.models import CONFIGS
from benchmarks.precision import agreement
from benchmarks.process import builds, scheduling
from benchmarks.tokenization import run as tokenization
from benchmarks.training import entailment
from benchmarks.zero_shot import run as zero_shot
from deberta_c import _core
from deberta_c._cli import bench as _bench
from deberta_c._cli.main import main

MACHINE = {"date": "2026-01-02", "cpu": "a CPU", "isa": "avx2", "threads": 2, "numpy": "2.0"}


def test_works_have_the_lengths_they_say():
    assert [len(row) for row in cases.case("8x128").rows(1000)] == [128] * 8
    assert cases.case("1x1").rows(1000) == [[1]]
    assert (cases.case("1000 messages").tokens, cases.case("500 articles").tokens) == (24479, 26536)
    messages = cases.case("64 messages")
    assert messages.lengths == cases.case("1000 messages").lengths[:64]
    assert messages.rows(1000) == messages.rows(1000)
    assert [row for row in messages.rows(1000) if row[0] != 1 or row[-1] != 2 or max(row) >= 1000] == []
    assert messages.ragged
    assert not cases.case("32x32").ragged


def test_every_row_is_in_one_batch_and_sorting_saves_padding():
    rows = cases.case("1000 messages").rows(1000)

    def padded_tokens(batches):
        assert sorted(np.concatenate(batches)) == list(range(len(rows)))
        return sum(cases.padded([rows[i] for i in batch])["input_ids"].size for batch in batches)

    own, ordered = padded_tokens(cases.batches(rows, False)), padded_tokens(cases.batches(rows, True))
    assert 24479 < ordered < 1.1 * 24479
    assert own > 2.3 * 24479
    arrays = cases.padded([[1, 5, 2], [1]])
    assert arrays["input_ids"].tolist() == [[1, 5, 2], [1, 0, 0]]
    assert arrays["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_flops_against_a_count_by_hand():
    """Two rows, of 3 tokens and of 1, through two layers of H = 4 and I = 8."""
    config = {"hidden_size": 4, "intermediate_size": 8, "num_hidden_layers": 2, "relative_attention": True}
    linear = 4 * (4 * 2 * 4 * 4 + 2 * 2 * 4 * 8)  # tokens times (query, key, value, output; up, down)
    products = 4 * 2 * 4 * (3 * 3 + 1)
    assert cases.Case("", [3, 1]).flops(config) == 2 * (linear + products)
    assert cases.Case("", [3, 1]).flops(config | {"relative_attention": False}) == 2 * (linear + products / 2)
    for name in ("v3-xsmall", "v3-base"):
        published = CONFIGS[name] | {"model_type": "deberta-v2"}
        settings = deberta_c.DebertaV2Config.from_dict(published)._for_core()
        lengths = cases.case("64 messages").lengths
        assert _bench.flops(settings, lengths) == cases.Case("", lengths).flops(published)


class FakeWorker:
    """A peer without delay: logits from the first id and length of each row, plus `error`."""

    def __init__(self, name, seconds, log, error=0.0):
        self.name, self.seconds, self.log, self.error = name, seconds, log, error

    def run(self, in_order_of_length=False, rows=None):
        if rows is not None:
            self.rows = rows
        self.log.append((self.name, in_order_of_length, len(self.rows)))
        logits = [[row[0] + self.error, float(len(row))] for row in self.rows]
        return {"seconds": self.seconds, "logits": logits, "peak_mb": 100.0}


def fakes(log, error=0.0, name=peers.OnnxRuntime.name):
    ours, eager = FakeWorker(peers.Ours.name, 1.0, log), FakeWorker(peers.Eager.name, 9.0, log)
    return [ours, eager, FakeWorker(name, 4.0, log, error)]


@pytest.mark.parametrize("error", [1e-3, float("nan"), float("inf")])
def test_a_wrong_result_stops_the_run_before_the_clock(error):
    log, pauses = [], []
    with pytest.raises(
        run.WrongResult, match=r"onnxruntime differs from transformers eager by .*; its times are not kept"
    ):
        run.time_case(cases.case("1x16"), fakes(log, error), 1000, sleep=pauses.append)
    assert pauses == []


def test_int8_may_differ_and_says_by_how_much():
    workers = fakes([], 0.25, peers.OnnxRuntimeInt8.name)
    result = run.time_case(cases.case("1x16"), workers, 1000, sleep=lambda _: None)
    assert result["difference"][peers.OnnxRuntimeInt8.name] == pytest.approx(0.25)


def test_peers_alternate_and_the_best_continue():
    log = []
    work = run.time_case(cases.case("256 messages"), fakes(log), 1000, sleep=lambda _: None)
    checked = [entry for entry in log if entry[2] == run.CHECKED_ROWS]
    timed = [entry for entry in log if entry[2] == 256]
    assert len(checked) + len(timed) == len(log)
    assert log[: len(checked)] == checked
    turns = [("deberta_c", False)] + [
        (name, sorts) for name in ("transformers eager", "onnxruntime") for sorts in (0, 1)
    ]
    assert [entry[:2] for entry in timed[:5]] == turns
    assert [entry[:2] for entry in timed[5:8]] == turns[:2] + turns[3:4]
    assert {setting: len(own) for setting, own in work["seconds"].items()} == {
        "deberta_c": 3, "transformers eager": 3, "onnxruntime": 3,
        "transformers eager, sorted": 1, "onnxruntime, sorted": 1,
    }  # fmt: skip
    late = run.time_case(cases.case("256 messages"), fakes([]), 1000, deadline=0.0, sleep=lambda _: None)
    assert {len(own) for own in late["seconds"].values()} == {1}


def test_short_works_have_more_rounds():
    for seconds, rounds in ((0.01, 15), (3.0, 6), (6.0, 3)):
        workers = [FakeWorker(name, seconds, []) for name in (peers.Ours.name, peers.Eager.name, peers.OpenVino.name)]
        work = run.time_case(cases.case("8x128"), workers, 1000, sleep=lambda _: None)
        assert {len(own) for own in work["seconds"].values()} == {rounds}


def test_small_tours_take_the_others_at_their_best():
    workers = [FakeWorker(name, 1.0, []) for name in peers.PEERS]
    assert set(run.settings_of(workers, False, False)) == set(peers.PEERS)
    small = run.settings_of(workers, True, False)
    assert [label for label in small if not label.endswith(report.SORTED)] == ["deberta_c", "transformers eager"]
    whole = run.settings_of(workers, True, True)
    assert {"transformers eager, sorted", "onnxruntime", "onnxruntime, sorted", "torch.compile, sorted"} < set(whole)
    assert not {"torch.compile", "OpenVINO throughput", "deberta_c, sorted"} & set(whole)


def test_a_worker_answers_for_our_library(tiny):
    worker = run.Worker(peers.Ours.name, tiny, 1)
    rows = [[1, 7, 2], [1, 9, 11, 12, 2], [1, 2]]
    answer = worker.run(False, rows)
    again = worker.run(False)
    worker.close()
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny)
    expected = model(**cases.padded(rows)).logits
    assert np.abs(np.array(answer["logits"]) - expected).max() < 1e-5
    assert again["logits"] == answer["logits"]
    assert 0 < again["seconds"] < 10
    assert 10 < again["peak_mb"] < 1000
    assert worker.process.returncode == 0


def test_a_worker_that_fails_is_named(tmp_path, capfd):
    with pytest.raises(RuntimeError, match="the process of deberta_c ended with status 1"):
        run.Worker(peers.Ours.name, tmp_path, 1)
    assert "config.json" in capfd.readouterr().err


def test_models_that_cannot_be_opened_are_named_and_skipped(monkeypatch):
    assert run.refusal("v3-large") is None
    assert run.refusal("bert-base") is None
    monkeypatch.setitem(run.CONFIGS, "t5", {"model_type": "t5"})
    assert "model_type is 't5'" in run.refusal("t5")


@pytest.mark.parametrize(("option", "value"), [("--models", "v3-huge"), ("--only", "1x17")])
def test_unknown_names_are_refused(monkeypatch, option, value):
    monkeypatch.setattr(sys, "argv", ["run.py", option, value])
    with pytest.raises(SystemExit, match=f"{option} names '{value}'"):
        run.main()


def work_of(ours, eager, onnx, **more):
    seconds = {peers.Ours.name: ours, peers.Eager.name: eager, peers.OnnxRuntime.name: onnx, **more}
    return {
        "machine": MACHINE, "tokens": 16, "gflop": 2.0, "peak_gflops": 200.0, "seconds": seconds,
        "peak_mb": dict.fromkeys(seconds, 500.0), "difference": {},
    }  # fmt: skip


def results():
    found = {
        "start": {"v3-base": {peers.Ours.name: {"import_s": 0.05, "load_s": 0.4, "peak_mb": 700.0}}},
        "start_up": {"import_beyond_numpy_s": 0.04, "first_answer_s": 0.2},
        "installed_mb": {"deberta_c": 48.0},
    }
    more = {"onnxruntime, sorted": [2.0]}
    run.merge(found, "v3-large", "1x16", work_of([0.04] * 3, [0.2] * 3, [0.1] * 3))
    run.merge(found, "v3-base", "1000 messages", work_of([1.0, 1.0, 1.0], [4.0, 5.0, 6.0], [4.0], **more))
    run.merge(found, "v3-base", "1x16", work_of([0.01, 0.02, 0.01], [0.14, 0.26, 0.12], [0.03, 0.06, 0.02]))
    return found


def test_parts_of_a_run_are_merged():
    found = results()
    assert list(found["works"]) == ["v3-base", "v3-large"]
    assert list(found["works"]["v3-base"]) == ["1x16", "1000 messages"]
    new = work_of([0.02], [0.2], [0.1])
    run.merge(found, "v3-base", "1x16", new)
    assert found["works"]["v3-base"]["1x16"] is new
    assert list(found["works"]["v3-base"]) == ["1x16", "1000 messages"]
    assert json.loads(json.dumps(found)) == found


def test_tables_show_medians_intervals_and_goals():
    lines = report.tables(results()).splitlines()
    header = [cell.strip() for cell in lines[0].split("|")]
    rows = {
        line.split(" | ")[0]: dict(zip(header, (c.strip() for c in line.split("|")), strict=True))
        for line in lines[2:5]
    }
    short, own, ordered = rows["| 1x16"], rows["| 1000 messages"], rows["| 1000 messages, sorted"]
    assert (short["deberta_c, ms"], short["transformers eager"]) == ("10.0", "140")
    assert short["over eager"] == "13.00x (12.00 to 14.00)"
    assert short["over the best float32 peer"] == "3.00x (2.00 to 3.00)"
    assert short["of FMA peak"] == "100%"
    assert " | 12x, met | " in lines[2]
    assert " | 1.8x, met | " in lines[2]
    assert own["transformers eager"] == "5,000"
    assert own["onnxruntime"] == "4,000*"
    assert own["over the best float32 peer"] == "4.00x (one run)"
    assert ordered["over eager"] == "-"
    assert ordered["over the best float32 peer"] == "2.00x (one run)"
    assert lines[3].endswith("| 1% | 88%, missed |")
    text = "\n".join(lines)
    assert "| v3-large | 1x16 | 40.0 | 200 | 100 | onnxruntime | 5.00x" in text
    assert "| deberta_c | 48 | 0.05 | 0.40 | 500 | 500 |" in text
    assert "v3-base, v3-large: a CPU (avx2), 2 threads, 2026-01-02; numpy 2.0." in text


def test_measures_alternate_and_the_warm_up_is_dropped():
    log = []
    measures = {name: (lambda name=name: log.append(name) or len(log)) for name in "ab"}
    assert common.alternate(measures, rounds=2, warm_up=1) == {"a": [3, 5], "b": [4, 6]}
    assert "".join(log) == "ababab"
    assert common.seconds(lambda: None) < 1


def test_parts_are_saved_with_their_machine_and_the_others_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "FOLDER", tmp_path)
    common.write("some", common.isa(), {"parts": {"old": 1, "new": 2}})
    common.measure_parts("some", {"new": lambda: [3]}, lambda: {"cpu": "a CPU"})
    assert common.read("some", common.isa()) == {
        "parts": {"old": 1, "new": {"machine": {"cpu": "a CPU"}, "lines": [3]}}
    }


def test_the_table_of_builds_shows_ratios_over_this_one():
    machine = {
        "cpu": "a CPU",
        "isa": "avx2",
        "cpus": 2,
        "date": "2026-01-02",
        "python": "3",
        "deberta_c": "1",
        "numpy": "2",
    }
    lines = {"1x16": {builds.NOW: [0.010, 0.012, 0.011], "old": [0.020, 0.030, 0.011]}}
    text = builds.table({"machine": machine, "lines": lines})
    assert "| 1x16 | 11.0 (10.0) | 20.0 (11.0) | 2.00 (1.00 to 2.50) |" in text


def test_times_are_shown_with_their_percentiles():
    assert scheduling.shown("a pause: p95", {"value": 2.0, "p50": 1.25, "p99": 3.0}) == (
        "a pause: p50, p95, p99",
        "1.25, 2, 3",
    )
    assert scheduling.shown("two: 1 over 2", {"value": 1.5}) == ("two: 1 over 2", "1.5")


def test_short_calls_run_the_package_of_this_checkout():
    """The folder that `neighbours` puts on the path of its processes."""
    assert (common.ROOT / "deberta_c" / "__init__.py").is_file()


def test_a_run_replaces_only_the_results_of_its_instruction_set(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "FOLDER", tmp_path)
    for isa, value in (("avx512", 1), ("avx2", 2), ("avx512", 3)):
        common.write("linear", isa, {"value": value})
    assert [common.read("linear", isa) for isa in ("scalar", "avx2")] == [{}, {"value": 2}]
    shown = common.tables("linear", lambda results: f"| {results['value']} |")
    assert shown == "**AVX2**\n\n| 2 |\n\n**AVX-512**\n\n| 3 |"


def test_the_interval_holds_the_median_with_95_percent():
    assert report.interval(range(1, 16)) == (4, 12)
    assert report.interval(range(1, 10)) == (2, 8)
    assert report.interval([3, 1, 2]) == (1, 3)
    assert report.interval([5]) == (5, 5)


def test_the_plot_is_the_same_each_time(tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("one.svg", "two.svg"):
        report.plot(results(), tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert b"1000 messages" in (tmp_path / "one.svg").read_bytes()


def test_the_command_times_a_model(tiny, tmp_path, capsys):
    assert main(["bench", "--model", str(tiny), "--threads", "1", "--json", str(tmp_path / "bench.json")]) == 0
    printed = capsys.readouterr().out
    written = json.loads((tmp_path / "bench.json").read_text())
    assert [work["work"] for work in written["works"]] == ["1 x 16", "1 x 128", "8 x 128", "4 x 512", "256 texts"]
    assert written["threads"] == 1
    for work in written["works"]:
        assert work["work"] in printed
        assert work["tokens_per_s"] == pytest.approx(work["tokens"] / work["seconds"])
        assert work["gflop_per_s"] > 0
    assert "1 threads" in printed


def test_the_command_respects_a_limit_of_positions(make_model):
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(
        make_model(position_biased_input=True, max_position_embeddings=64)
    )
    assert [result["work"] for result in _bench.bench(model)] == ["1 x 16", "1 x 64", "8 x 64", "4 x 64", "256 texts"]


def test_the_command_names_what_is_missing(tiny, tmp_path, capsys, monkeypatch):
    assert main(["bench", "--model", str(tiny), "--json", str(tmp_path / "no" / "bench.json")]) == 1
    assert "there is no folder" in capsys.readouterr().err
    monkeypatch.setattr(_bench, "find_spec", lambda name: None)
    assert main(["bench", "--model", str(tiny), "--against", "transformers"]) == 1
    assert "--against transformers needs torch and transformers" in capsys.readouterr().err


def test_rows_run_as_predict_runs_texts(model):
    texts = ["hello world", "free entry now", "see you at home", "call"]
    rows = model.tokenizer(texts)["input_ids"]
    assert np.array_equal(_bench.run_rows(model, _bench.pack_rows(rows)), model.predict(texts))


def tokenizer_results():
    rates = {"deberta_c": [20.0, 22.0, 21.0], "encode_batch_fast": [2.0, 2.0, 2.0], "sentencepiece": [12.0, 12.0, 12.0]}
    line = {"model": "v3", "texts": "English", "rows": 9, "bytes": 6_000_000, "threads": 1, "what": "ids"}
    lines = [{**line, "first": {"deberta_c": [10.0], "encode_batch_fast": [2.0]}, "later": rates}]
    load = [{"what": "spm.model", "s": 0.05, "goal_s": 0.06, "mb": 30.0, "goal_mb": 25.0}]
    names = ("python", "deberta_c", "tokenizers", "sentencepiece", "numpy", "date", "cpu", "isa", "cpus")
    machine = dict.fromkeys(names, "1.0")
    return {"parts": {"v3": {"machine": machine, "lines": lines}, "load": {"machine": machine, "lines": load}}}


def test_tokenizer_tables_show_rates_and_goals():
    text = tokenization.table(tokenizer_results())
    assert (
        "| v3 | English | ids | 1 | 21.0 | - | 2.0 | - | 12.0 | 10.5x (10x, met) | - | 1.8x (2x, missed) | 10.0 | "
        in text
    )
    assert "| spm.model | 0.050 s (< 0.06, met) | 30.0 MB (< 25, missed) |" in text
    assert "English 6.0 MB in 9 rows" in text


def test_the_tokenizer_benchmark_names_what_it_needs(monkeypatch):
    monkeypatch.delenv("DEBERTA_C_TEST_DATA", raising=False)
    with pytest.raises(SystemExit, match=r"set DEBERTA_C_TEST_DATA to a folder"):
        tokenization.folders()


def test_the_table_of_zero_shot_shows_ratios_of_rounds():
    machine = MACHINE | {"torch": "2", "transformers": "5"}
    rounds = {
        "texts": 50,
        "batch_size": 10,
        "seconds": {"deberta_c": [1.0, 2.0, 2.0], "transformers": [4.0, 6.0, 10.0]},
        "peak_mb": {"deberta_c": 250.0, "transformers": 800.0},
    }
    lines = {
        "sizes": {"texts": 20, "seconds": {"1": 9.0, "10": 3.0}},
        "rounds": rounds,
        "all": {"texts": 1000, "seconds": [30.0, 32.0]},
    }
    results = {"parts": {name: {"machine": machine, "lines": found} for name, found in lines.items()}}
    assert zero_shot.best_size(results) == 10
    text = zero_shot.table(results)
    assert "| deberta_c | - | 2.00 s | 31 s |  |  | 250 MB |" in text
    assert "| transformers | 10 | 6.00 s | about 120 s | 4.0x | 6x | 800 MB |" in text
    assert "by batch size: 1: 9.0, 10: 3.0." in text


def test_the_table_of_entailment_has_the_largest_label_beside_the_accuracies():
    measured = {"accuracy": 0.5, "balanced": 0.4, "largest": 0.3}
    found = {"pairs": 1234, "nli": measured, "news": measured, "messages": measured}
    text = entailment.table({"parts": {"both": {"machine": MACHINE, "lines": found}}})
    assert "| TaxiNLI and pairs of clinc150 | 1,234 | 50.0% | 50.0% (40.0%) | 50.0% (40.0%) |" in text
    assert "| the largest label |  | 30.0% | 30.0% | 30.0% |" in text


@pytest.mark.filterwarnings("ignore::deberta_c.PrecisionWarning")
def test_many_cores_checks_before_it_measures(tmp_path, capsys, monkeypatch):
    settings = CONFIGS["v3-xsmall"] | {"vocab_size": 64, "hidden_size": 64, "num_attention_heads": 1}
    settings |= {"intermediate_size": 64, "num_hidden_layers": 2}
    monkeypatch.setattr(many_cores, "CONFIGS", {"v3-base": settings})
    monkeypatch.setattr(many_cores, "find_spec", lambda name: None)
    arguments = ["--threads", "1,2", "--work", "3x8", "--seconds", "0", "--json", str(tmp_path / "cores.json")]
    assert many_cores.main(arguments) == 0
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "cores.json").read_text())
    assert found["seconds"].keys() == {"1", "2"}
    assert list(found["seconds"]["1"]) == list(found["checks"]) == list(many_cores.DTYPES)
    assert found["right"]
    assert "| 2 | " in printed
    assert "float32 beside transformers: not installed" in printed
    monkeypatch.setattr(_core, "known_products", lambda dtype: dtype != "int8")
    assert many_cores.main(arguments) == 1
    assert "WRONG" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"--work is '3by8'; give texts x tokens"):
        many_cores.main(["--work", "3by8"])


def test_tables_of_many_cores_show_scaling_and_ratios():
    found = {1: {"float32": [8.0, 8.0], "int8": [2.0, 2.0]}, 16: {"float32": [1.0, 1.0], "int8": [0.5, 0.2]}}
    text = many_cores.scaling_table(found, 100.0)
    assert "| 16 | 1,000.0 | 100 | 8.00x | 350.0 | 286 | 5.71x | 2.86x |" in text
    assert many_cores.goals(found, "amx") == ["int8: 2.86x float32, goal 4x: missed"]
    assert "not judged" in many_cores.goals(found, "avx512")[0]


def precision_results(**more):
    machine = MACHINE | {"cpus": 2, "lacks": {}, "python": "3.11"} | more
    seconds = {
        "deberta_c": [0.9, 1.0],
        "deberta_c int8": [0.3, 0.4],
        "onnxruntime int8": [0.6, 0.8],
        "OpenVINO bf16": [2.0, 2.0],
    }
    lines = {"seconds": seconds, "difference": dict.fromkeys(seconds, 0.0125)}
    return {"parts": {"1x16": {"machine": machine, "lines": lines}}}


def test_the_table_of_precisions_shows_ratios_of_rounds_and_what_is_missing():
    text = low_precision.table(precision_results(lacks={"OpenVINO bf16": "this CPU has no AVX512_BF16"}))
    row = next(line for line in text.splitlines() if line.startswith("| 1x16"))
    assert row.startswith("| 1x16 | 950.0 (0.013) | - | 350.0 (0.013) | - | 700.0 (0.013) | - | 2,000.0 (0.013) | - |")
    assert row.endswith("| 2.00x | 2.75x |")  # the goals are those of a CPU that lacks nothing
    assert "Not measured: OpenVINO bf16, because this CPU has no AVX512_BF16." in text


def test_the_table_of_precisions_judges_by_the_goals_of_the_machine():
    text = low_precision.table(precision_results())
    assert "| 2.00x (2.5x, missed) | 2.75x (2.2x, met) |" in text
    lacking = precision_results(lacks={"OpenVINO bf16": "this CPU has no AVX512_BF16"})["parts"]["1x16"]
    assert "| 2.00x | 2.75x (1.4x, met) |" in low_precision.table({"parts": {"8x128": lacking}})


def test_precisions_alternate_and_differ_by_so_much(monkeypatch):
    monkeypatch.setattr(low_precision, "PAUSE", 0.0)
    log = []
    workers = {name: FakeWorker(name, 60.0, log, error) for name, error in (("deberta_c", 0.0), ("other", 0.5))}
    found = low_precision.time_work(cases.case("1x16"), workers, 100)
    assert found == {"seconds": {"deberta_c": [60.0], "other": [60.0]}, "difference": {"deberta_c": 0.0, "other": 0.5}}
    assert [name for name, _, _ in log] == ["deberta_c", "other"] * 2  # the first warms up


def test_the_table_of_precision_shows_what_was_lost():
    figures = {
        "float32": 0.9,
        "accuracy": 0.895,
        "agreement": 0.99,
        "low": 0.98,
        "high": 1.0,
        "largest": 0.1,
        "mean": 0,
    }
    outlying = {
        "plain": figures | {"agreement": 0.5}, "kept": figures, "keep": ["a", "b"], "linear_layers": 36,
        "self_test_warns": True, "searched": 200, "rows": 672,
    }  # fmt: skip
    types = {
        "bfloat16": figures | {"kernels": "own avx2 in float32", "self_test_warns": False},
        "int8": figures | {"kernels": "own avx2", "self_test_warns": False},
    }
    result = {"machine": MACHINE, "rows": 1234, "types": types}
    text = agreement.table({"ag_news, MiniLM": result | {"outliers": {"60": outlying}}})
    assert "| ag_news, MiniLM | 1,234 | int8 | 90.00% | 89.50% | -0.50 | 99.00% | 0.100 | passes |" in text
    assert "| ag_news, MiniLM | 1,234 | bfloat16 (weights) | 90.00%" in text
    assert (
        "| ag_news, MiniLM | 200 / 672 | x 60 | warns | 90.00% | 50.00% (89.50%) | 2 of 36 | 99.00% (89.50%) |" in text
    )


def test_agreement_is_measured_in_each_type_on_every_cpu():
    rows = [("See you at home", "ham"), ("Free entry! Call now", "spam")]
    types = agreement.types(Path(deberta_c.default_model()), rows, 64)["types"]
    assert list(types) == ["bfloat16", "int8"]
    for dtype, found in types.items():
        assert found["agreement"] == 1.0
        assert found["kernels"] == _core.multiplier(dtype)
        assert not found["self_test_warns"]  # also where opening in bfloat16 warns that only weights are in it


@pytest.mark.parametrize(("dtype", "points", "share"), [("bfloat16", 0.1, 0.999), ("int8", 0.5, 0.99)])
def test_what_is_lost_in_low_precision_is_within_the_limits(dtype, points, share):
    """In the committed results; one label of few rows may be another one."""
    results = [entry for isa in common.TITLES for entry in common.read("precision", isa).items()]
    assert any(dtype in result["types"] for _, result in results)
    for name, result in results:
        if found := result["types"].get(dtype):
            assert 100 * (found["float32"] - found["accuracy"]) <= points, name
            assert round((1 - found["agreement"]) * result["rows"]) <= max(1, (1 - share) * result["rows"]), name
        for hard in result.get("outliers", {}).values():
            assert hard["self_test_warns"]
            assert hard["kept"]["agreement"] > 0.99
