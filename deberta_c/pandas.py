"""The accessor `deberta` of pandas: `import deberta_c.pandas` adds it to every Series and DataFrame.

>>> import pandas as pd, deberta_c, deberta_c.pandas
>>> df = pd.DataFrame({"text": ["See you at home", "WIN a prize! Call now"]})
>>> df["text"].deberta.classify(deberta_c.default_model()).tolist()
['ham', 'spam']
"""

from typing import Any

try:
    from pandas.api.extensions import register_dataframe_accessor, register_series_accessor
except ImportError as error:
    raise ImportError(f"deberta_c.pandas needs pandas ({error}); run: pip install pandas") from error

from deberta_c._columns.frames import names_of_labels
from deberta_c._pipelines.handle import as_classifier

__all__ = ["FrameAccessor", "SeriesAccessor"]


@register_series_accessor("deberta")
class SeriesAccessor:
    """`series.deberta`, for a Series of texts.

    `model` is a classifier, its pipeline, a `Handle`, or a directory or name, which is opened once in a process.
    Options are those of `predict_frame`, `na="skip"` for example. Results have the index of the Series.
    """

    def __init__(self, series: Any) -> None:
        self._series = series

    def classify(self, model: Any, **options: Any) -> Any:
        """The labels, a categorical Series; of a model with one label, the scores."""
        found = as_classifier(model).predict_frame(self._series, **options)
        return found.iloc[:, 0]

    def predict_proba(self, model: Any, **options: Any) -> Any:
        """The probability of each label, a DataFrame with a column for each; of a model with one label, its score."""
        found = as_classifier(model).predict_frame(self._series, proba=True, **options)
        return found[names_of_labels(found.columns, options.get("prefix", ""))]


@register_dataframe_accessor("deberta")
class FrameAccessor:
    """`df.deberta`, for a DataFrame with a column of texts; see `SeriesAccessor` for what `model` may be."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def classify(self, model: Any, text: str = "text", text_pair: str | None = None, **options: Any) -> Any:
        """The DataFrame with the columns `label` and `score`; see `predict_frame` of a model."""
        return as_classifier(model).predict_frame(self._frame, text, text_pair, **options)
