# SPDX-License-Identifier: Apache-2.0
"""Runs each notebook and stores its outputs in it, so that a viewer shows the plots.

python -m tools.run_notebooks
"""

import tempfile
from pathlib import Path

import nbclient
import nbformat

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


def executed(path: Path, folder: str) -> nbformat.NotebookNode:
    """Runs the notebook in `folder` and returns it with its outputs, without times and names of this machine."""
    notebook = nbformat.read(path, as_version=4)
    metadata = dict(notebook.metadata)
    nbclient.NotebookClient(
        notebook, timeout=120, record_timing=False, resources={"metadata": {"path": folder}}
    ).execute()
    notebook.metadata = nbformat.from_dict(metadata)  # without the version of the interpreter
    return notebook


if __name__ == "__main__":
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            notebook = executed(path, folder)
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")
