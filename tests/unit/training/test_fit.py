"""`fit` and `tune` from columns: what they refuse, what they return, and their pictures."""

from contextlib import suppress
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

import deberta_c
from deberta_c.training.fit import _learning_rate
from deberta_c.training.result import FitResult
from deberta_c.training.tune import TuneResult, tune

TEXTS = ["win a prize now", "free entry, call now", "see you at home", "are you at dinner"] * 5
LABELS = ["spam", "spam", "ham", "ham"] * 5
SHORT = {"progress": False, "learning_rate": 1e-3, "max_length": 8}


def new_model(**keys):
    return deberta_c.AutoModelForSequenceClassification.from_pretrained(
        deberta_c.default_model(), ignore_mismatched_sizes=True, **keys
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": 0}, ValueError, r"^epochs is 0; it must be above 0"),
        ({"batch_size": 0}, ValueError, r"^batch_size is 0; it must be an integer of at least 1"),
        ({"warmup": -1}, ValueError, r"^warmup is -1; it must be"),
        ({"patience": 0}, ValueError, r"patience is 0; it must be an integer of at least 1 \(epochs\), or None"),
        (
            {"validation": [TEXTS, LABELS]},
            TypeError,
            r"validation is a list; give a share such as 0.1, a table",
        ),
        ({"validation": 1.5}, ValueError, r"validation is 1.5; it must be a share between 0 and 1"),
        ({"learning_rates": 1e-3}, TypeError, r"^fit has no argument 'learning_rates'; did you mean 'learning_rate'"),
        ({"validaton": 0.2}, TypeError, r"^fit has no argument 'validaton'; did you mean 'validation'"),
        (
            {"class_weights": "balanced"},
            TypeError,
            r"^fit has no argument 'class_weights'; did you mean 'class_weight'",
        ),
        ({"num_epochs": 3}, TypeError, r"^fit has no argument 'num_epochs'; did you mean 'epochs'"),
        ({"bs": 3}, TypeError, r"^fit has no argument 'bs'; did you mean 'batch_size'"),
        ({"text_column": "a"}, TypeError, r"^fit has no argument 'text_column'; did you mean 'text'"),
        ({"qqq": 3}, TypeError, r"^fit has no argument 'qqq'; see help"),
        ({"class_weight": [1.0, float("nan")]}, ValueError, r"is nan; it must be a finite number"),
        (
            {"class_weight": 3},
            ValueError,
            r"class_weight is 3, of the shape \(\); it must be 'balanced', or a weight for",
        ),
        ({"output_dir": 3}, TypeError, r"output_dir is 3 of type int; give the path of a directory"),
        ({"patience": True}, ValueError, r"patience is True; it must be an integer of at least 1"),
        ({"text_pair": 2}, ValueError, r"text_pair is 2, which names a column, but the texts are a column without a"),
        ({"class_weight": {"ham": -1}}, ValueError, r"is -1.0; it must be a finite number of at least 0"),
    ],
)
def test_wrong_arguments_leave_the_model_as_it_is(options, error, message):
    model = new_model()
    names, before = dict(model.config.id2label), model.predict(TEXTS[:4])
    with pytest.raises(error, match=message):
        model.fit(TEXTS, LABELS, **{**SHORT, **options})
    assert model.config.id2label == names
    assert np.array_equal(model.predict(TEXTS[:4]), before)


def test_a_part_of_an_epoch_has_a_row_of_its_own():
    result = new_model().fit(TEXTS, LABELS, epochs=2.5, batch_size=4, patience=None, **SHORT)
    assert [row["epoch"] for row in result.history] == [1, 2, 3]
    assert not result.stopped_early


def test_steps_instead_of_epochs():
    result = new_model().fit(TEXTS, LABELS, max_steps=3, validation=None, **SHORT)
    assert not result.stopped_early
    assert result.best_epoch == 2  # 2 steps an epoch
    assert "validation_loss" not in result.history[0]


