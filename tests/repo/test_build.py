# SPDX-License-Identifier: Apache-2.0
"""The build finds missing requirements before it compiles, and its result is complete."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deberta_c import _core
from tools import build_core

ROOT = Path(__file__).resolve().parents[2]


def lame_compiler(folder: Path, word: str) -> str:
    """A compiler that fails if a source or an argument contains `word`, as if that were not installed."""
    script = folder / "lame-cc"
    script.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *{word}*) exit 1;; esac\n'
        f'for file; do case "$file" in *.c) grep -q "{word}" "$file" && exit 1;; esac; done\n'
        'exec gcc "$@"\n'
    )
    script.chmod(0o755)
    return str(script)


MISSING = {
    "stdio.h": ["makes no programs", "libc6-dev"],
    "mavx512f": ["AVX-512", "gcc 11 or later"],
    "Python.h": ["Python.h", f"python{sys.version_info.major}.{sys.version_info.minor}-dev"],
    "omp_get_max_threads": ["libgomp", "apt install"],
    "dnnl.h": ["oneDNN", "onednn-devel-cpu-gomp==2023.2.0", "ONEDNN_ROOT"],
    "utf8proc": ["utf8proc", "apt install libutf8proc-dev"],
}


@pytest.mark.parametrize("word", MISSING)
def test_what_is_missing_is_named_in_one_line(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", lame_compiler(tmp_path, word))
    with pytest.raises(SystemExit) as error:
        build_core.check_machine()
    message = str(error.value)
    assert message.startswith("deberta_c cannot be built: ")
    assert "\n" not in message
    assert [part for part in MISSING[word] if part not in message] == []


def test_a_complete_machine_passes() -> None:
    build_core.check_machine()


def test_no_compiler_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    with pytest.raises(
        SystemExit, match=r"compiler `no-such-compiler` is not installed; install gcc .*apt install gcc"
    ):
        build_core.check_machine()


def test_setup_stops_before_it_compiles(tmp_path: Path) -> None:
    environment = {**os.environ, "CC": lame_compiler(tmp_path, "utf8proc")}
    command = [sys.executable, "setup.py", "-q", "build_clib", "--build-temp", str(tmp_path / "temp")]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode != 0
    assert ran.stderr.splitlines()[-1].startswith("deberta_c cannot be built: utf8proc")
    assert "Traceback" not in ran.stderr
    assert list(tmp_path.glob("temp/**/*.o")) == []


def test_onednn_root_must_hold_onednn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_ROOT", str(tmp_path))
    with pytest.raises(SystemExit, match=r"ONEDNN_ROOT=.* contains no lib/libdnnl\.so\.3; name the folder"):
        build_core.onednn()


def test_onednn_root_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    include, library = build_core.onednn()
    (tmp_path / "include").symlink_to(include)
    (tmp_path / "lib64").mkdir()
    (tmp_path / "lib64" / library.name).symlink_to(library)
    monkeypatch.setenv("ONEDNN_ROOT", str(tmp_path))
    assert build_core.onednn() == (tmp_path / "include", tmp_path / "lib64" / library.name)
    build_core.check_machine()


@pytest.mark.parametrize(("system", "machine"), [("linux", "aarch64"), ("darwin", "x86_64"), ("win32", "AMD64")])
def test_other_platforms_are_refused(system: str, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_core.sys, "platform", system)
    monkeypatch.setattr(build_core.platform, "machine", lambda: machine)
    with pytest.raises(SystemExit, match=f"Linux on x86-64 only for now, and this is {system} on {machine}"):
        build_core.check_platform()


def test_import_from_another_folder_finds_our_onednn(tmp_path: Path) -> None:
    """Another libdnnl.so.3 on the library path, an empty file in this test, is not loaded."""
    (tmp_path / "libdnnl.so.3").write_bytes(b"")
    program = "from deberta_c import _core; print(_core.onednn_version()); print(open('/proc/self/maps').read())"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    version, maps = ran.stdout.split("\n", 1)
    assert version.startswith("3.")
    loaded = {line.split()[-1] for line in maps.splitlines() if "libdnnl" in line}
    assert loaded == {str(Path(str(_core.__file__)).resolve().parent / "_lib" / "libdnnl.so.3")}


@pytest.mark.parametrize("matmul", ["own", "onednn"])
def test_onednn_is_loaded_when_it_multiplies(matmul: str) -> None:
    program = "import deberta_c; print('libdnnl' in open('/proc/self/maps').read())"
    environment = {**os.environ, "DEBERTA_C_MATMUL": matmul}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(matmul == "onednn")


def test_a_package_without_onednn(tmp_path: Path) -> None:
    package = Path(str(_core.__file__)).parent
    shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("_lib", "assets", "__pycache__"))
    command = [sys.executable, "-c", "import deberta_c; print(deberta_c.__file__); deberta_c.show_config()"]
    environment = {**os.environ, "DEBERTA_C_MATMUL": "own", "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert str(tmp_path) in ran.stdout
    assert "linear layers by own kernels" in ran.stdout
    assert "oneDNN cannot be loaded: libdnnl.so.3" in ran.stderr
    environment["DEBERTA_C_MATMUL"] = "onednn"
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert re.fullmatch(
        r"RuntimeError: oneDNN cannot be loaded: libdnnl\.so\.3: .*; install deberta_c again",
        ran.stderr.splitlines()[-1],
    )
