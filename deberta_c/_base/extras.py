"""Packages that only some functions need: imported where they are used, with an error that says how to install them."""

from importlib import import_module
from typing import Any

_PROJECTS = {"sklearn": "scikit-learn", "PIL": "pillow"}  # where the project has another name than the module


def require(module: str, purpose: str) -> Any:
    """A module of a package that deberta_c can do without; `purpose` says in the message what needs it.

    Errors: ImportError with the command that installs the package.

    >>> require("json", "evaluate").__name__
    'json'
    >>> require("no_such_package.part", "evaluate")
    Traceback (most recent call last):
        ...
    ImportError: evaluate needs no_such_package: `pip install no_such_package`
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        project = _PROJECTS.get(package, package)
        raise ImportError(f"{purpose} needs {project}: `pip install {project}`") from error
