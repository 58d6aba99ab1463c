# SPDX-License-Identifier: Apache-2.0
"""Runs each notebook and stores its outputs in it, so that a viewer shows the plots.

python -m tools.run_notebooks
"""

import shutil
import tempfile
from pathlib import Path

import nbclient
import nbformat

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def execute(notebook: nbformat.NotebookNode, folder: str) -> None:
    """Runs the notebook in `folder`, beside copies of the tables that are stored with the notebooks."""
    for table in sorted(FOLDER.glob("*.csv")):
        shutil.copy(table, folder)
    nbclient.NotebookClient(
        notebook, timeout=600, record_timing=False, resources={"metadata": {"path": folder}}
    ).execute()


def executed(path: Path, folder: str) -> nbformat.NotebookNode:
    """Runs the notebook in `folder` and returns it with its outputs, without times and names of this machine."""
    notebook = nbformat.read(path, as_version=4)
    metadata = dict(notebook.metadata)
    execute(notebook, folder)
    notebook.metadata = nbformat.from_dict(metadata)  # without the version of the interpreter
    return notebook


if __name__ == "__main__":
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            notebook = executed(path, folder)
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")
