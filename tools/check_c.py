# SPDX-License-Identifier: Apache-2.0
"""Builds and runs the C tests, or the fuzz targets over their corpus, under the address and UB sanitizers.

    python -m tools.check_c check                   # tests/core/check_*.c, a file for each subject
    python -m tools.check_c check linear attention  # tests/core/check_linear.c and check_attention.c
    python -m tools.check_c emulated                # AVX-512 and AMX, computed by AVX2 (tests/emulated)
    python -m tools.check_c fuzz                    # tests/fuzz/fuzz_*.c over tests/fuzz/corpus, then mutations
    python -m tools.check_c fuzz bpe spm            # two of them; DEBERTA_FUZZ_SECONDS=360: seconds for each
    CC=clang python -m tools.check_c check          # with another compiler

The core is compiled without NDEBUG and with DEBERTA_TESTING into build/check; an object is compiled again if its source
or any header is newer. Fuzz targets are linked with base and text alone. After the corpus and its own mutations, `fuzz`
runs each target under libFuzzer of clang, guided by coverage, if both are installed (Debian, Ubuntu: `apt install clang
libclang-rt-14-dev`) and DEBERTA_FUZZ_ROUNDS is not set. Inputs that libFuzzer finds are written to build/fuzz.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools import build_core

ROOT = Path(__file__).resolve().parents[1]

BUILD = ROOT / "build" / "check"
FUZZ_BUILD = ROOT / "build" / "fuzz"
FUZZ_SECONDS = 30  # for each target under libFuzzer
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
FLAGS = ["-std=c11", "-O1", "-g", "-fno-math-errno", "-fno-trapping-math", *SANITIZERS]
FLAGS += ["-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE=1", "-DDEBERTA_TESTING", "-Icsrc", "-Itests/core"]
SLOW = {"check_network", "check_training"}  # begin first
ALONE = {"check_threads"}  # runs after the others, which run one on each CPU: it needs two for itself
CORE = ("base", "kernels", "kernels/isa", "nn", "model", "train", "text")
PARTS = {"check": CORE, "emulated": CORE, "fuzz": ("base", "text")}
EMULATED = Path("tests", "emulated")
EMULATED_FLAGS = [f"-I{EMULATED}", *build_core.ISA_FLAGS["avx2"], "-Wno-psabi"]
EMULATED_CHECKS = ("kernels", "short", "linear", "linear_backward", "attention", "layernorm", "adamw")  # by default
# oneDNN and libgomp keep some memory until the process ends.
ENVIRONMENT = {
    "LSAN_OPTIONS": "suppressions=tests/core/lsan.supp:print_suppressions=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


@dataclass(frozen=True)
class Tools:
    """A compiler, its flags besides those of every build, and the folder of its objects."""

    compiler: tuple[str, ...]
    flags: tuple[str, ...]
    folder: Path
    emulated: bool = False  # instructions beyond AVX2

    def sources(self, parts: tuple[str, ...]) -> list[str]:
        """Of the core; an emulated machine has a base/cpu.c of its own."""
        found = build_core.sources(*parts)
        return [str(EMULATED / "cpu.c") if self.emulated and path == "csrc/base/cpu.c" else path for path in found]

    def isa(self, source: str) -> tuple[str, list[str]]:
        """The beginning of the object's name, and the flags of the instruction set."""
        level = Path(source).stem
        if "/isa/" not in source:
            return "", []
        if self.emulated and level not in ("scalar", "avx2"):
            return "emulated_", EMULATED_FLAGS
        return "", build_core.ISA_FLAGS[level]


def default_tools(emulated: bool = False) -> Tools:
    compiler = tuple(build_core.compiler())
    return Tools(compiler, (), BUILD / Path(compiler[0]).name, emulated)


def fuzz_engine() -> Tools | None:
    """clang, or None if it cannot link with libFuzzer."""
    flags = ("-fsanitize=fuzzer-no-link", "-DFUZZ_ENGINE")
    tools = Tools(("clang",), flags, FUZZ_BUILD)
    if not shutil.which("clang"):
        return None
    target = "int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return !data + !size > 2; }"
    FUZZ_BUILD.mkdir(parents=True, exist_ok=True)
    command = ["clang", *SANITIZERS, "-fsanitize=fuzzer", "-x", "c", "-", "-o", str(FUZZ_BUILD / "probe")]
    linked = subprocess.run(command, input=target, text=True, capture_output=True, check=False)
    return tools if linked.returncode == 0 else None


def compile_object(tools: Tools, source: str, newest_header: float) -> Path:
    prefix, isa = tools.isa(source)
    target = tools.folder / (prefix + source.replace("/", "_") + ".o")
    if target.is_file() and target.stat().st_mtime > max(Path(source).stat().st_mtime, newest_header):
        return target
    include, _ = build_core.onednn()
    flags = [*FLAGS, *tools.flags, *isa, f"-I{include}"]
    command = [*tools.compiler, *flags, "-c", source, "-o", str(target)]
    subprocess.run(command, check=True)
    return target


