"""docs/environment.md lists the environment variables that the sources read, and no other DEBERTA_C variables."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
OURS = re.compile(r"\bDEBERTA_(?:C|FUZZ)_[A-Z_]*[A-Z]\b")
READ = re.compile(r'(?:getenv\(|environ\.get\(|environ\[)"([A-Z_]+)"')
LOOPS = re.compile(r"for \w+ in \(([^)]*)\)")  # over names of variables


def sources(*folders: str) -> list[str]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*"))]
    return [
        path.read_text(encoding="utf-8")
        for path in [*paths, ROOT / "tools" / "build_core.py"]
        if path.suffix in (".py", ".c", ".h")
    ]


def names_read(text: str) -> set[str]:
    loops = " ".join(LOOPS.findall(text)) if "os.environ" in text else ""
    return {*READ.findall(text), *re.findall(r'"([A-Z_]+)"', loops)}


def test_what_the_package_reads_is_listed() -> None:
    names = set().union(*map(names_read, sources("csrc", "deberta_c")))
    assert names >= {"DEBERTA_C_ISA", "OMP_NUM_THREADS", "HF_HUB_OFFLINE", "HF_HOME", "ONEDNN_ROOT", "CFLAGS"}
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []


def test_variables_of_deberta_c_are_listed_and_read() -> None:
    text = "\n".join(sources("csrc", "deberta_c", "benchmarks", "tools", "tests"))
    assert sorted(set(OURS.findall(PAGE))) == sorted(set(OURS.findall(text)))
