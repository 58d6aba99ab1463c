"""Plots and the report."""

import re

import numpy as np
import pytest

import deberta_c

pytest.importorskip("sklearn.metrics")
pytest.importorskip("matplotlib")

PLOTS = ("confusion_matrix", "roc", "precision_recall", "reliability", "lengths", "scores", "slices")


class Guess:
    """An estimator with random scores."""

    def __init__(self, names):
        self.classes_ = np.array(names)

    def predict_proba(self, texts):
        scores = np.random.default_rng(0).uniform(size=(len(texts), len(self.classes_)))
        return scores / scores.sum(axis=1, keepdims=True)


def evaluated(names, rows=60, **options):
    labels = [names[row % len(names)] for row in range(rows)]
    texts = ["<b>word</b> " * (1 + row % 30) for row in range(rows)]
    return deberta_c.evaluate(Guess(names), texts, labels, resamples=10, **options)


def fits(figure):
    """Whether everything that is drawn is within the figure."""
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    box, (width, height) = figure.get_tightbbox(renderer), figure.get_size_inches()
    return box.x0 > -0.02 and box.y0 > -0.02 and box.x1 < width + 0.02 and box.y1 < height + 0.02


@pytest.mark.parametrize("names", [["ham", "spam"], [f"a long name of the class number {i}" for i in range(20)]])
@pytest.mark.parametrize("plot", PLOTS)
def test_no_label_is_cut(names, plot):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = getattr(evaluated(names), f"plot_{plot}")()
    FigureCanvasAgg(figure)
    assert figure.axes[0].get_title(loc="left")
    assert fits(figure)


def test_axes_of_the_caller():
    from matplotlib.figure import Figure

    figure = Figure()
    ax = figure.subplots()
    assert evaluated(["a", "b"]).plot_confusion_matrix(ax=ax, normalize=False) is figure
    assert {text.get_text() for text in ax.texts}
    assert figure.axes == [ax]


def test_a_notebook_shows_a_figure():
    assert evaluated(["a", "b"]).plot_roc()._repr_png_().startswith(b"\x89PNG")


def test_the_report_is_one_page_that_needs_nothing_else(tmp_path):
    result = evaluated(["a", "<b>", "c"], by={"day": list(range(60))})
    result.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == len(PLOTS)
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))
    assert "<script" not in page
    assert "<b>word" not in page
    assert "&lt;b&gt;word" in page
    result.report(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_a_report_of_a_regression_and_of_independent_labels(make_model, tmp_path):
    texts = ["hello", "world", "free entry", "see you"]
    numbers = deberta_c.evaluate(
        make_model(id2label={"0": "value"}, problem_type="regression"), texts, [0.5, 1, 2, 3], resamples=5
    )
    numbers.report(tmp_path / "numbers.html")
    assert numbers.plot_values().axes
    with pytest.raises(ValueError, match="plot_roc is for labels, but the model is a regression; use plot_values"):
        numbers.plot_roc()
    several = deberta_c.evaluate(
        make_model(problem_type="multi_label_classification"), texts, [["ham"], [], ["ham", "spam"], []], resamples=5
    )
    several.report(tmp_path / "several.html")
    with pytest.raises(ValueError, match="plot_values is for a regression"):
        several.plot_values()


def test_without_matplotlib(monkeypatch):
    result = evaluated(["a", "b"])
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ImportError, match="plot_roc needs matplotlib: `pip install matplotlib`"):
        result.plot_roc()
