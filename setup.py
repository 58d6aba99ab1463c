# SPDX-License-Identifier: Apache-2.0
"""Builds deberta_c._core from csrc: one extension, its kernels compiled once per instruction set.

Compiles a few lines first, to name in one line what the build needs and this machine lacks.
Environment: CC, CFLAGS, LDFLAGS as usual; ONEDNN_ROOT names an installed oneDNN >= 3.2 (OpenMP build) to take
instead of the build requirement onednn-devel-cpu-gomp.
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

from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent

ONEDNN_LIBRARY = "libdnnl.so.3"
OPENMP = "-lgomp"  # oneDNN's, whichever the compiler
EXPORTS = "csrc/python/exports.map"
C_FLAGS = ["-std=c11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
C_FLAGS += ["-Wall", "-Wextra", "-Wvla"]
ISA_FLAGS = {
    "scalar": [],
    "avx2": ["-mavx2", "-mfma", "-mf16c"],
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mf16c", "-mprefer-vector-width=512"],
}
DEFINES = [("_GNU_SOURCE", "1")]
NUMPY_DEFINES = [("NPY_TARGET_VERSION", "NPY_1_25_API_VERSION"), ("NPY_NO_DEPRECATED_API", "NPY_1_25_API_VERSION")]


class Missing(SystemExit):
    """Something that the build needs and this machine lacks; its text is one line."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"deberta_c cannot be built: {what}; {remedy}")


def onednn() -> tuple[Path, Path]:
    """The folder of oneDNN's headers, and its shared library."""
    root = os.environ.get("ONEDNN_ROOT")
    if root:
        found = [path for path in Path(root).glob("lib*/**/" + ONEDNN_LIBRARY) if path.is_file()]
        if not found:
            raise Missing(
                f"ONEDNN_ROOT={root} holds no lib/{ONEDNN_LIBRARY}", "name the folder of an installed oneDNN 3"
            )
        return Path(root, "include"), found[0]
    try:
        include = installed_file("onednn-devel-cpu-gomp", "dnnl.h").parent
        return include, installed_file("onednn-cpu-gomp", ONEDNN_LIBRARY)
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError):
        remedy = "run `pip install onednn-devel-cpu-gomp==2023.2.0`, or set ONEDNN_ROOT"
        raise Missing("oneDNN (dnnl.h) is not there", remedy) from None


def installed_file(distribution: str, name: str) -> Path:
    installed = importlib.metadata.distribution(distribution)
    for file in installed.files or []:
        path = Path(str(installed.locate_file(file))).resolve()
        if file.name == name and path.is_file():
            return path
    raise FileNotFoundError(name)


def probes() -> list[tuple[str, list[str], str, str]]:
    """Programs that must compile and link: source, arguments, what is missing if not, and the remedy."""
    include, library = onednn()
    levels = [flag for flags in ISA_FLAGS.values() for flag in flags]
    python = sysconfig.get_paths()["include"]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [
        (
            'int main(void) { return __builtin_cpu_supports("avx512vl"); }',
            levels,
            "the C compiler does not know C11 and AVX-512",
            "install gcc 11 or later and name it with CC=",
        ),
        (
            "#include <Python.h>\nint main(void) { return 0; }",
            ["-I" + python],
            f"the headers of Python {version} (Python.h) are not there",
            f"install python{version}-dev (Debian, Ubuntu: `apt install python3-dev`; Fedora: python3-devel)",
        ),
        (
            "int omp_get_max_threads(void);\nint main(void) { return omp_get_max_threads() < 0; }",
            [OPENMP],
            "the OpenMP runtime (libgomp) is not there",
            "install libgomp1 and gcc (Debian, Ubuntu: `apt install gcc libgomp1`)",
        ),
        (
            "#include <dnnl.h>\n"
            "#if DNNL_VERSION_MAJOR != 3 || DNNL_VERSION_MINOR < 2 || DNNL_CPU_RUNTIME != DNNL_RUNTIME_OMP\n"
            "#error\n#endif\nint main(void) { return dnnl_version()->major != 3; }",
            [OPENMP, "-I" + str(include), str(library)],
            f"{include} holds no usable oneDNN (dnnl.h): version 3.2 or a later 3.x, built for OpenMP, is asked for",
            "run `pip install onednn-devel-cpu-gomp==2023.2.0`, or set ONEDNN_ROOT",
        ),
        (
            "#include <utf8proc.h>\nint main(void) { return utf8proc_version() == 0; }",
            [utf8proc()],
            "utf8proc (utf8proc.h, libutf8proc) is not there",
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
    """The linker's argument: the static library, or the shared one where there is no other."""
    static = "-l:libutf8proc.a"
    return static if compiles("int main(void) { return 0; }", [static]) else "-lutf8proc"


def check_platform() -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        what = f"it runs on Linux on x86-64 only for now, and this is {sys.platform} on {platform.machine()}"
        raise Missing(what, "use such a machine or a container of it")


def check_machine() -> None:
    """Raises Missing with what the build lacks."""
    if not shutil.which(compiler()[0]):
        remedy = "install gcc (Debian, Ubuntu: `apt install gcc`; Fedora: `dnf install gcc`) or name yours with CC="
        raise Missing(f"the C compiler `{compiler()[0]}` is not there", remedy)
    if not compiles('#include <stdio.h>\nint main(void) { return puts(""); }', []):
        remedy = "install its C library (Debian, Ubuntu: `apt install libc6-dev`) and check CC, CFLAGS and LDFLAGS"
        raise Missing(f"the C compiler `{compiler()[0]}` makes no programs", remedy)
    for source, arguments, what, remedy in probes():
        if not compiles(source, arguments):
            raise Missing(what, remedy)


class BuildKernels(build_clib):
    """The static libraries of the instruction sets, after a look at the machine."""

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
        ext.extra_link_args += [str(library), utf8proc()]
        # Ours is the first folder to be searched: RPATH, not RUNPATH, so that LD_LIBRARY_PATH cannot put another oneDNN
        # in its place, and before the folders that Python's own LDFLAGS add.
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


def sources(*folders: str) -> list[str]:
    """Those of the folders and of the folders within; of kernels/isa only if named, as each level has its own flags."""
    found = (path for folder in folders for path in Path("csrc", folder).rglob("*.c"))
    return sorted(str(path) for path in found if "kernels/isa" in folders or path.parent.name != "isa")


def configuration() -> dict[str, object]:
    headers = sorted(str(path) for path in Path("csrc").rglob("*.h"))
    kernel_headers = [header for header in headers if header.startswith(("csrc/base/", "csrc/kernels/"))]
    kernels = {
        level: {
            "sources": [f"csrc/kernels/isa/{level}.c"],
            "obj_deps": {"": ["setup.py", *kernel_headers]},
            "include_dirs": ["csrc"],
            "macros": DEFINES,
            "cflags": C_FLAGS + flags,
        }
        for level, flags in ISA_FLAGS.items()
    }
    core = Extension(
        "deberta_c._core",
        sources("base", "kernels", "nn", "model", "train", "text", "python"),
        depends=["setup.py", EXPORTS, *headers, *sources("kernels/isa")],
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
