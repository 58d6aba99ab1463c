# SPDX-License-Identifier: Apache-2.0
"""Builds and runs the C tests, or the fuzz targets over their corpus, under the address and UB sanitizers.

    python scripts/check_c.py check          # tests/c/check_*.c
    python scripts/check_c.py check base     # tests/c/check_base.c
    python scripts/check_c.py fuzz           # tests/fuzz/fuzz_*.c over tests/fuzz/corpus, then mutations
    python scripts/check_c.py fuzz bpe spm   # two of them; DEBERTA_FUZZ_SECONDS=360: for so long each

The core is compiled without NDEBUG and with DEBERTA_TESTING into build/check; an object is compiled again when its
source or any header is newer. Fuzz targets are linked with base and text alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import setup  # noqa: E402

BUILD = ROOT / "build" / "check"
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
FLAGS = ["-std=c11", "-O1", "-g", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", *SANITIZERS]
FLAGS += ["-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE=1", "-DDEBERTA_TESTING", "-Icsrc", "-Itests/c"]
PARTS = {"check": ("base", "kernels", "kernels/isa", "nn", "model", "train", "text"), "fuzz": ("base", "text")}
# oneDNN and libgomp keep what they made once until the process ends.
ENVIRONMENT = {
    "LSAN_OPTIONS": "suppressions=tests/c/lsan.supp:print_suppressions=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def compile_object(source: str, newest_header: float) -> Path:
    target = BUILD / (source.replace("/", "_") + ".o")
    if target.is_file() and target.stat().st_mtime > max(Path(source).stat().st_mtime, newest_header):
        return target
    isa = setup.ISA_FLAGS.get(Path(source).stem, []) if "/isa/" in source else []
    include, _ = setup.onednn()
    subprocess.run([*setup.compiler(), *FLAGS, *isa, f"-I{include}", "-c", source, "-o", str(target)], check=True)
    return target


def build(programs: list[str], parts: tuple[str, ...]) -> list[Path]:
    core = setup.sources(*parts)
    headers = [*Path("csrc").rglob("*.h"), *Path("tests").rglob("*.h")]
    newest = max(path.stat().st_mtime for path in headers)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda source: compile_object(source, newest), core + programs))
    archive = BUILD / f"libcore-{len(parts)}.a"
    archive.unlink(missing_ok=True)
    subprocess.run(["ar", "rcs", str(archive), *map(str, objects[: len(core)])], check=True)
    _, library = setup.onednn()
    utf8proc = setup.utf8proc()
    made = []
    for program, compiled in zip(programs, objects[len(core) :], strict=True):
        made.append(BUILD / Path(program).stem)
        link = [str(compiled), str(archive), str(library), utf8proc, "-lm", f"-Wl,-rpath,{library.parent}"]
        subprocess.run([*setup.compiler(), *FLAGS, *link, "-o", str(made[-1])], check=True)
    return made


def run(program: Path, arguments: list[str]) -> bool:
    print(f"{program.name} ({len(arguments)} files)" if arguments else program.name, flush=True)
    ran = subprocess.run([str(program), *arguments], env={**os.environ, **ENVIRONMENT}, stdin=subprocess.DEVNULL)
    return ran.returncode == 0


def main() -> int:
    os.chdir(ROOT)
    BUILD.mkdir(parents=True, exist_ok=True)
    what, names = sys.argv[1], sys.argv[2:]
    folder, prefix = {"check": ("tests/c", "check_"), "fuzz": ("tests/fuzz", "fuzz_")}[what]
    programs = sorted(map(str, Path(folder).glob(prefix + "*.c")))
    if names:
        programs = [f"{folder}/{prefix}{name}.c" for name in names]
    failed = []
    for program in build(programs, PARTS[what]):
        corpus = sorted(map(str, Path(folder, "corpus", program.name.removeprefix(prefix)).glob("*")))
        if not run(program, corpus):
            failed.append(program.name)
    passed = len(programs) - len(failed)
    print(f"C programs: {passed} passed" + (f", failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed or not programs else 0


if __name__ == "__main__":
    sys.exit(main())