def test_without_logs_there_is_no_history():
    result = new_model().fit(TEXTS, LABELS, epochs=1, validation=None, logging_strategy="no", **SHORT)
    assert (list(result.history), result.best) == ([], {"epoch": 1})
    assert "epoch 1" in repr(result)


def test_tune_keeps_the_model_of_the_best_trial(monkeypatch):
    """Also after a trial whose loss is not finite."""
    models = []

    class Model:
        def fit(self, texts, labels, pairs, *, learning_rate, **options):
            assert (texts, labels, pairs) == (["a"], ["b"], None)
            models.append(self)
            if learning_rate > 1:
                raise FloatingPointError("the loss is nan")
            row = {"epoch": 2, "loss": 0.1, "validation_loss": learning_rate}
            return FitResult([row], 2, ["b"], 1.0, False)

    result = tune(Model, iter(["a"]), iter(["b"]), space={"learning_rate": [9.0, 0.5, 0.25], "seed": [1, 2]})
    assert [row["learning_rate"] for row in result.rows] == [0.25, 0.25, 0.5, 0.5, 9.0, 9.0]
    assert result.best == {"learning_rate": 0.25, "seed": 1, "best_epoch": 2, "validation_loss": 0.25}
    assert result.model is models[4]
    assert result.searched == ["learning_rate", "seed"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"space": {"learning_rate": 1e-3}}, TypeError, r"space\['learning_rate'\] is 0.001; give a list"),
        ({"space": {"lr_scheduler_type": "linear"}}, TypeError, r"give a list of the values to try: \['linear'\]"),
        ({"space": {"epochs": [1]}, "validation": None}, ValueError, r"tune compares on a validation set"),
        ({"space": {}}, ValueError, r"give values to try"),
        ({"space": {"epochs": [1], "metric": ["loss", "f1"]}}, ValueError, "space has 'metric', which is the same for"),
        ({"space": {"text": ["title", "body"]}}, ValueError, "space has 'text', which is the same for all trials"),
        ({"space": {"epochs": [1, 2]}, "trials": 0}, ValueError, r"trials is 0"),
    ],
)
def test_wrong_searches(options, error, message):
    with pytest.raises(error, match=message):
        tune(new_model, TEXTS, LABELS, **options)


def test_a_label_of_the_validation_set_that_no_row_to_train_on_has():
    with pytest.raises(ValueError, match=r"validation labels\[1\] is 'new', a label that no row to train on has"):
        new_model().fit(TEXTS, LABELS, validation=(TEXTS[:2], ["ham", "new"]), **SHORT)


def test_tune_needs_a_function_that_opens_a_model():
    for given in (new_model(), "CHECKPOINT"):
        name = type(given).__name__
        with pytest.raises(TypeError, match=f"open_model is of type {name}; give a function that opens a model"):
            tune(given, TEXTS, LABELS, space={"epochs": [1]})


def test_tune_shows_hyperparameters_as_they_are_written():
    rows = [{"learning_rate": 1e-5, "epochs": 2.0, "best_epoch": 2, "validation_f1": 1.0}]
    shown = TuneResult(rows, "validation_f1", [], None)
    assert repr(shown).splitlines()[1].split() == ["1e-05", "2", "2", "1.0000"]
    assert ">2<" in shown._repr_html_()


def test_pictures():
    """PNG for a notebook, a panel for the loss and one for the metrics, whatever values were searched."""
    pytest.importorskip("matplotlib")
    scored = {"loss": 0.5, "validation_loss": 0.4, "validation_accuracy": 0.8, "validation_f1": 0.7}
    result = FitResult([{"epoch": 1, **scored}, {"epoch": 2, **scored}], 2, ["a", "b"], 1.0, False)
    picture = result.plot()
    assert picture._repr_png_().startswith(b"\x89PNG")
    loss, metrics = picture.axes
    assert loss.get_title(loc="left") == "Loss"  # the look of the pictures of an evaluation
    assert not loss.spines["top"].get_visible()
    assert [line.get_label() for line in loss.lines] == ["training", "validation", "epoch 2 is kept"]
    assert [line.get_label() for line in metrics.lines] == ["accuracy", "f1", "epoch 2 is kept"]
    assert len(FitResult([{"epoch": 1, "loss": 0.5}], 1, ["a", "b"], 1.0, False).plot().axes) == 1
    rows = [{"max_length": length, "optim": name, "validation_f1": 0.5} for length, name in ((None, "a"), (9, "b"))]
    panels = TuneResult(rows, "validation_f1", ["max_length", "optim"], None).plot().axes
    assert [[tick.get_text() for tick in panel.get_xticklabels()] for panel in panels] == [["9", "None"], ["a", "b"]]


