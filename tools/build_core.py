# SPDX-License-Identifier: Apache-2.0
"""How the core is compiled: flags, sources, and the locations of oneDNN and utf8proc.

setup.py, the C tests and the benchmarks in C use it. It needs only the standard library.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ONEDNN_LIBRARY = "libdnnl.so.3"
OPENMP = "-lgomp"  # the runtime of oneDNN, with any compiler
C_FLAGS = ["-std=c11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
C_FLAGS += ["-Wall", "-Wextra", "-Wvla"]
_AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mf16c", "-mprefer-vector-width=512"]
ISA_FLAGS = {
    "scalar": [],
    "avx2": ["-mavx2", "-mfma", "-mf16c"],
    "avx512": _AVX512,
    "avx512_vnni": [*_AVX512, "-mavx512vnni"],
    "avx512_bf16": [*_AVX512, "-mavx512bf16"],
    "amx": [*_AVX512, "-mamx-tile", "-mamx-int8", "-mamx-bf16"],
}
DEFINES = [("_GNU_SOURCE", "1")]


class Missing(SystemExit):
    """The build needs something that is not installed; the message is one line."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"deberta_c cannot be built: {what}; {remedy}")


def onednn() -> tuple[Path, Path]:
    """The folder of oneDNN's headers, and its shared library."""
    root = os.environ.get("ONEDNN_ROOT")
    if root:
        found = [path for path in Path(root).glob("lib*/**/" + ONEDNN_LIBRARY) if path.is_file()]
        if not found:
            raise Missing(
                f"ONEDNN_ROOT={root} contains no lib/{ONEDNN_LIBRARY}", "name the folder of an installed oneDNN 3"
            )
        return Path(root, "include"), found[0]
    try:
        include = installed_file("onednn-devel-cpu-gomp", "dnnl.h").parent
        return include, installed_file("onednn-cpu-gomp", ONEDNN_LIBRARY)
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError):
        remedy = "run `pip install onednn-devel-cpu-gomp==2023.2.0`, or set ONEDNN_ROOT"
        raise Missing("oneDNN (dnnl.h) is not installed", remedy) from None


def installed_file(distribution: str, name: str) -> Path:
    installed = importlib.metadata.distribution(distribution)
    for file in installed.files or []:
        path = Path(str(installed.locate_file(file))).resolve()
        if file.name == name and path.is_file():
            return path
    raise FileNotFoundError(name)


def probes() -> list[tuple[str, list[str], str, str]]:
    """Programs that must compile and link: source, arguments, what is missing otherwise, and the remedy."""
    include, library = onednn()
    levels = [flag for flags in ISA_FLAGS.values() for flag in flags]
    python = sysconfig.get_paths()["include"]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [
        (
            'int main(void) { __asm__("tilerelease"); return __builtin_cpu_supports("avx512vl"); }',
            levels,
            "the C compiler does not support C11, AVX-512 and AMX",
            "install gcc 11 or later and name it with CC=",
        ),
        (
            "#include <Python.h>\nint main(void) { return 0; }",
            ["-I" + python],
            f"the headers of Python {version} (Python.h) are not installed",
            f"install python{version}-dev (Debian, Ubuntu: `apt install python3-dev`; Fedora: python3-devel)",
        ),
        (
            "int omp_get_max_threads(void);\nint main(void) { return omp_get_max_threads() < 0; }",
            [OPENMP],
            "the OpenMP runtime (libgomp) is not installed",
            "install libgomp1 and gcc (Debian, Ubuntu: `apt install gcc libgomp1`)",
        ),
        (
            "#include <dnnl.h>\n"
            "#if DNNL_VERSION_MAJOR != 3 || DNNL_VERSION_MINOR < 2 || DNNL_CPU_RUNTIME != DNNL_RUNTIME_OMP\n"
            "#error\n#endif\nint main(void) { return dnnl_version()->major != 3; }",
            [OPENMP, "-I" + str(include), str(library)],
            f"{include} contains no usable oneDNN (dnnl.h): version 3.2 or a later 3.x, built for OpenMP, is required",
            "run `pip install onednn-devel-cpu-gomp==2023.2.0`, or set ONEDNN_ROOT",
        ),
        (
            "#include <utf8proc.h>\nint main(void) { return utf8proc_version() == 0; }",
            [utf8proc()],
            "utf8proc (utf8proc.h, libutf8proc) is not installed",
            "install libutf8proc-dev (Debian, Ubuntu: `apt install libutf8proc-dev`; Fedora: utf8proc-devel)",
        ),
    ]


def compiler() -> list[str]:
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


def compiles(source: str, arguments: list[str]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "probe.c")
        path.write_text(source + "\n")
        flags = [shlex.split(os.environ.get(name, "")) for name in ("CFLAGS", "LDFLAGS")]
        command = [
            *compiler(),
            "-std=c11",
            *flags[0],
            str(path),
            *flags[1],
            *arguments,
            "-o",
            str(path.with_suffix("")),
        ]
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def utf8proc() -> str:
    """The argument of the linker: the static library, or the shared one if there is no static one."""
    static = "-l:libutf8proc.a"
    return static if compiles("int main(void) { return 0; }", [static]) else "-lutf8proc"


def check_platform() -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        what = f"it runs on Linux on x86-64 only for now, and this is {sys.platform} on {platform.machine()}"
        raise Missing(what, "use such a machine or a container of it")


def check_machine() -> None:
    """Raises Missing for the first thing that is not installed."""
    if not shutil.which(compiler()[0]):
        remedy = "install gcc (Debian, Ubuntu: `apt install gcc`; Fedora: `dnf install gcc`) or name yours with CC="
        raise Missing(f"the C compiler `{compiler()[0]}` is not installed", remedy)
    if not compiles('#include <stdio.h>\nint main(void) { return puts(""); }', []):
        remedy = "install its C library (Debian, Ubuntu: `apt install libc6-dev`) and check CC, CFLAGS and LDFLAGS"
        raise Missing(f"the C compiler `{compiler()[0]}` makes no programs", remedy)
    for source, arguments, what, remedy in probes():
        if not compiles(source, arguments):
            raise Missing(what, remedy)


def sources(*folders: str) -> list[str]:
    """The sources of folders and their subfolders; kernels/isa only if named, because each level has its own flags."""
    found = (path for folder in folders for path in Path("csrc", folder).rglob("*.c"))
    return sorted(str(path) for path in found if "kernels/isa" in folders or path.parent.name != "isa")
