"""The command line, as a user calls it: files in and out, errors, and no half-written output."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import deberta_c
from deberta_c import _cli
from deberta_c._cli import main

ROWS = [
    {"id": "1", "text": "hello world", "note": 'says "hi", twice'},
    {"id": "2", "text": "free entry\nnow", "note": ""},
    {"id": "3", "text": "", "note": "é"},
    {"id": "4", "text": "hello world", "note": "\t"},
]


def write_csv(path, rows=ROWS, delimiter=","):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_csv(path, delimiter=","):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


@pytest.fixture
def classify(tmp_path, tiny):
    """Runs `classify` on a file in an empty directory and returns the status and the path of the output."""

    def run(source, *options, out="out.csv"):
        target = tmp_path / out
        return main(
            ["classify", str(source), "--model", str(tiny), "--out", str(target), "--na", "empty", *options]
        ), target

    return run


def check(rows, model):
    probabilities = model.predict_proba([row["text"] for row in ROWS])
    labels = model.config.id2label
    assert [row["predicted_label"] for row in rows] == [labels[i] for i in probabilities.argmax(axis=1)]
    scores = [float(row["predicted_score"]) for row in rows]
    assert scores == pytest.approx(probabilities.max(axis=1).tolist(), abs=1e-6)


@pytest.mark.parametrize("chunk", ["1", "3", "1000"])
def test_csv(classify, tmp_path, model, capsys, chunk):
    status, target = classify(write_csv(tmp_path / "in.csv"), "--chunk-rows", chunk)
    assert status == 0
    rows = read_csv(target)
    assert [{key: row[key] for key in ROWS[0]} for row in rows] == ROWS
    check(rows, model)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "4 rows, 100%" in shown.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_tsv_to_jsonl(classify, tmp_path, model):
    status, target = classify(write_csv(tmp_path / "in.tsv", delimiter="\t"), "--all-scores", out="out.jsonl")
    assert status == 0
    rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    check(rows, model)
    for row in rows:
        assert sum(row[f"score_{label}"] for label in ("ham", "spam", "other")) == pytest.approx(1, abs=1e-5)
        assert row[f"score_{row['predicted_label']}"] == row["predicted_score"]


def test_jsonl(classify, tmp_path, model):
    source = tmp_path / "in.jsonl"
    values = [{"text": row["text"], "nested": {"list": [1, None]}} for row in ROWS]
    source.write_text("\n".join(map(json.dumps, values)) + "\n\n", encoding="utf-8")
    status, target = classify(source, "--na", "raise", out="out.jsonl")
    assert status == 0
    rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [row["nested"] for row in rows] == [{"list": [1, None]}] * 4
    check(rows, model)


def test_missing_values(classify, tmp_path, capsys):
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "a"}\n{"text": null}\n{"other": 1}\n')
    status, target = classify(source, "--na", "raise", out="out.jsonl")
    assert status == 1
    assert "is missing" in capsys.readouterr().err
    assert not target.exists()
    status, target = classify(source, "--na", "skip", out="out.jsonl")
    assert status == 0
    labels = [json.loads(line)["predicted_label"] for line in target.read_text().splitlines()]
    assert labels[0] is not None
    assert labels[1:] == [None, None]
    assert "NaN" not in target.read_text()


@pytest.mark.parametrize("chunk", ["1", "2", "3", "1000"])
def test_a_row_without_the_key_is_missing_wherever_chunks_begin(classify, tmp_path, chunk):
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "a"}\n{"other": 1}\n{"other": 2}\n{"text": "b"}\n{"other": 1}\n')
    status, target = classify(source, "--na", "skip", "--chunk-rows", chunk, out="out.jsonl")
    assert status == 0
    labels = [json.loads(line)["predicted_label"] for line in target.read_text().splitlines()]
    assert [label is None for label in labels] == [False, True, True, False, True]


def test_the_key_may_be_absent_from_the_first_row_but_not_from_the_first_chunk(classify, tmp_path, capsys):
    source = tmp_path / "in.jsonl"
    source.write_text('{"other": 1}\n{"text": "b", "third": 1}\n')
    assert classify(source, "--na", "empty", out="out.jsonl")[0] == 0
    capsys.readouterr()
    assert classify(source, "--na", "empty", "--chunk-rows", "1", out="out.jsonl")[0] == 1
    assert "there is no column 'text'; there are other" in capsys.readouterr().err


def test_parquet(classify, tmp_path, model):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    columns["id"] = pyarrow.array([1, 2, None, 4], pyarrow.int16())
    parquet.write_table(pyarrow.table(columns), tmp_path / "in.parquet")
    status, target = classify(tmp_path / "in.parquet", "--chunk-rows", "2", out="out.parquet")
    assert status == 0
    table = parquet.read_table(target)
    assert table.schema.field("id").type == pyarrow.int16()
    assert table.column("id").to_pylist() == [1, 2, None, 4]
    check(table.to_pylist(), model)
    status, target = classify(tmp_path / "in.parquet", out="out.csv")
    assert status == 0
    check(read_csv(target), model)


def test_columns_that_begin_late_are_not_lost(classify, tmp_path, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "a"}\n{"text": "b", "note": "late"}\n')
    status, target = classify(source, out="out.parquet")
    assert status == 0
    assert parquet.read_table(target).column("note").to_pylist() == [None, "late"]
    assert classify(source, "--chunk-rows", "1", out="out.parquet")[0] == 1
    assert "columns ['note'], which the first rows have not; write .jsonl" in capsys.readouterr().err


def test_quotes_that_mean_nothing(classify, tmp_path, capsys):
    source = tmp_path / "in.tsv"
    source.write_text('text\tid\n"hello\t1\nhello\t2\n')
    assert classify(source)[0] == 1
    assert "--no-quotes" in capsys.readouterr().err
    status, target = classify(source, "--no-quotes")
    assert status == 0
    assert [row["text"] for row in read_csv(target)] == ['"hello', "hello"]


def test_pairs_and_options(classify, tmp_path, model):
    pairs = [{"first": "hello", "second": "world now"}, {"first": "now", "second": ""}]
    source = write_csv(tmp_path / "in.csv", pairs)
    options = ("--column", "first", "--pair-column", "second", "--max-length", "5", "--threads", "1")
    status, target = classify(source, *options)
    assert status == 0
    expected = model.predict_proba(["hello", "now"], ["world now", ""], max_length=5).max(axis=1)
    assert [float(row["predicted_score"]) for row in read_csv(target)] == pytest.approx(expected.tolist(), abs=1e-6)


def test_encodings(classify, tmp_path, capsys):
    source = tmp_path / "in.csv"
    source.write_bytes("text\nhé\n".encode("latin-1"))
    assert classify(source)[0] == 1
    assert "--encoding" in capsys.readouterr().err
    status, target = classify(source, "--encoding", "latin-1")
    assert status == 0
    assert read_csv(target)[0]["text"] == "hé"
    source.write_bytes(b"\xef\xbb\xbftext\nhello\n")
    status, target = classify(source)
    assert status == 0
    assert next(iter(read_csv(target)[0])) == "text"


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("in.csv", "a,b\n1,2\n", (), "there is no column 'text'; there are a, b"),
        ("in.csv", "", (), "is empty"),
        ("in.csv", "text\n", (), "has no rows"),
        ("in.csv", "text,text\na,b\n", (), "names a column twice"),
        ("in.csv", "text,b\na,b\nc\n", (), "line 3: 1 fields, but 2 columns"),
        ("in.csv", 'text,b\n"a" c,b\n', (), "line 2"),
        ("in.csv", 'text\n"never closed\n', (), "line 2"),
        ("in.csv", "text,predicted_label\na,b\n", (), "'predicted_label' is there already"),
        ("in.jsonl", "{\n", (), "line 1 is not JSON"),
        ("in.jsonl", '{"text": "a"}\n[1]\n', (), "line 2 is a JSON list"),
        ("in.jsonl", '{"text": "a"}\n{"text": 3}\n', (), "texts[1] is 3"),
        ("in.jsonl", '{"text": "\\ud800"}\n', (), "counting from row 1: texts[0] has a lone surrogate"),
        ("in.xlsx", "x", (), "ends in '.xlsx'"),
        ("in.jsonl", '{"text": "a"}\n{"text": "a", "predicted_score": 1}\n', (), "'predicted_score' is there already"),
        ("in.csv", "text,score_spam\na,b\n", ("--all-scores",), "the column 'score_spam' is there already; rename it"),
        ("in.csv", "text\na\n", ("--pair-column", "b"), "there is no column 'b'; there are text: give --pair-column"),
        ("in.csv", "text\na\n", ("--encoding", "bogus"), "--encoding is 'bogus', which is no encoding"),
        ("in.csv", "text\na\n", ("--encoding", "hex"), "--encoding is 'hex'"),
        ("in.csv", "text\na\n", ("--threads", "0"), "--threads is 0; it must be at least 1"),
        ("in.csv", "text\na\n", ("--threads", "-2"), "--threads is -2"),
        ("in.csv", "text\na\n", ("--model", ""), "directory is ''"),
        ("in.csv", "text\na\n", ("--chunk-rows", "0"), "--chunk-rows is 0"),
        ("in.csv", "text\na\n", ("--max-length", "1"), "special tokens"),
        ("in.csv", "text\na\n", ("--model", "no/such/dir"), "there is no directory"),
    ],
)
def test_errors_leave_no_output(classify, tmp_path, capsys, name, content, options, message):
    source = tmp_path / name
    source.write_text(content)
    (tmp_path / "out.csv").write_text("old")
    status, target = classify(source, *options)
    assert status == 1
    assert message in capsys.readouterr().err
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out.csv"])


def test_missing_input_and_wrong_output(classify, tmp_path, capsys):
    assert classify(tmp_path / "none.csv")[0] == 1
    assert "none.csv" in capsys.readouterr().err
    assert classify(write_csv(tmp_path / "in.csv"), out="out.doc")[0] == 1
    assert "'.doc'" in capsys.readouterr().err
    assert classify(write_csv(tmp_path / "in.csv"), out="no/dir/out.csv")[0] == 1
    shown = capsys.readouterr().err
    assert f"there is no folder {str(tmp_path / 'no' / 'dir')!r}" in shown
    assert ".part" not in shown


def test_in_place(classify, tmp_path, model):
    status, target = classify(write_csv(tmp_path / "same.csv"), "--chunk-rows", "1", out="same.csv")
    assert status == 0
    check(read_csv(target), model)


def test_interruption_leaves_no_output(classify, tmp_path, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_cli, "_prediction", interrupt)
    status, target = classify(write_csv(tmp_path / "in.csv"))
    assert status == 130
    assert "stopped" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
    assert not target.exists()


def test_ctrl_c_in_a_process(tmp_path, tiny):
    source = tmp_path / "in.csv"
    with source.open("w") as file:
        file.write("text\n")
        file.writelines(f"hello world {i}\n" for i in range(400_000))
    command = [sys.executable, "-m", "deberta_c", "classify", str(source), "--model", str(tiny)]
    out = tmp_path / "out.csv"
    with subprocess.Popen([*command, "--out", str(out), "--chunk-rows", "50"], stderr=subprocess.PIPE) as process:
        process.stderr.read(1)  # the first line of progress
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        process.stderr.read()
    assert process.returncode == 130
    assert time.monotonic() - start < 10
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_text_on_the_spot(tiny, model, capsys):
    assert main(["hello world", "--model", str(tiny)]) == 0
    (answer,) = deberta_c.pipeline(model=model)("hello world")
    assert capsys.readouterr().out == f"{answer['label']}\t{answer['score']:.4f}\thello world\n"
    assert main(["--", "demo", "-x"]) in (0, 1)  # texts, whatever they look like; 1 where the default model lacks
    assert "message" not in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::deberta_c.TruncationWarning")
def test_demo(tiny, capsys):
    assert main(["demo", "--model", str(tiny)]) == 0
    lines = capsys.readouterr().out.splitlines()
    messages = read_csv_text(deberta_c.sample_messages())
    assert len(messages) >= 16
    for message in messages:
        assert sum(line.endswith(message["text"]) for line in lines) == 1
    assert {message["label"] for message in messages} == {"ham", "spam"}


def read_csv_text(path):
    with open(path, encoding="utf-8", newline="") as file:  # noqa: PTH123
        return list(csv.DictReader(file))


def test_show_config_and_help(capsys):
    assert main(["show-config"]) == 0
    assert "instruction set" in capsys.readouterr().out
    assert main([]) == 2
    assert "classify" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert deberta_c.__version__ in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(["classify", "in.csv"])
    assert caught.value.code == 2


def test_default_model_answers_at_once(tmp_path):
    """From a cold start in under half a second of the processor, in a folder of no importance."""
    command = [sys.executable, "-m", "deberta_c", "WINNER! Claim your free prize now, call 0900 555 0142"]
    before = os.times()
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    after = os.times()
    assert result.stdout.startswith("spam\t")
    assert after.children_user + after.children_system - before.children_user - before.children_system < 0.5


def test_demo_of_the_default_model(capsys):
    assert main(["demo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for message in read_csv_text(deberta_c.sample_messages()):
        (line,) = [line for line in lines if line.endswith(message["text"])]
        assert line.split()[0] == message["label"]


@pytest.mark.parametrize("cell", ["", '""'])
def test_empty_cells_are_missing(classify, tmp_path, model, capsys, cell):
    source = tmp_path / "in.csv"
    source.write_text(f"id,text\n1,hello\n2,{cell}\n", encoding="utf-8")
    assert classify(source, "--na", "raise")[0] == 1
    assert "texts[1] is missing" in capsys.readouterr().err
    rows = read_csv(classify(source, "--na", "skip")[1])
    assert [bool(row["predicted_label"]) for row in rows] == [bool(row["predicted_score"]) for row in rows]
    assert [row["predicted_label"] for row in rows][1] == ""
    score = float(read_csv(classify(source)[1])[1]["predicted_score"])
    assert score == pytest.approx(float(model.predict_proba([""]).max()), abs=1e-6)


def test_a_file_is_not_taken_for_a_text(tmp_path, tiny, capsys):
    path = write_csv(tmp_path / "mine.csv")
    assert main([str(path), "--model", str(tiny)]) == 1
    assert "is a file; to classify its rows: python -m deberta_c classify" in capsys.readouterr().err


def test_warnings_are_lines_without_a_place(tmp_path, capsys):
    write_csv(tmp_path / "long.csv", [{"text": "hello " * 600}])
    assert main(["classify", str(tmp_path / "long.csv"), "--out", str(tmp_path / "out.csv")]) == 0
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("deberta_c: warning: ")]
    assert len(warned) == 1
    assert "1 of 1 different texts" in warned[0]