def test_learning_rates_by_width():
    """Those of the authors of DeBERTa, from 2e-5 to 5e-5 except for large models."""
    rates = []
    for width in (384, 767, 768, 1023, 1024, 1536):
        model = SimpleNamespace(config=SimpleNamespace(hidden_size=width))
        rates.append(_learning_rate(model))
    assert rates == [5e-5, 5e-5, 2e-5, 2e-5, 1e-5, 1e-5]


def tables(columns):
    """The kinds of tables of which `fit` and `evaluate` take the columns by their names."""
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    found = {
        "dict": dict(columns),
        "dicts": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
        "pandas": pandas.DataFrame(columns),
        "Arrow": pyarrow.table(columns),
        "Arrow stream": pyarrow.table(columns).to_reader(),
    }
    for name, kind in (("polars", "DataFrame"), ("datasets", "Dataset")):
        with suppress(ImportError):
            found[name] = getattr(import_module(name), kind)
    if "polars" in found:
        found["polars"] = found["polars"](columns)
    if "datasets" in found:
        found["datasets"] = found["datasets"].from_dict(columns)
    return found


@pytest.mark.filterwarnings("ignore:the model gives all")
def test_a_table_with_the_names_of_its_columns():
    """For the rows to train on and for those to validate with; the same weights as of columns."""
    columns = {"message": TEXTS, "kind": LABELS, "more": TEXTS[::-1]}
    names = {"text": "message", "label": "kind"}
    expected = new_model()
    history = expected.fit(TEXTS, LABELS, epochs=1, validation=(TEXTS, LABELS), **SHORT).history
    held_out = tables(columns)
    for kind, table in tables(columns).items():
        model = new_model()
        result = model.fit(table, epochs=1, validation=held_out[kind], **names, **SHORT)
        assert result.history == history, kind
        assert np.array_equal(model.predict(TEXTS[:2]), expected.predict(TEXTS[:2])), kind
    pairs = new_model()
    pairs.fit(columns, epochs=1, text_pair="more", validation=columns, **names, **SHORT)
    expected.fit(TEXTS, LABELS, TEXTS[::-1], epochs=1, validation=(TEXTS, TEXTS[::-1], LABELS), **SHORT)
    assert pairs.labels() == ["ham", "spam"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            ({"texts": TEXTS, "label": LABELS},),
            {},
            r"no column 'text', it has .*; did you mean 'texts'",
        ),
        (({"text": TEXTS, "y": LABELS},), {}, r"no column 'label', it has \['text', 'y'\]; give label= the name"),
        (({"text": TEXTS, "label": LABELS},), {"text_pair": "b"}, r"no column 'b'.*; give text_pair="),
        (({"text": TEXTS, "label": ["a", None, *LABELS[2:]]},), {}, r"column 'label'\[1\] is missing"),
        ((TEXTS,), {}, "labels is missing; give a label for each text, or a table"),
        ((TEXTS, LABELS), {"text_pair": "b"}, "text_pair is 'b', which names a column, but the texts are"),
        ((TEXTS, LABELS, TEXTS), {"text_pair": "b"}, "text_pairs and text_pair are both given"),
        ((TEXTS, LABELS), {"validation": np.float32(2)}, r"validation is 2.0; it must be a share between 0 and 1"),
        ((TEXTS, LABELS), {"validation": {"text": ["a"]}}, "the validation table has no column 'label'"),
        ((TEXTS, LABELS), {"validation": {"text": ["a"], "label": ["x"]}}, r"validation column 'label'\[0\] is 'x', a"),
    ],
)
def test_wrong_tables(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        new_model().fit(*arguments, **SHORT, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"text_pair": 2},
            ValueError,
            r"the table has no column 2, it has \['text', 'label'\]; give text_pair= the name",
        ),
        ({"text_pairs": 2}, ValueError, "the table has no column 2, .*; give text_pairs= the name of one"),
        ({"text": TEXTS}, TypeError, "text is a list; give the name of a column of the table"),
        ({"label": np.array(LABELS)}, TypeError, "label is a ndarray; give the name of a column of the table"),
        ({"labels": 2}, TypeError, "labels is 2 of type int; give a column of labels"),
        ({"labels": b"label"}, TypeError, "labels is one bytes, not a column of labels"),
    ],
)
def test_what_is_neither_a_column_nor_its_name(options, error, message):
    with pytest.raises(error, match=message):
        new_model().fit({"text": TEXTS, "label": LABELS}, **{**SHORT, **options})


