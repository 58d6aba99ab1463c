# SPDX-License-Identifier: Apache-2.0
"""Builds deberta_c._core from csrc: one extension, its kernels compiled once per instruction set.

Compiles small programs first, to name missing requirements in one line.
Environment: CC, CFLAGS, LDFLAGS as usual; ONEDNN_ROOT is an installed oneDNN >= 3.2 (OpenMP build), which is used
instead of the build requirement onednn-devel-cpu-gomp.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext

from tools.build_core import (
    C_FLAGS,
    DEFINES,
    ISA_FLAGS,
    ONEDNN_LIBRARY,
    OPENMP,
    check_machine,
    check_platform,
    onednn,
    sources,
    utf8proc,
)

HERE = Path(__file__).resolve().parent

EXPORTS = "csrc/python/exports.map"
NUMPY_DEFINES = [("NPY_TARGET_VERSION", "NPY_1_25_API_VERSION"), ("NPY_NO_DEPRECATED_API", "NPY_1_25_API_VERSION")]


class BuildKernels(build_clib):
    """The static libraries of the instruction sets; checks the machine first."""

    def run(self) -> None:
        check_machine()
        super().run()


class BuildCore(build_ext):
    """The extension, with oneDNN's library beside it: $ORIGIN/_lib is where the loader looks."""

    def run(self) -> None:
        self.run_command("build_clib")  # `build_ext --inplace` alone must work too
        super().run()

    def build_extension(self, ext: Extension) -> None:
        import numpy

        include, library = onednn()
        ext.include_dirs += [numpy.get_include(), str(include)]
        ext.extra_link_args += [utf8proc(), "-ldl"]
        # oneDNN is loaded when it is needed. This folder is searched first: RPATH, not RUNPATH, so that LD_LIBRARY_PATH
        # cannot replace oneDNN, and before the folders in the LDFLAGS of Python.
        rpath = "-Wl,--disable-new-dtags,-rpath,$ORIGIN/_lib"
        if rpath not in self.compiler.linker_so:
            self.compiler.linker_so.insert(1, rpath)
        super().build_extension(ext)
        carry(library, self.library_path())

    def copy_extensions_to_source(self) -> None:  # an editable installation
        super().copy_extensions_to_source()
        carry(onednn()[1], HERE / "deberta_c" / "_lib" / ONEDNN_LIBRARY)

    def library_path(self) -> Path:
        return Path(self.get_ext_fullpath("deberta_c._core")).parent / "_lib" / ONEDNN_LIBRARY

    def get_outputs(self) -> list[str]:
        outputs: list[str] = super().get_outputs()
        return [*outputs, str(self.library_path())]


def carry(library: Path, to: Path) -> None:
    """Copies oneDNN without its symbol table; a process that has the old copy loaded keeps it."""
    if to.is_file() and to.stat().st_mtime >= library.stat().st_mtime:
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    fresh = to.with_suffix(".new")
    shutil.copy(library, fresh)
    if shutil.which("strip"):
        subprocess.run(["strip", str(fresh)], check=True)
    fresh.replace(to)


def configuration() -> dict[str, object]:
    headers = sorted(str(path) for path in Path("csrc").rglob("*.h"))
    kernel_headers = [header for header in headers if header.startswith(("csrc/base/", "csrc/kernels/"))]
    kernels = {
        level: {
            "sources": [f"csrc/kernels/isa/{level}.c"],
            "obj_deps": {"": ["setup.py", "tools/build_core.py", *kernel_headers]},
            "include_dirs": ["csrc"],
            "macros": DEFINES,
            "cflags": C_FLAGS + flags,
        }
        for level, flags in ISA_FLAGS.items()
    }
    core = Extension(
        "deberta_c._core",
        sources("base", "kernels", "nn", "model", "train", "text", "python"),
        depends=["setup.py", "tools/build_core.py", EXPORTS, *headers, *sources("kernels/isa")],
        include_dirs=["csrc"],
        define_macros=DEFINES + NUMPY_DEFINES,
        extra_compile_args=C_FLAGS,
        extra_link_args=[OPENMP, f"-Wl,--version-script={EXPORTS}"],
    )
    return {
        "libraries": [("deberta_" + level, build) for level, build in kernels.items()],
        "ext_modules": [core],
        "cmdclass": {"build_clib": BuildKernels, "build_ext": BuildCore},
    }


if __name__ == "__main__":
    check_platform()
    os.chdir(HERE)
    setup(**configuration())
