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

    def __init__(self, names, seed=0):
        self.classes_, self.seed = np.array(names), seed

    def predict_proba(self, texts):
        scores = np.random.default_rng(self.seed).uniform(size=(len(texts), len(self.classes_)))
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


def test_dollars_are_no_formulas(tmp_path):
    days = ["$a_1$ and $x"] * 30 + [r"$\b$"] * 30
    result = evaluated([r"$\frac{$", "$5 to $10"], by={"$day$": days})
    result.report(tmp_path / "page.html")
    deberta_c.compare(
        Guess([r"$\b$", "b"]), Guess([r"$\b$", "b"], 1), ["a", "b"], ["b", "b"], by={"$\\x$": [1, 2]}
    ).report(tmp_path / "two.html")


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


def compared(names, seeds=(0, 1), **options):
    rows = 60
    labels = [names[row % len(names)] for row in range(rows)]
    texts = ["<b>word</b> " * (1 + row % 30) for row in range(rows)]
    models = [Guess(names, seed) for seed in seeds]
    return deberta_c.compare(*models, texts, labels, resamples=10, **options)


@pytest.mark.parametrize("plot", ["differences", "agreement", "slices"])
def test_no_label_of_a_comparison_is_cut(plot):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = compared(["ham", "spam"], by={"a column with a long name": list(range(60))})
    figure = getattr(found, f"plot_{plot}")()
    FigureCanvasAgg(figure)
    assert figure.axes[0].get_title(loc="left")
    assert fits(figure)
    own = Figure()
    assert getattr(found, f"plot_{plot}")(ax=own.subplots()) is own


def test_the_report_of_a_comparison(tmp_path):
    found = compared(["a", "<i>", "c"], by={"day": list(range(60))})
    found.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 7
    assert '<p class="verdict' in page
    assert "McNemar" in page
    for title in ("Labels", "Slices", "Right only with the first model", "Right only with the second model"):
        assert f"<h2>{title}" in page
    assert "<b>word" not in page
    assert "<i>" not in page
    assert "<script" not in page


def test_the_report_of_two_regressions(make_model, tmp_path):
    folders = [make_model(id2label={"0": "value"}, problem_type="regression", seed=seed) for seed in (1, 2)]
    found = deberta_c.compare(*folders, ["hello", "world", "see you"], [0.1, 0.5, -0.2], resamples=10)
    found.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert "RMSE differs by" in page
    assert "<h2>Closer to the right number with the" in page
    with pytest.raises(ValueError, match="plot_agreement is for labels"):
        found.plot_agreement()


def mistaken(model, texts, **options):
    """An evaluation in which all texts are wrong."""
    labels = [next(name for name in model.labels() if name != label) for label in model.predict_labels(texts)]
    return deberta_c.evaluate(model, texts, labels, resamples=0, **options)


def test_a_report_colours_the_words_of_the_mistakes(model, tmp_path):
    result = mistaken(model, ["free <b> now", "see you", "hello"])
    result.report(tmp_path / "plain.html")
    result.report(tmp_path / "report.html", explain=True)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "rgba(" not in (tmp_path / "plain.html").read_text(encoding="utf-8")
    assert page.count("rgba(") == 6
    assert "The words of the first 3 speak for the predicted label" in page
    assert "<b>" not in page
    value = deberta_c.explain(model, "see you", steps=16).values[0]
    assert f'title="{value:+.3f}"' in page


def test_words_that_the_model_did_not_read_are_not_coloured(model, tmp_path):
    labels = [next(name for name in model.labels() if name != model.predict_labels(["see you"], max_length=4)[0])]
    result = deberta_c.evaluate(model, ["see you at home"], labels, resamples=0, max_length=4)
    result.report(tmp_path / "report.html", explain=True)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'title="([-+.0-9]+)"', page)[2:] == ["+0.000", "+0.000"]


def test_explaining_stops_when_its_time_is_over(model, tmp_path, monkeypatch):
    monkeypatch.setattr("deberta_c.evaluation.report._SECONDS", -1.0)
    mistaken(model, ["free now", "see you", "hello"]).report(tmp_path / "report.html", explain=True)
    assert "The words of the first text speak" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_explained_pairs_and_independent_labels(make_model, tmp_path):
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(
        make_model(problem_type="multi_label_classification")
    )
    result = deberta_c.evaluate(model, ["see you"], [["ham", "spam", "other"]], text_pair=["free now"], resamples=0)
    result.report(tmp_path / "report.html", explain=True)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "the label before the text" in page
    assert page.count("rgba(") == 4
    assert result.model is model


def test_only_a_classifier_can_be_explained(tmp_path):
    with pytest.raises(ValueError, match="explain needs a classifier of deberta_c"):
        evaluated(["a", "b"]).report(tmp_path / "report.html", explain=True)
    assert not (tmp_path / "report.html").exists()


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


@pytest.mark.parametrize("compares", [False, True])
def test_a_report_needs_a_folder_that_exists(tmp_path, compares, monkeypatch):
    """As the command does; nothing is drawn before."""
    monkeypatch.setattr("deberta_c.evaluation.report.draw", None)
    monkeypatch.setattr("deberta_c.evaluation.report.draw_all", None)
    result = evaluated(["a", "b"])
    if compares:
        result = deberta_c.compare(Guess(["a", "b"]), Guess(["a", "b"], 1), ["x", "y"], ["a", "b"], resamples=0)
    with pytest.raises(FileNotFoundError, match=r"path is '.*no.report.html', but there is no folder '.*no'; create"):
        result.report(tmp_path / "no" / "report.html")
    with pytest.raises(IsADirectoryError, match="which is a directory; give a file in it"):
        result.report(tmp_path)
    with pytest.raises(ValueError, match=r"path is '.*report.pdf', but a report is a page of HTML; .* ends in .html"):
        result.report(tmp_path / "report.pdf")
