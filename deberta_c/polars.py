"""The namespace `deberta` of polars: `import deberta_c.polars` adds it to every Series, DataFrame and LazyFrame.

>>> import polars as pl, deberta_c, deberta_c.polars
>>> df = pl.DataFrame({"text": ["See you at home", "WIN a prize! Call now"]})
>>> df["text"].deberta.classify(deberta_c.default_model()).to_list()
['ham', 'spam']
"""

from functools import partial
from typing import Any

try:
    from polars.api import register_dataframe_namespace, register_lazyframe_namespace, register_series_namespace
except ImportError as error:
    raise ImportError(f"deberta_c.polars needs polars ({error}); run: pip install polars") from error

from deberta_c._columns.frames import names_of_labels
from deberta_c._pipelines.handle import as_classifier

__all__ = ["FrameNamespace", "LazyFrameNamespace", "SeriesNamespace"]


@register_series_namespace("deberta")
class SeriesNamespace:
    """`series.deberta`, for a Series of texts.

    `model` is a classifier, its pipeline, a `Handle`, or a directory or name, which is opened once in a process.
    Options are those of `predict_frame`, `na="skip"` for example.
    """

    def __init__(self, series: Any) -> None:
        self._series = series

    def classify(self, model: Any, **options: Any) -> Any:
        """The labels, a Series of an Enum; of a model with one label, the scores."""
        return as_classifier(model).predict_frame(self._series, **options).to_series(0)

    def predict_proba(self, model: Any, **options: Any) -> Any:
        """The probability of each label, a DataFrame with a column for each; of a model with one label, its score."""
        found = as_classifier(model).predict_frame(self._series, proba=True, **options)
        return found.select(names_of_labels(found.columns, options.get("prefix", "")))


@register_dataframe_namespace("deberta")
class FrameNamespace:
    """`df.deberta`, for a DataFrame with a column of texts; see `SeriesNamespace` for what `model` may be."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def classify(self, model: Any, text: str = "text", text_pair: str | None = None, **options: Any) -> Any:
        """The DataFrame with the columns `label` and `score`; see `predict_frame` of a model."""
        return as_classifier(model).predict_frame(self._frame, text, text_pair, **options)


@register_lazyframe_namespace("deberta")
class LazyFrameNamespace:
    """`frame.deberta`, for a LazyFrame with a column of texts; see `SeriesNamespace` for what `model` may be."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def classify(self, model: Any, text: str = "text", text_pair: str | None = None, **options: Any) -> Any:
        """The LazyFrame with the columns `label` and `score`, which are computed when it is collected.

        Opens the model and checks the options and the names of the columns at once. `collect(engine="streaming")`
        scores part after part.
        """
        score = partial(as_classifier(model).predict_frame, text=text, text_pair=text_pair, **options)
        schema = score(self._frame.clear().collect()).schema
        return self._frame.map_batches(score, schema=schema, projection_pushdown=False, streamable=True)