def build(tools: Tools, programs: list[str], parts: tuple[str, ...], link: tuple[str, ...] = ()) -> list[Path]:
    tools.folder.mkdir(parents=True, exist_ok=True)
    core = tools.sources(parts)
    headers = [*Path("csrc").rglob("*.h"), *Path("tests").rglob("*.h")]
    newest = max(path.stat().st_mtime for path in headers)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda source: compile_object(tools, source, newest), core + programs))
    name = "emulated" if tools.emulated else f"core-{len(parts)}"
    archive = tools.folder / f"lib{name}.a"
    archive.unlink(missing_ok=True)
    subprocess.run(["ar", "rcs", str(archive), *map(str, objects[: len(core)])], check=True)
    _, library = build_core.onednn()
    # oneDNN is linked: LeakSanitizer crashes in the thread-local memory of a library that is loaded later.
    libraries = ["-Wl,--no-as-needed", str(library), f"-Wl,-rpath,{library.parent}"]
    libraries += [build_core.utf8proc(), build_core.OPENMP, "-lm", "-ldl"]
    made = []
    for program, compiled in zip(programs, objects[len(core) :], strict=True):
        made.append(tools.folder / ("emulated" if tools.emulated else "") / Path(program).stem)
        made[-1].parent.mkdir(exist_ok=True)
        command = [*tools.compiler, *FLAGS, *link, str(compiled), str(archive), *libraries, "-o", str(made[-1])]
        subprocess.run(command, check=True)
    return made


def run(program: Path, arguments: list[str]) -> tuple[bool, str]:
    """Whether the program passes, and what it prints."""
    files = sum(Path(argument).is_file() for argument in arguments)
    title = f"{program.name} ({files} files)\n" if files else f"{program.name}\n"
    process = subprocess.run(
        [str(program), *arguments],
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
    )
    return process.returncode == 0, title + process.stdout


def run_all(programs: list[Path], run_one: Callable[[Path], tuple[bool, str]]) -> list[str]:
    """Runs a program on each CPU, prints one output after the other, and returns the names of those that failed."""
    together = sorted((p for p in programs if p.name not in ALONE), key=lambda program: program.name not in SLOW)
    alone = [program for program in programs if program.name in ALONE]
    failed = []
    for group, at_a_time in ((together, len(os.sched_getaffinity(0))), (alone, 1)):
        with ThreadPoolExecutor(at_a_time) as pool:
            for program, (passed, printed) in zip(group, pool.map(run_one, group), strict=True):
                print(printed, end="", flush=True)
                if not passed:
                    failed.append(program.name)
    return failed


def fuzz(program: Path) -> tuple[bool, str]:
    """Runs a target under libFuzzer, which starts from the corpus and stores inputs that reach new code."""
    seconds = os.environ.get("DEBERTA_FUZZ_SECONDS") or str(FUZZ_SECONDS)
    found = FUZZ_BUILD / program.name.replace("fuzz_", "found_")
    found.mkdir(exist_ok=True)
    seeds = Path("tests", "fuzz", "corpus", program.name.removeprefix("fuzz_"))
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={FUZZ_BUILD}/", "-verbosity=0", "-print_final_stats=1"]
    return run(program, [*options, str(found), str(seeds)])


def fuzz_guided(tools: Tools, programs: list[str]) -> list[str]:
    """The names of the targets that failed."""
    targets = build(tools, programs, PARTS["fuzz"], ("-fsanitize=fuzzer",))
    return [f"{name} (libFuzzer)" for name in run_all(targets, fuzz)]


def main() -> int:
    os.chdir(ROOT)
    what, names = sys.argv[1], sys.argv[2:]
    folder, prefix = ("tests/fuzz", "fuzz_") if what == "fuzz" else ("tests/core", "check_")
    programs = sorted(map(str, Path(folder).glob(prefix + "*.c")))
    if what == "emulated" and not names:
        names = list(EMULATED_CHECKS)
    if names:
        programs = [f"{folder}/{prefix}{name}.c" for name in names]

    def run_with_corpus(program: Path) -> tuple[bool, str]:
        return run(program, sorted(map(str, Path(folder, "corpus", program.name.removeprefix(prefix)).glob("*"))))

    failed = run_all(build(default_tools(what == "emulated"), programs, PARTS[what]), run_with_corpus)
    engine = fuzz_engine() if what == "fuzz" and "DEBERTA_FUZZ_ROUNDS" not in os.environ else None
    if engine:
        failed += fuzz_guided(engine, programs)
    passed = len(programs) - len(failed)
    print(f"C programs: {passed} passed" + (f", failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed or not programs else 0


if __name__ == "__main__":
    sys.exit(main())
