# SPDX-License-Identifier: Apache-2.0
"""Programs in C that measure the core as it stands in csrc, compiled here, asked line by line."""

import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

from benchmarks.core.peak import cpu_name

ROOT = Path(__file__).resolve().parents[2]


def build(name: str, folder: Path) -> Path:
    """Compiles benchmarks/core/NAME.c with the sources of csrc that need no Python and no text."""
    from tools import build_core

    include, library = build_core.onednn()
    flags = [*build_core.C_FLAGS, "-D_GNU_SOURCE", "-Icsrc", f"-I{include}"]
    core = [path for part in ("base", "kernels", "kernels/isa", "nn") for path in (ROOT / "csrc" / part).glob("*.c")]
    core += [ROOT / "csrc" / "model" / f"{part}.c" for part in ("machine", "positions")]

    def compiled(source: Path) -> str:
        target = str(folder / f"{source.parent.name}_{source.stem}.o")
        isa = build_core.ISA_FLAGS[source.stem] if source.parent.name == "isa" else []
        subprocess.run([*build_core.compiler(), *flags, *isa, "-c", str(source), "-o", target], check=True, cwd=ROOT)
        return target

    with ThreadPoolExecutor() as pool:
        objects = list(pool.map(compiled, [*core, ROOT / "benchmarks" / "core" / f"{name}.c"]))
    link = [*objects, str(library), "-fopenmp", "-lm", f"-Wl,-rpath,{library.parent}"]
    subprocess.run([*build_core.compiler(), *link, "-o", str(folder / name)], check=True)
    return folder / name


class Program:
    """benchmarks/core/NAME.c at work: a line of numbers in, a line of numbers out."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> "Program":
        self.folder = tempfile.TemporaryDirectory()
        path = build(self.name, Path(self.folder.name))
        self.process = subprocess.Popen([str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.isa, self.onednn = self.answer()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()
        self.folder.cleanup()

    def ask(self, *numbers: int) -> list[float]:
        self.process.stdin.write(" ".join(map(str, numbers)) + "\n")
        self.process.stdin.flush()
        return [float(word) for word in self.answer()]

    def answer(self) -> list[str]:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(
                f"benchmarks/core/{self.name}.c ended with {self.process.wait()}; its message stands above"
            )
        return line.split()

    def machine(self) -> dict[str, str]:
        return {"date": date.today().isoformat(), "cpu": cpu_name(), "isa": self.isa, "onednn": self.onednn}
