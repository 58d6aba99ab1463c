"""The command line: files in and out, errors, and no half-written output."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import deberta_c
from deberta_c._cli.main import main
from tests.support.slowness import slowness

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
        ("in.csv", "text,text\na,b\n", (), "names a column twice"),
        ("in.csv", "text,b\na,b\nc\n", (), "line 3: 1 fields, but 2 columns"),
        ("in.csv", 'text,b\n"a" c,b\n', (), "line 2"),
        ("in.csv", 'text\n"never closed\n', (), "line 2"),
        (
            "in.csv",
            "text,predicted_label\na,b\n",
            (),
            "has the column 'predicted_label', which will be written; rename it",
        ),
        ("in.jsonl", "{\n", (), "line 1 is not JSON"),
        ("in.jsonl", '{"text": "a"}\n[1]\n', (), "line 2 is a JSON list"),
        ("in.jsonl", '{"text": "a"}\n{"text": 3}\n', (), "line 2, column 'text' is 3 of type int"),
        ("in.jsonl", '{"text": "\\ud800"}\n', (), "line 1, column 'text' has a lone surrogate"),
        ("in.xlsx", "x", (), "ends in '.xlsx'"),
        ("in.jsonl", '{"text": "a"}\n{"text": "a", "predicted_score": 1}\n', (), "has the column 'predicted_score'"),
        ("in.csv", "text,score_spam\na,b\n", ("--all-scores",), "has the column 'score_spam'"),
        ("in.csv", "text\na\n", ("--pair-column", "b"), "there is no column 'b'; there are text: give --pair-column"),
        ("in.csv", "text\na\n", ("--encoding", "bogus"), "--encoding is 'bogus', which is not an encoding"),
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
    assert capsys.readouterr().err.endswith(f"deberta_c: {str(tmp_path / 'none.csv')!r}: No such file or directory\n")
    for source, out in ((tmp_path, "out.csv"), (write_csv(tmp_path / "in.csv"), tmp_path)):
        assert classify(source, out=out)[0] == 1
        assert f"{str(tmp_path)!r} is a folder; give a file in it" in capsys.readouterr().err
    assert classify(deberta_c.default_model())[0] == 1
    assert "is a model, which --model names; give a file of texts" in capsys.readouterr().err
    assert classify(write_csv(tmp_path / "in.csv"), out="out.doc")[0] == 1
    assert "'.doc'" in capsys.readouterr().err
    assert classify(write_csv(tmp_path / "in.csv"), out="no/dir/out.csv")[0] == 1
    shown = capsys.readouterr().err
    assert f"there is no folder {str(tmp_path / 'no' / 'dir')!r}" in shown
    assert ".part" not in shown


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_the_input_is_never_overwritten(classify, tmp_path, capsys, link):
    source = write_csv(tmp_path / "same.csv")
    content = source.read_bytes()
    if link:
        link(source, tmp_path / "other.csv")
    status, target = classify(source, out="other.csv" if link else "same.csv")
    assert status == 1
    assert "which is the input; give another file" in capsys.readouterr().err
    assert target.read_bytes() == source.read_bytes() == content
    (tmp_path / "folder.csv").mkdir()
    assert classify(source, out="folder.csv")[0] == 1
    assert "is a folder" in capsys.readouterr().err


def test_interruption_leaves_no_output(classify, tmp_path, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("deberta_c._cli.classify._prediction", interrupt)
    status, target = classify(write_csv(tmp_path / "in.csv"))
    assert status == 130
    assert "stopped" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
    assert not target.exists()


@pytest.mark.usefixtures("heeded_signals")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_signals_end_the_work_at_once_and_leave_no_file(tmp_path, tiny, number, status):
    source = tmp_path / "in.csv"
    with source.open("w") as file:
        file.write("text\n")
        file.writelines(f"hello world {i}\n" for i in range(400_000))
    command = [sys.executable, "-m", "deberta_c", "classify", str(source), "--model", str(tiny)]
    out = tmp_path / "out.csv"
    with subprocess.Popen([*command, "--out", str(out), "--chunk-rows", "50"], stderr=subprocess.PIPE) as process:
        process.stderr.read(1)  # the first line of progress
        process.send_signal(number)
        start = time.monotonic()
        outputs = process.stderr.read()
    assert process.returncode == status
    assert b"stopped by " + signal.Signals(number).name.encode() in outputs
    assert b"Traceback" not in outputs
    assert time.monotonic() - start < 10
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_signal_handlers_are_given_back():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
    assert main(["show-config"]) == 0
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)] == before


def test_texts_on_the_command_line(tiny, model, capsys):
    assert main(["hello world", "--model", str(tiny)]) == 0
    (answer,) = deberta_c.pipeline(model=model)("hello world")
    assert capsys.readouterr().out == f"{answer['label']}\t{answer['score']:.4f}\thello world\n"
    assert main(["--", "demo", "-x"]) in (0, 1)  # texts, whatever they look like; 1 where the default model lacks
    assert "message" not in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::deberta_c.TruncationWarning")
@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(tmp_path, tiny, closed):
    """A closed standard input has no line, and a file is written although nothing can be printed."""
    source, target = write_csv(tmp_path / "in.csv", ROWS[:2]), tmp_path / "out.csv"
    command = f'"{sys.executable}" -m deberta_c --model "{tiny}" - {closed} && '
    command += f'"{sys.executable}" -m deberta_c classify "{source}" --model "{tiny}" --out "{target}" {closed}'
    subprocess.run(command, shell=True, check=True)
    assert len(read_csv(target)) == 2


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
        main(["classify"])
    assert caught.value.code == 2


def test_default_model_answers_at_once(tmp_path):
    """From a cold start in under half a second of processor time, in an unrelated folder; the best of five runs.

    More where NumPy's import takes more, too.
    """
    command = [sys.executable, "-m", "deberta_c", "WINNER! Claim your free prize now, call 0900 555 0142"]
    times = []
    for _ in range(5):
        before = os.times()
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        after = os.times()
        assert result.stdout.startswith("spam\t")
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(times) < 0.5 * slowness()


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
    assert "in.csv', line 3, column 'text': the text is missing; give --na empty" in capsys.readouterr().err
    rows = read_csv(classify(source, "--na", "skip")[1])
    assert [bool(row["predicted_label"]) for row in rows] == [bool(row["predicted_score"]) for row in rows]
    assert [row["predicted_label"] for row in rows][1] == ""
    score = float(read_csv(classify(source)[1])[1]["predicted_score"])
    assert score == pytest.approx(float(model.predict_proba([""]).max()), abs=1e-6)


def test_a_file_is_not_taken_for_a_text(tmp_path, tiny, capsys):
    path = write_csv(tmp_path / "mine.csv")
    assert main([str(path), "--model", str(tiny)]) == 2
    assert "is a file; to classify its rows: python -m deberta_c classify" in capsys.readouterr().err
    assert main([str(tmp_path), "--model", str(tiny)]) == 2
    assert f"is a folder; for a model: python -m deberta_c --model {tmp_path} TEXT; to" in capsys.readouterr().err


def test_warnings_are_lines_without_a_place(tmp_path, capsys):
    write_csv(tmp_path / "long.csv", [{"text": "hello " * 600}])
    assert main(["classify", str(tmp_path / "long.csv"), "--out", str(tmp_path / "out.csv")]) == 0
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("deberta_c: warning: ")]
    assert len(warned) == 1
    assert "1 of 1 different texts" in warned[0]


# ---- words, and what looks like one ----


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["serve"],
            "'serve' is not a command; there are classify, zero-shot, evaluate, check-precision, train, tune, "
            "pretrain, tokenize, info, download, demo, bench, show-config, text; to",
        ),
        (["sevre", "in.csv", "--out", "x"], "'sevre' is not a command; there are"),
        (["trian", "in.csv", "--out", "x"], "'trian' is not a command; did you mean 'train'"),
        (["clasify", "in.csv"], "'clasify' is not a command; did you mean 'classify', or to classify it as a text"),
        (["Classify"], "did you mean 'classify'"),
        (["predict", "in.csv"], "did you mean 'classify'"),
        (["quantize", "DIR"], "did you mean 'check-precision'"),
        (["show_config"], "did you mean 'show-config'"),
        (["help"], "did you mean '--help'"),
        (["--model", "DIR", "benchmark"], "did you mean 'bench'"),
        (["mesages.csv"], "there is no file 'mesages.csv'; to classify it as a text: python -m deberta_c -- mesages"),
        (["mesages.csv.gz"], "there is no file"),
    ],
)
def test_mistyped_commands_are_not_texts(capsys, words, message):
    assert main(words) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


@pytest.mark.parametrize("text", ["hello", "train with me", "free entry!", "--", "text train"])
def test_texts_are_texts(tiny, capsys, text):
    words = {"--": ["--", "train"], "text train": ["text", "train"]}.get(text, [text])
    assert main(["--model", str(tiny), *words]) == 0
    assert capsys.readouterr().out.endswith(f"\t{words[-1]}\n")


def test_options_in_any_order(tiny, tmp_path, capsys):
    outputs = []
    for words in (
        ["hello", "--model", str(tiny), "--threads", "1"],
        ["--threads", "1", "--model", str(tiny), "hello"],
        [f"--model={tiny}", "hello"],
        ["text", "--model", str(tiny), "hello"],
        ["--model", str(tiny), "text", "hello"],
    ):
        assert main(words) == 0
        outputs.append(capsys.readouterr().out)
    assert len(set(outputs)) == 1
    write_csv(tmp_path / "in.csv")
    assert main(["--model", str(tiny), "classify", str(tmp_path / "in.csv"), "--na", "skip"]) == 0
    assert len(list(csv.reader(io.StringIO(capsys.readouterr().out)))) == 5
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    usage = capsys.readouterr().out
    for shown in ("TEXT ...", "classify IN", "demo | bench | show-config", "Exit status: 0 success", "130"):
        assert shown in usage


# ---- pipes and formats ----


def pipe(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_texts_from_a_pipe(tiny, model, monkeypatch, capsys):
    answers = deberta_c.pipeline(model=model)(["hello world", "free entry"])
    pipe(monkeypatch, b"hello world\r\nfree entry\n")
    assert main(["--model", str(tiny), "-"]) == 0
    texts = ["hello world", "free entry"]
    expected = [f"{a['label']}\t{a['score']:.4f}\t{t}" for a, t in zip(answers, texts, strict=True)]
    assert capsys.readouterr().out.splitlines() == expected
    pipe(monkeypatch, b"hello world\nfree entry")
    assert main(["--labels-only", "-", "--model", str(tiny)]) == 0
    assert capsys.readouterr().out.splitlines() == [answer["label"] for answer in answers]
    pipe(monkeypatch, b"")
    assert main(["-", "--model", str(tiny)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "jsonl", "json"])
def test_pipes_in_every_format(tiny, model, monkeypatch, capsys, kind):
    texts = ["hello world", "free entry", "now"]
    contents = {
        "csv": "text\n" + "\n".join(texts),
        "tsv": "text\tid\n" + "".join(f"{text}\t1\n" for text in texts),
        "txt": "\n".join(texts),
        "jsonl": "\n".join(json.dumps({"text": text}) for text in texts),
        "json": json.dumps([{"text": text} for text in texts], indent=1),
    }
    labels = [model.config.id2label[i] for i in model.predict(texts).argmax(axis=1)]
    pipe(monkeypatch, contents[kind].encode())
    assert main(["classify", "-", "--format", kind, "--model", str(tiny), "--chunk-rows", "2"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    if kind == "jsonl":
        rows = [json.loads(line) for line in shown.out.splitlines()]
    elif kind == "json":
        rows = json.loads(shown.out)
    else:
        rows = list(csv.DictReader(io.StringIO(shown.out), delimiter="\t" if kind == "tsv" else ","))
    assert [row["predicted_label"] for row in rows] == labels
    assert [row["text"] for row in rows] == texts
    pipe(monkeypatch, contents[kind].encode())
    assert main(["classify", "-", "--format", kind, "--model", str(tiny), "--labels-only"]) == 0
    assert capsys.readouterr().out.splitlines() == labels  # whatever the format of the input


@pytest.mark.parametrize("name", ["in.csv.gz", "in.tsv.gz", "in.txt.gz", "in.jsonl.gz", "in.JSON.GZ", "in.json"])
def test_gzip_and_json(classify, tmp_path, model, name):
    texts = ["hello world", "free entry"]
    kind = name.removeprefix("in.").removesuffix(".gz").removesuffix(".GZ").lower()
    content = {
        "csv": "text\nhello world\nfree entry\n", "tsv": "text\nhello world\nfree entry\n",
        "txt": "hello world\r\nfree entry", "jsonl": '{"text": "hello world"}\n{"text": "free entry"}',
        "json": '[{"text": "hello world"},\n{"text": "free entry"}]',
    }[kind]  # fmt: skip
    packed = gzip.compress(content.encode()) if name.lower().endswith(".gz") else content.encode()
    (tmp_path / name).write_bytes(packed)
    status, target = classify(tmp_path / name, "--chunk-rows", "1", out="out.json.gz")
    assert status == 0
    rows = json.loads(gzip.decompress(target.read_bytes()))
    assert [row["text"] for row in rows] == texts
    status, target = classify(tmp_path / name, "--labels-only", out="out.txt")
    assert status == 0
    labels = [model.config.id2label[i] for i in model.predict(texts).argmax(axis=1)]
    assert target.read_text().splitlines() == labels == [row["predicted_label"] for row in rows]


def test_delimiters(classify, tmp_path, capsys):
    source = tmp_path / "in.csv"
    source.write_text("id;text\n1;hello\n2;free entry\n")
    hint = "its first line looks as if ';' parted the columns: give --delimiter ';'"
    assert classify(source)[0] == 1
    assert f"there are id;text: give --column; {hint}" in capsys.readouterr().err
    source.write_text("id;text\n1;hello, world\n2;free entry\n")
    assert classify(source)[0] == 1
    assert f"line 2: 2 fields, but 1 columns; quote fields that hold the delimiter; {hint}" in capsys.readouterr().err
    status, target = classify(source, "--delimiter", ";")
    assert status == 0
    assert [row["text"] for row in read_csv(target, ";")] == ["hello, world", "free entry"]
    status, target = classify(source, "--delimiter", ";", out="out.tsv")
    assert [row["text"] for row in read_csv(target, "\t")] == ["hello, world", "free entry"]
    for given, message in (("ab", "give one character"), ('"', "give one character"), ("", "give one character")):
        assert classify(source, "--delimiter", given)[0] == 1
        assert message in capsys.readouterr().err
    (tmp_path / "in.csv").write_text("id\ttext\n1\thello\n")
    assert classify(source, "--delimiter", "tab")[0] == 0
    assert classify(source, "--delimiter", "\\t")[0] == 0
    (tmp_path / "in.txt").write_text("hello\n")
    assert classify(tmp_path / "in.txt", "--delimiter", ";")[0] == 1
    assert "only csv and tsv have one" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet", "csv.gz"])
def test_tables_without_rows(classify, tmp_path, kind):
    (tmp_path / "in.csv").write_text("id,text\n")
    status, target = classify(tmp_path / "in.csv", out=f"out.{kind}")
    assert status == 0
    if kind == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        assert parquet.read_table(target).column_names == ["id", "text", "predicted_label", "predicted_score"]
        assert classify(target, "--all-scores", out="again.csv")[0] == 1
        return
    expected = {
        "csv": "id,text,predicted_label,predicted_score\n",
        "tsv": "id\ttext\tpredicted_label\tpredicted_score\n",
        "jsonl": "",
    }
    content = gzip.decompress(target.read_bytes()) if kind == "csv.gz" else target.read_bytes()
    if kind == "json":
        assert json.loads(content) == []
    else:
        assert content.decode() == expected[kind.removesuffix(".gz")]
    if kind == "jsonl":
        assert classify(target, out="again.csv")[0] == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.csv", b"id,text\n1,a\n2,caf\xe9\n", "line 3 is not utf-8"),
        ("in.txt", b"a\n" * 9999 + b"caf\xe9\n", "line 10000 is not utf-8"),
        ("in.jsonl", b'{"text": "\xff"}', "line 1 is not utf-8"),
        ("in.csv", "text\nhé\n".encode("utf-16"), "give the encoding of the file, here --encoding utf-16"),
        ("in.csv", gzip.compress(b"text\na\n"), "is packed by gzip; give it a name that ends in .gz"),
        ("in.csv.gz", b"text\na\n", "is not a complete gzip file"),
        ("in.csv.gz", gzip.compress(b"text\n" + bytes(range(65, 90)) * 99)[:-9], "is not a complete gzip file"),
        ("in.jsonl", b'{"text": "a", "text": "b"}', "line 1 is not JSON: an object names 'text' twice"),
        ("in.json", b'[{"text": "a"}, 3]', "row 2 is a JSON int, not an object"),
        ("in.json", b"3", "is a JSON int; give an array of objects"),
        ("in.json", b"[{]", "is not JSON"),
        ("in.txt", b"a\n\nb\n", "line 2, column 'text': the text is missing"),
    ],
)
def test_broken_files(classify, tmp_path, capsys, name, content, message):
    (tmp_path / name).write_bytes(content)
    status, target = classify(tmp_path / name, "--na", "raise")
    assert status == 1
    assert message in capsys.readouterr().err
    assert not target.exists()


def test_marks_and_line_ends_of_windows(classify, tmp_path):
    (tmp_path / "in.txt").write_bytes(b"\xef\xbb\xbfhello\r\nworld\r\n")
    assert [row["text"] for row in read_csv(classify(tmp_path / "in.txt")[1])] == ["hello", "world"]
    (tmp_path / "in.csv").write_bytes(b"\xef\xbb\xbftext,id\r\nhello,1\r\n")
    assert [row["id"] for row in read_csv(classify(tmp_path / "in.csv", "--encoding", "UTF8")[1])] == ["1"]
    (tmp_path / "in.csv").write_bytes("text,id\r\nhé,1\r\n".encode("utf-16"))
    assert [row["text"] for row in read_csv(classify(tmp_path / "in.csv", "--encoding", "utf-16")[1])] == ["hé"]


def test_utf_16_without_a_mark(classify, tmp_path, capsys):
    (tmp_path / "in.csv").write_bytes("text\nhello\n".encode("utf-16-le"))
    assert classify(tmp_path / "in.csv", "--encoding", "utf-16")[0] == 1
    assert "in.csv' is not utf-16 (UTF-16 stream does not start with BOM)" in capsys.readouterr().err
    assert classify(tmp_path / "in.csv", "--encoding", "utf-16-le")[0] == 0


def test_invalid_outputs(classify, tmp_path, capsys):
    source = write_csv(tmp_path / "in.csv")
    for target, message in (
        ("out.txt", "can only contain labels; give --labels-only"),
        ("o.parquet.gz", "compressed in itself"),
    ):
        assert classify(source, out=target)[0] == 1
        assert message in capsys.readouterr().err


def test_labels_of_one_name(make_model, tmp_path, capsys):
    model = make_model(id2label={"0": "a", "1": "a", "2": "b"}, label2id={"a": 0, "b": 2})
    source, target = write_csv(tmp_path / "in.csv"), tmp_path / "out.csv"
    arguments = ["classify", str(source), "--model", str(model), "--out", str(target), "--na", "skip"]
    assert main([*arguments, "--all-scores"]) == 1
    assert "two labels are named 'a'; rename one in id2label" in capsys.readouterr().err
    assert main(arguments) == 0


def test_the_reader_may_go(tiny, tmp_path):
    (tmp_path / "in.txt").write_text("hello world\n" * 50_000)
    command = (
        f"{sys.executable} -m deberta_c classify {tmp_path}/in.txt --model {tiny} | head -1; echo ${{PIPESTATUS[0]}}"
    )
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["text,predicted_label,predicted_score", "141"]
    assert result.stderr == ""
