# SPDX-License-Identifier: Apache-2.0
"""The structure of the code: includes, imports, exports, and what no file may contain."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import deberta_c
from deberta_c import _core

ROOT = Path(__file__).resolve().parents[2]
MAY_INCLUDE = {
    "base": {"base"},
    "kernels": {"base", "kernels"},
    "nn": {"base", "kernels", "nn"},
    "model": {"base", "kernels", "nn", "model", "deberta.h", "deberta"},
    "train": {"base", "kernels", "nn", "model", "train", "deberta.h", "deberta"},
    "text": {"base", "text", "deberta.h", "deberta"},
    "python": {"python", "deberta.h"},
    "deberta": {"base", "deberta"},  # the leaves of the door
}
ONLY_IN = {
    "dnnl.h": r"csrc/nn/linear_onednn\.c",
    "utf8proc.h": r"csrc/text/unicode/.*",
    "omp.h": r"(?!)",
    "immintrin.h": r"csrc/kernels/isa/.*",
    "Python.h": r"csrc/python/.*",
}


FOLDERS = {".ci", "benchmarks", "csrc", "deberta_c", "docs", "notebooks", "tests", "tools"}


def tracked(*patterns: str) -> list[Path]:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def includes(path: Path) -> list[tuple[str, str]]:
    return re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', path.read_text(encoding="utf-8"), re.MULTILINE)


def core_files() -> list[Path]:
    return sorted(path for path in (ROOT / "csrc").rglob("*.[ch]"))


def test_no_file_includes_upward() -> None:
    wrong = []
    for path in core_files():
        room = path.relative_to(ROOT / "csrc").parts[0]
        for quote, name in includes(path):
            allowed = MAY_INCLUDE.get(room, {"base", "deberta"})  # deberta.h itself
            if quote == '"' and name.split("/")[0] not in allowed:
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert core_files()
    assert not wrong, wrong


def test_foreign_headers_have_one_owner() -> None:
    wrong = []
    for path in core_files():
        where = path.relative_to(ROOT).as_posix()
        for _, name in includes(path):
            owner = ONLY_IN.get(Path(name).name)
            if owner and not re.fullmatch(owner, where):
                wrong.append(f"{where} includes {name}")
    assert not wrong, wrong


def test_one_symbol_is_exported() -> None:
    if not shutil.which("nm"):
        pytest.skip("nm (binutils) is not installed")
    command = ["nm", "--dynamic", "--defined-only", str(_core.__file__)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.split()[-1] for line in listed.stdout.splitlines()] == ["PyInit__core"]


def test_public_names_are_sorted_and_exist() -> None:
    assert deberta_c.__all__ == sorted(deberta_c.__all__)
    assert [name for name in deberta_c.__all__ if not hasattr(deberta_c, name)] == []


def test_c_sources_name_their_licence() -> None:
    wrong = [str(path) for path in core_files() if "SPDX-License-Identifier: Apache-2.0" not in path.open().readline()]
    assert not wrong, wrong


def test_the_root_has_its_folders_and_no_other() -> None:
    """What a command wrote into the current directory is not committed."""
    assert {path.relative_to(ROOT).parts[0] for path in tracked("*/*")} == FOLDERS


def test_the_version_is_written_once() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(rf'^version = "{re.escape(deberta_c.__version__)}"$', project, re.MULTILINE)


def test_no_file_names_this_machine() -> None:
    # Written so that this file does not find itself.
    forbidden = re.compile(
        r"/(?:work|farm|root)/|/home/[a-z]+/|(?:files\.pythonhosted|pypi|deb\.debian)\.org|/opt/" + "pypi"
    )
    wrong = []
    for path in tracked():
        if path == Path(__file__).resolve():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # weights, arrays, vocabularies
        wrong += [f"{path.relative_to(ROOT)}: {found.group()}" for found in forbidden.finditer(text)]
    assert not wrong, wrong


def test_python_sources_import_only_what_the_package_needs() -> None:
    """At import: the standard library and NumPy; the rest is imported where it is used."""
    wrong = []
    heavy = {"pandas", "pyarrow", "polars", "tqdm", "torch", "transformers", "sklearn", "matplotlib", "huggingface_hub"}
    for path in sorted((ROOT / "deberta_c").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{path.name}: {name}" for name in names if name.split(".")[0] in heavy]
    assert not wrong, wrong


# The packages of deberta_c, each of which may import those before it. None imports a later one, at no level.
LADDER = ("_base", "_columns", "_files", "_tokenizers", "_models", "_pipelines", "_cli")


def imported(path: Path) -> list[str]:
    """The modules of deberta_c that a file imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return [name for name in names if name.startswith("deberta_c.")]


def test_packages_import_downward() -> None:
    wrong = []
    for rank, package in enumerate(LADDER):
        files = sorted((ROOT / "deberta_c" / package).glob("*.py"))
        assert files, package
        for path in files:
            above = [name for name in imported(path) if name.split(".")[1] in LADDER[rank + 1 :]]
            wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in above]
    assert not wrong, wrong
    assert {path.name for path in (ROOT / "deberta_c").glob("_*") if path.is_dir()} - {"__pycache__", "_lib"} == set(
        LADDER
    )


def test_modules_import_without_circles() -> None:
    package = ROOT / "deberta_c"
    needs = {
        f"deberta_c.{path.relative_to(package).with_suffix('').as_posix().replace('/', '.')}": set(imported(path))
        for path in package.rglob("*.py")
    }
    while ready := [name for name, needed in needs.items() if not needed & needs.keys()]:
        for name in ready:
            del needs[name]
    assert not needs, f"these import each other: {sorted(needs)}"
