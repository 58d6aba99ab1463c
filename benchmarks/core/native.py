# SPDX-License-Identifier: Apache-2.0
"""Programs in C that measure the current csrc; they are compiled when they start, and answer line by line."""

import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import common
from benchmarks.common import ROOT


def build(name: str, folder: Path) -> Path:
    """Compiles benchmarks/core/NAME.c with the sources of csrc that need no Python and no text."""
    from tools import build_core

    include, library = build_core.onednn()
    flags = [*build_core.C_FLAGS, "-D_GNU_SOURCE", "-Icsrc", f"-I{include}"]
    core = [path for part in ("base", "kernels", "kernels/isa", "nn") for path in (ROOT / "csrc" / part).glob("*.c")]
    core += [ROOT / "csrc" / f"{part}.c" for part in ("model/machine", "model/positions", "train/adamw")]

    def compiled(source: Path) -> str:
        target = str(folder / f"{source.parent.name}_{source.stem}.o")
        isa = build_core.ISA_FLAGS[source.stem] if source.parent.name == "isa" else []
        subprocess.run([*build_core.compiler(), *flags, *isa, "-c", str(source), "-o", target], check=True, cwd=ROOT)
        return target

    with ThreadPoolExecutor() as pool:
        objects = list(pool.map(compiled, [*core, ROOT / "benchmarks" / "core" / f"{name}.c"]))
    link = [*objects, "-fopenmp", "-lm", "-ldl", f"-Wl,--disable-new-dtags,-rpath,{library.parent}"]
    subprocess.run([*build_core.compiler(), *link, "-o", str(folder / name)], check=True)
    return folder / name


class Program:
    """A process of benchmarks/core/NAME.c: a line of numbers in, a line of numbers out."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> "Program":
        self.folder = tempfile.TemporaryDirectory()
        path = build(self.name, Path(self.folder.name))
        self.worker = common.Worker(f"benchmarks/core/{self.name}.c", [str(path)])
        self.isa, self.onednn = self.worker.receive().split()
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.close()
        self.folder.cleanup()

    def ask(self, *numbers: int) -> list[float]:
        return [float(word) for word in self.worker.ask(" ".join(map(str, numbers))).split()]

    def machine(self) -> dict[str, str]:
        return common.machine(self.isa, onednn=self.onednn)