def test_columns_with_numbers_as_names():
    table = {0: TEXTS, 1: LABELS, 2: TEXTS}
    found = new_model().fit(table, text=0, label=1, text_pair=2, **SHORT, epochs=1)
    assert found.labels == ["ham", "spam"]
    assert deberta_c.evaluate(new_model(), table, text=0, label=1, text_pair=2, resamples=0).pairs == TEXTS


def test_a_name_where_a_column_should_be():
    table = {"message": TEXTS, "kind": LABELS, "weight": [1.0] * len(TEXTS)}
    with pytest.raises(TypeError, match="labels is 'kind', not a column of labels; give label='kind'"):
        new_model().fit(table, "kind", text="message", **SHORT)
    with pytest.raises(TypeError, match="sample_weight is 'weight'; give a column of numbers"):
        new_model().fit(table, text="message", label="kind", sample_weight="weight", **SHORT)


def test_tune_reads_weights_once():
    weights = iter([1.0] * len(TEXTS))
    result = deberta_c.tune(new_model, TEXTS, LABELS, space={"seed": [1, 2]}, epochs=1, sample_weight=weights, **SHORT)
    assert len(result.rows) == 2


def test_tune_reads_a_table_once():
    """A stream of Arrow and an iterator serve all trials; f1_macro, as `evaluate` calls it, is f1."""
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"message": TEXTS, "kind": LABELS})
    names = {"text": "message", "label": "kind", "validation": (iter(TEXTS), iter(LABELS))}
    options = {"space": {"seed": [1, 2]}, "epochs": 1, "metric": "f1_macro", **SHORT}
    result = deberta_c.tune(new_model, table.to_reader(), **names, **options)
    assert result.metric == "validation_f1"
    assert [row["best_epoch"] for row in result.rows] == [1, 1]
    frame = result.to_frame()
    assert list(frame.columns[:2]) == ["seed", "best_epoch"]
    assert len(frame) == 2


def test_the_history_as_a_frame():
    pytest.importorskip("pandas")
    result = FitResult([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}], 2, ["a", "b"], 1.0, False)
    assert result.to_frame()["loss"].tolist() == [0.5, 0.25]


def test_the_name_that_evaluate_gives_a_metric():
    result = new_model().fit(TEXTS, LABELS, epochs=1, metric="f1_macro", **SHORT)
    assert "validation_f1" in result.best


def test_checkpoints_that_stay_have_the_tokenizer(tmp_path):
    model = new_model()
    model.fit(TEXTS, LABELS, **{**SHORT, "epochs": 1, "output_dir": tmp_path})
    (checkpoint,) = tmp_path.glob("checkpoint-*")
    opened = deberta_c.AutoModelForSequenceClassification.from_pretrained(checkpoint)
    assert np.array_equal(opened.predict(TEXTS), model.predict(TEXTS))
