"""A pipeline by name: it pickles in bytes, and each process opens it once, when it is used."""

import os
import pickle
from pathlib import Path
from threading import RLock
from typing import Any

from deberta_c._base.errors import describe
from deberta_c._pipelines.base import Pipeline
from deberta_c._pipelines.factory import pipeline

_lock = RLock()
_opened: dict[bytes, Pipeline[Any]] = {}  # by the pickle of what each was opened from


def _new_lock() -> None:
    global _lock
    _lock = RLock()


os.register_at_fork(after_in_child=_new_lock)  # who held the old one is not in the child


class Handle:
    """A pipeline that is opened when it is first used, and once in each process, whatever copies of the handle arrive.

    `model` is a directory or a name of the Hugging Face hub; `task` and the options are those of `pipeline`. A handle
    holds only these: it pickles in some hundred bytes, and reading the pickle opens nothing. Give it to the processes
    of Spark, Dask, Ray, joblib or multiprocessing instead of a model. Handles with the same arguments are equal and
    share one pipeline; several threads may use it. Its attributes and methods, `predict_frame` for example, are those
    of the pipeline.

    The pipeline stays open until `close` or the end of the process. Files that change meanwhile are not read again.

    Errors: TypeError for a model that is not a str or a path, or an option that does not pickle; when it is used,
    those of `pipeline`.

    >>> import deberta_c, pickle
    >>> handle = deberta_c.Handle(deberta_c.default_model())
    >>> copy = pickle.loads(pickle.dumps(handle))
    >>> copy == handle, copy.open() is handle.open(), copy("See you at home")[0]["label"]
    (True, True, 'ham')
    """

    def __init__(self, model: str | Path, task: str | None = None, **options: Any) -> None:
        if not isinstance(model, (str, Path)):
            raise TypeError(
                f"model is {describe(model)}; give a directory or a name of the hub. An opened model pickles as it is"
            )
        path = Path(model).expanduser()
        self._arguments = (str(path.resolve()) if path.is_dir() else str(model), task, dict(sorted(options.items())))
        try:
            self._key = pickle.dumps(self._arguments, protocol=4)
        except Exception as error:
            raise TypeError(
                f"an option of the handle does not pickle ({error}); give str, numbers and lists"
            ) from error

    def open(self) -> Pipeline[Any]:
        """The pipeline of this process, which is opened if it is not open yet."""
        found = _opened.get(self._key)
        if found is None:
            model, task, options = self._arguments
            with _lock:
                found = _opened.get(self._key)
                if found is None:
                    found = _opened[self._key] = pipeline(task, model, **options)
        return found

    def close(self) -> None:
        """Forgets the pipeline of this process; it is opened again when it is used."""
        with _lock:
            _opened.pop(self._key, None)

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """What the pipeline returns for `inputs`."""
        return self.open()(inputs, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"Handle has no attribute {name!r}")
        return getattr(self.open(), name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _handle_of, self._arguments

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        model, task, options = self._arguments
        more = [] if task is None else [repr(task)]
        more += [f"{name}={describe(value)}" for name, value in options.items()]
        return f"Handle({', '.join([repr(model), *more])})"


def _handle_of(model: str, task: str | None, options: dict[str, Any]) -> Handle:
    return Handle(model, task, **options)


def as_classifier(model: Any) -> Any:
    """What has `predict_frame`: a model, a pipeline or a handle as it is, a directory or name by its handle."""
    if isinstance(model, (str, Path)):
        return Handle(model)
    if not hasattr(model, "predict_frame"):
        raise TypeError(
            f"model is of type {type(model).__name__}; give a classifier, its pipeline, a handle, or a directory"
        )
    return model
