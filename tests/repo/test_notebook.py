"""The notebooks run from top to bottom and are stored with the outputs of such a run."""

import re
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def stored(request):
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(request.param, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def packages_of(notebook):
    """The packages of models that the notebook opens."""
    code = "".join(cell.source for cell in code_of(notebook))
    return re.findall(r'resources\.files\("(\w+)"\)', code)


def kinds(cell):
    """The type of each output of a cell, and its formats."""
    return [(output.output_type, sorted(output.get("data", {}))) for output in cell.outputs]


def test_it_runs_and_its_outputs_are_stored(stored, tmp_path):
    for needed in ("nbclient", "ipykernel", "pandas", "matplotlib", *packages_of(stored)):
        pytest.importorskip(needed)
    from tools.run_notebooks import execute

    again = deepcopy(stored)
    execute(again, str(tmp_path))
    if find_spec("transformers") and find_spec("torch"):
        assert "is not installed" not in str([cell.outputs for cell in code_of(again)])
    assert [kinds(cell) for cell in code_of(stored)] == [kinds(cell) for cell in code_of(again)], (
        "run tools/run_notebooks.py"
    )
    assert [cell.execution_count for cell in code_of(stored)] == list(range(1, len(code_of(stored)) + 1))


def test_the_outputs_have_pictures_and_no_warnings(stored):
    outputs = [output for cell in code_of(stored) for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    assert [output for output in outputs if output.output_type == "stream" and output.name == "stderr"] == []


def test_nothing_names_a_machine(stored):
    """Neither paths nor times nor the interpreter; pictures are excluded, because base64 contains slashes."""
    for cell in code_of(stored):
        assert set(cell.metadata) <= {"tags"}
        for output in cell.outputs:
            texts = [str(value) for form, value in output.get("data", {}).items() if form != "image/png"]
            assert [
                text for text in [*texts, output.get("text", "")] if "deberta_c/" in text or "site-packages" in text
            ] == []
    assert set(stored.metadata.get("language_info", {})) <= {"name"}
