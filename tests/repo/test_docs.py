"""The examples in the docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import deberta_c

NAMES = sorted(
    module.name
    for module in pkgutil.walk_packages(deberta_c.__path__, "deberta_c.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", ["deberta_c", *NAMES])
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_public_names_are_documented():
    for name in deberta_c.__all__:
        if name.startswith("__"):
            continue
        value = getattr(deberta_c, name)
        assert value.__doc__, name
        for member, attribute in vars(value).items() if isinstance(value, type) else ():
            if not member.startswith("_") and callable(attribute):
                assert attribute.__doc__, f"{name}.{member}"


def test_public_names_have_examples():
    finder = doctest.DocTestFinder()
    public = [getattr(deberta_c, name) for name in deberta_c.__all__ if not name.startswith(("__", "Auto"))]
    without = [value.__name__ for value in public if not any(test.examples for test in finder.find(value))]
    assert without == []


def test_type_checkers_read_all_examples():
    from tools import write_examples

    code = write_examples.examples()
    documents = [path for path in write_examples.ROOT.glob("docs/*.md") if "```python" in path.read_text("utf-8")]
    notebooks = list(write_examples.ROOT.glob("notebooks/*.ipynb"))
    assert len(code) == 1 + len(documents) + len(notebooks)
    for name, text in code.items():
        compile(text, name, "exec")
        assert "deberta_c" in text
