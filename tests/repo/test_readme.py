"""README and docs are true: their code runs and prints what they show, their figures equal the results."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import deberta_c

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CALLS = re.compile(r"^\| `(.+)` \| `(.+)` \|$", re.MULTILINE)  # what transformers is called with, and deberta_c
INSTALLS = ("make ", "pip install", "apt-get install", "git clone")  # commands that the test must not run


def blocks_of(name: str) -> list[tuple[str, str, str | None]]:
    """Language and text of each block, and the block of output directly below it."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    blocks = []
    for block, after in zip(found, [*found, None][1:], strict=True):
        shown = None
        if after and after[1] == "text" and not text[block.end() : after.start()].strip():
            shown = after[2]
        if block[1] != "text":
            blocks.append((block[1], block[2], shown))
    return blocks


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with the model directories that the examples name in capitals."""
    path = tmp_path_factory.mktemp("examples")
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    small = deberta_c.DebertaV2Config(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
    )

    def write(name, opener, **labels):
        config = deberta_c.AutoConfig.from_dict({**small.to_dict(), **labels})
        opener.from_config(config).save_pretrained(path / name)
        tokenizer.save_pretrained(path / name)

    entities = {0: "O", 1: "B-PER", 2: "I-PER"}
    write("CHECKPOINT", deberta_c.AutoModelForSequenceClassification, num_labels=2)
    write("RERANKER", deberta_c.AutoModelForSequenceClassification, num_labels=1)
    write(
        "NLI",
        deberta_c.AutoModelForSequenceClassification,
        id2label={0: "contradiction", 1: "neutral", 2: "entailment"},
        label2id={"contradiction": 0, "neutral": 1, "entailment": 2},
    )
    write("NER", deberta_c.AutoModelForTokenClassification, id2label=entities)
    write("ENCODER", deberta_c.AutoModel)
    write("MLM", deberta_c.AutoModelForMaskedLM)
    write("QA", deberta_c.AutoModelForQuestionAnswering)
    return path


@pytest.fixture
def folder(models, monkeypatch):
    pytest.importorskip("pandas")
    monkeypatch.chdir(models)
    return models


@pytest.mark.parametrize("name", NAMES)
def test_the_code_runs_and_prints_what_is_shown(name, folder, capsys):
    names = {}
    for language, text, shown in blocks_of(name):
        if language == "python":
            exec(compile(text, name, "exec"), names)
            assert capsys.readouterr().out == (shown or "")
        else:
            assert language in ("sh", "c"), f"{name} has a block of {language}, which no test runs"


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_run(name, folder):
    bin_folder = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": bin_folder + os.pathsep + os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    for language, text, shown in blocks_of(name):
        if language != "sh" or any(word in text for word in INSTALLS):
            continue
        ran = subprocess.run(["sh", "-e", "-c", text], cwd=folder, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        assert shown is None or ran.stdout == shown


def test_the_command_line_of_readme_scores_a_file(folder):
    test_the_commands_run("README.md", folder)
    assert len((folder / "scored.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize("name", NAMES)
def test_what_commands_name_exists(name):
    """Targets of make, scripts, and modules behind `python -m`."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    text = (ROOT / name).read_text(encoding="utf-8")
    code = "\n".join([block for _, block, _ in blocks_of(name)] + re.findall(r"`([^`\n]+)`", BLOCK.sub("", text)))
    assert [target for target in re.findall(r"(?m)^ *make ([a-z-]+)", code) if target not in targets] == []
    scripts = re.findall(r"(?m)^ *(?:python )?((?:benchmarks|scripts|tools|tests|\.ci)/[\w./-]+)", code)
    assert [path for path in scripts if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)", text):
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), f"{name} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in anchors, f"{name} links to {target}#{anchor}"


def test_the_calls_of_deberta_c_run(folder):
    pytest.importorskip("torch", reason='some calls have return_tensors="pt"')
    names = {}
    exec(blocks_of("docs/transformers.md")[0][1], names)
    calls = CALLS.findall((ROOT / "docs" / "transformers.md").read_text(encoding="utf-8"))
    assert len(calls) > 10
    for _, call in calls:
        exec(compile(call, "docs/transformers.md", "exec"), names)
    assert names["labels"] == ["ham", "spam"]
    assert names["text"] == "See you at home"


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_tables_and_figures_are_printed_from_the_results():
    from benchmarks import readme

    texts = [path.read_text(encoding="utf-8") for path in readme.DOCUMENTS]
    for name in readme.TABLES:
        assert sum(f"<!-- table: {name} -->\n**" in text for text in texts) == 1
    for name in readme.figures():
        assert any(f"<!-- figure: {name} -->" in text for text in texts)
    assert [readme.printed(text) for text in texts] == texts


def test_no_figure_is_typed():
    """Speeds, sizes and times in README stand between the marks of benchmarks/readme.py."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    prose = BLOCK.sub("", re.sub(r"<!-- figure: \w+ -->.*?<!-- end -->", "", text))
    assert re.findall(r"\d+(?:\.\d+)? ?(?:MB|ms|s|GB|x|times|%)\b", prose) == []


@pytest.mark.skipif(not (ROOT / "deberta_c" / "_base").is_dir(), reason="the maps show the packages that are to come")
@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md", "csrc/README.md"])
def test_maps_name_what_exists(name):
    text = BLOCK.sub("", (ROOT / name).read_text(encoding="utf-8"))
    paths = re.findall(r"`((?:csrc|deberta_c|tests|benchmarks|docs|scripts|tools)/[\w./*-]*)`", text)
    assert [path for path in paths if "NAME" not in path and not list(ROOT.glob(path.rstrip("/")))] == []


@pytest.mark.skipif(not (ROOT / "deberta_c" / "_base").is_dir(), reason="the maps show the packages that are to come")
def test_the_map_of_python_has_all_packages():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = sorted(path.parent.name for path in (ROOT / "deberta_c").glob("*/__init__.py"))
    assert sorted(re.findall(r"^\| `deberta_c/(\w+)/`", text, re.MULTILINE)) == sorted({*packages, "assets"})
