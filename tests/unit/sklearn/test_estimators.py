"""The estimators of scikit-learn: what X and y may be, and the tools of scikit-learn around them."""

import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", "1.6")

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import validate_data

import deberta_c
from deberta_c.sklearn import DebertaClassifier, DebertaEmbedder, DebertaRegressor

TEXTS = ["free entry now", "call now free", "see you home", "you at home"] * 6
LABELS = np.array(["spam", "spam", "ham", "ham"] * 6)
QUICK = {"epochs": 1, "learning_rate": 1e-2}

OF_NUMBERS = "X is a column of texts; the check gives numbers"
_CHECKS_OF_NUMBERS = """
    check_fit_score_takes_y check_estimators_overwrite_params check_dont_overwrite_parameters
    check_requires_y_none check_estimators_fit_returns_self check_readonly_memmap_input
    check_n_features_in_after_fitting check_positive_only_tag_during_fit check_estimators_dtypes
    check_sample_weights_pandas_series check_complex_data check_sample_weights_not_an_array
    check_sample_weights_list check_all_zero_sample_weights_error check_dtype_object check_sample_weights_shape
    check_sample_weights_not_overwritten check_sample_weight_equivalence_on_dense_data
    check_estimators_empty_data_messages check_pipeline_consistency check_estimators_nan_inf
    check_estimators_pickle check_estimator_sparse_array check_f_contiguous_array_estimator
    check_classifier_data_not_an_array check_fit1d check_classifiers_one_label
    check_classifiers_one_label_sample_weights check_classifiers_classes check_fit_idempotent
    check_classifiers_train check_classifiers_regression_target check_supervised_y_2d
    check_class_weight_classifiers check_decision_proba_consistency check_methods_sample_order_invariance
    check_methods_subset_invariance check_fit2d_1sample check_fit2d_1feature check_dict_unchanged
    check_fit_check_is_fitted check_n_features_in check_fit2d_predict1d check_transformer_data_not_an_array
    check_transformer_general check_transformer_preserve_dtypes
    check_classifiers_multilabel_representation_invariance
    check_classifiers_multilabel_output_format_predict check_classifiers_multilabel_output_format_predict_proba
    check_classifiers_multilabel_output_format_decision_function
    check_regressors_train check_regressor_data_not_an_array check_regressor_multioutput check_regressors_int
    check_regressors_no_decision_function
"""
NUMBERS = dict.fromkeys(_CHECKS_OF_NUMBERS.split(), OF_NUMBERS)
OF_A_TRAINING = {
    "check_sample_weight_equivalence_on_dense_data": "batches are drawn by rows, so a row twice is not a weight of 2",
}


class OfNumbers:
    """An estimator with numbers written as texts, so that the checks of scikit-learn reach it."""

    def _texts(self, X, *, reset=False):
        X = validate_data(self, X, reset=reset)
        return [" ".join(f"{value:.1f}" for value in row) for row in X.tolist()], None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.string = False
        (tags.classifier_tags or tags.regressor_tags).poor_score = True  # of letters in one epoch
        return tags


class ClassifierOfNumbers(OfNumbers, DebertaClassifier):
    pass


class RegressorOfNumbers(OfNumbers, DebertaRegressor):
    pass


@pytest.fixture(scope="module")
def fitted(tiny):
    return DebertaClassifier(tiny, **QUICK).fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    "kind", ["classifier", "regressor", "embedder", "classifier of numbers", "regressor of numbers"]
)
def test_the_checks_of_scikit_learn(kind, tiny):
    """A list of the checks that fail, and why; what it names and does not fail is an error, too."""
    made = {
        "classifier": lambda: (DebertaClassifier(tiny), NUMBERS),
        "regressor": lambda: (DebertaRegressor(tiny), NUMBERS),
        "embedder": lambda: (DebertaEmbedder(tiny), NUMBERS),
        "classifier of numbers": lambda: (ClassifierOfNumbers(tiny, max_length=16, **QUICK), OF_A_TRAINING),
        "regressor of numbers": lambda: (RegressorOfNumbers(tiny, max_length=16, **QUICK), OF_A_TRAINING),
    }
    estimator, expected = made[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(estimator, expected_failed_checks=expected, on_fail=None, on_skip=None)
    assert [(row["check_name"], row["exception"]) for row in found if row["status"] == "failed"] == []
    assert sum(row["status"] == "passed" for row in found) >= (45 if kind.endswith("numbers") else 10)


def tables():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    return {
        "Series": pandas.Series(TEXTS, index=range(50, 50 + len(TEXTS))),
        "categorical": pandas.Series(TEXTS, dtype="category"),
        "frame": pandas.DataFrame({"text": TEXTS}),
        "array": np.array(TEXTS),
        "object array": np.array(TEXTS, object),
        "column": np.array(TEXTS)[:, None],
        "lists": [[text] for text in TEXTS],
        "polars": polars.DataFrame({"text": TEXTS}),
        "polars Series": polars.Series(TEXTS),
        "Arrow": pyarrow.table({"text": TEXTS}),
    }


@pytest.mark.parametrize("kind", list(tables()))
def test_what_x_may_be(kind, fitted):
    X = tables()[kind]
    found = clone(fitted).fit(X, LABELS)
    assert np.array_equal(found.predict_proba(X), fitted.predict_proba(TEXTS))
    assert hasattr(found, "n_features_in_") == (np.ndim(X) == 2)
    if kind == "frame":
        assert (found.n_features_in_, found.feature_names_in_.tolist()) == (1, ["text"])


def test_a_column_after_a_table(tiny):
    embedder = DebertaEmbedder(tiny).fit([[text] for text in TEXTS])
    assert embedder.n_features_in_ == 1
    assert not hasattr(embedder.fit(TEXTS), "n_features_in_")


def test_pairs(tiny):
    X = list(zip(TEXTS, TEXTS[::-1], strict=True))
    found = DebertaClassifier(tiny, **QUICK).fit(X, LABELS)
    assert np.array_equal(found.predict_proba(np.array(X, object)), found.predict_proba(X))
    with pytest.raises(ValueError, match="expecting 2 features"):
        found.predict([["a"]])
    with pytest.raises(ValueError, match="X has 3 columns; give one column of texts, or two"):
        found.fit([["a", "b", "c"]], ["x"])


@pytest.mark.parametrize(
    "labels", [["spam", "ham"], [True, False], [10, 9], [1.0, 0.0], ["10", "9"], ["other", "ham"]], ids=str
)
def test_labels_come_back_as_they_are(labels, tiny):
    """Also in another order than that of the checkpoint or of their names."""
    y = np.array([labels[0]] * 2 + [labels[1]] * 2, object)[[0, 2, 1, 3] * 6]
    texts = [TEXTS[0] if label == labels[0] else TEXTS[2] for label in y]
    found = DebertaClassifier(tiny, epochs=8, batch_size=8, learning_rate=1e-2).fit(texts, y.tolist())
    assert found.classes_.tolist() == sorted(labels)
    assert found.predict(texts).tolist() == y.tolist()
    assert found.predict_proba(texts)[:, 1].round().tolist() == [label == sorted(labels)[1] for label in y]
    assert ((found.decision_function(texts) > 0) == (y == sorted(labels)[1])).all()
    assert found.score(texts, y.tolist()) == 1


def test_three_classes_keep_the_head_of_a_checkpoint_with_their_names(tiny):
    y = ["ham", "spam", "other"] * 8
    found = DebertaClassifier(tiny, training_arguments={"max_steps": 1}, learning_rate=1e-12).fit(TEXTS, y)
    assert found.classes_.tolist() == ["ham", "other", "spam"]
    before = deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny).predict(TEXTS)[:, [0, 2, 1]]
    assert np.allclose(found.decision_function(TEXTS), before, atol=1e-4)
    assert np.allclose(found.predict_proba(TEXTS).sum(axis=1), 1, atol=1e-12)
    assert np.allclose(np.exp(found.predict_log_proba(TEXTS)), found.predict_proba(TEXTS))


INDICATORS = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0], [0, 0, 1]] * 6)  # "free entry", "call", nothing, "you at"


def indicators(kind):
    pandas = pytest.importorskip("pandas")
    return {
        "array": INDICATORS,
        "bool": INDICATORS.astype(bool),
        "lists": INDICATORS.tolist(),
        "sparse": pytest.importorskip("scipy.sparse").csr_matrix(INDICATORS),
        "frame": pandas.DataFrame(INDICATORS, columns=["spam", "other", "ham"]),  # the labels of the checkpoint
    }[kind]


@pytest.mark.parametrize("kind", ["array", "bool", "lists", "sparse", "frame"])
def test_independent_labels(kind, tiny):
    """An indicator matrix comes back as one, whatever the order of the labels in the checkpoint."""
    y = indicators(kind)
    found = DebertaClassifier(tiny, epochs=14, batch_size=4, learning_rate=1e-2).fit(TEXTS, y)
    assert found.classes_.tolist() == (["spam", "other", "ham"] if kind == "frame" else [0, 1, 2])
    assert np.array_equal(found.predict(TEXTS), INDICATORS)
    assert found.predict(TEXTS).dtype == np.int64
    assert np.allclose(found.predict_proba(TEXTS), 1 / (1 + np.exp(-found.decision_function(TEXTS))), atol=1e-6)
    assert found.score(TEXTS, y) == 1
    if kind == "frame":
        assert found.model_.predict_labels(TEXTS[:1]).tolist() == [["ham", "spam"]]


def test_tools_around_independent_labels(tiny):
    estimator = DebertaClassifier(tiny, **QUICK, class_weight={1: 3.0})
    search = GridSearchCV(estimator, {"learning_rate": [1e-2, 1e-9]}, cv=2, scoring="f1_micro").fit(TEXTS, INDICATORS)
    assert search.predict(TEXTS).shape == search.predict_proba(TEXTS).shape == (24, 3)
    again = pickle.loads(pickle.dumps(search))
    assert np.array_equal(again.predict_proba(TEXTS), search.predict_proba(TEXTS))
    scores = cross_val_score(estimator, TEXTS, INDICATORS, cv=2, scoring="roc_auc_ovr")
    assert len(scores) == 2
    other = clone(estimator).fit(TEXTS, INDICATORS, sample_weight=np.where(INDICATORS[:, 1], 5.0, 0.1))
    assert other.predict_proba(TEXTS)[:, 1].mean() > search.predict_proba(TEXTS)[:, 1].mean()
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(INDICATORS, columns=["spam", "other", "ham"])
    assert DebertaClassifier(model, **QUICK).fit(TEXTS, frame).predict(TEXTS).shape == (24, 3)
    assert model.config.problem_type is None


NUMBERS_OF_TEXTS = np.array([1.5, 2.0, -1.5, -1.0] * 6)


def test_a_regression(tiny):
    regressor = DebertaRegressor(tiny, epochs=20, batch_size=4, learning_rate=1e-2)
    assert not hasattr(regressor, "class_weight")
    found = regressor.fit(TEXTS, NUMBERS_OF_TEXTS)
    assert found.predict(TEXTS).shape == (24,)
    assert found.score(TEXTS, NUMBERS_OF_TEXTS) > 0.9
    again = pickle.loads(pickle.dumps(found))
    assert np.array_equal(again.predict(TEXTS), found.predict(TEXTS))
    assert found.model_.config.problem_type == "regression"
    assert np.allclose(found.model_.predict(TEXTS)[:, 0], found.predict(TEXTS))
    both = np.stack([NUMBERS_OF_TEXTS, -NUMBERS_OF_TEXTS], axis=1)
    assert clone(found).fit(TEXTS, both).score(TEXTS, both) > 0.9


def test_tools_around_a_regression(tiny):
    pandas = pytest.importorskip("pandas")
    df = pandas.DataFrame({"text": TEXTS, "stars": NUMBERS_OF_TEXTS * 1000 + 5000})
    regressor = DebertaRegressor(tiny, epochs=12, batch_size=4, learning_rate=1e-2)
    scaled = TransformedTargetRegressor(regressor, transformer=StandardScaler()).fit(df["text"], df["stars"])
    assert scaled.score(df["text"], df["stars"]) > 0.8
    grid = {"learning_rate": [1e-2, 1e-9], "early_stopping": [True], "metric": ["r2"], "validation_fraction": [0.25]}
    search = GridSearchCV(clone(regressor), grid, cv=2).fit(df["text"], NUMBERS_OF_TEXTS)
    assert search.best_params_["learning_rate"] == 1e-2
    rows = np.where(LABELS == "spam", 1.0, 0.0)
    heavy = clone(regressor).fit(TEXTS, NUMBERS_OF_TEXTS, sample_weight=rows)
    assert heavy.predict(TEXTS).mean() > 1
    for X, y, message in (
        (TEXTS, None, "DebertaRegressor requires y to be passed"),
        (TEXTS, ["a"] * 24, "could not convert string to float"),
        (TEXTS, NUMBERS_OF_TEXTS[:3], "inconsistent numbers of samples"),
    ):
        with pytest.raises(ValueError, match=message):
            clone(regressor).fit(X, y)
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny)
    with pytest.raises(ValueError, match="the opened model has 3 outputs, but y needs 1"):
        DebertaRegressor(model).fit(TEXTS, NUMBERS_OF_TEXTS)


def test_an_opened_model_stays_as_it_is(tiny):
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny)
    before = model.predict(TEXTS)
    found = clone(DebertaClassifier(model, **QUICK)).fit(TEXTS, ["ham", "spam", "other"] * 8)
    assert np.array_equal(model.predict(TEXTS), before)
    assert not np.allclose(found.decision_function(TEXTS), before[:, [0, 2, 1]])
    with pytest.raises(ValueError, match="give its directory, and the head is made for y"):
        clone(found).fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("options", "X", "y", "error", "message"),
    [
        ({}, TEXTS, ["a"] * 24, ValueError, r"y has one class, \['a'\]"),
        ({}, TEXTS, LABELS[:3], ValueError, "inconsistent numbers of samples"),
        ({}, ["a", None], ["a", "b"], ValueError, r"X\[1\] is missing \(None\); drop such rows, or put ''"),
        ({}, TEXTS, [*LABELS[:-1], None], ValueError, r"y\[23\] is missing \(None\); drop such rows"),
        ({}, TEXTS, [float("nan"), *LABELS[1:]], ValueError, r"y\[0\] is missing \(nan\)"),
        ({}, [], [], ValueError, "y has no rows; give rows of at least two classes"),
        ({}, ["a", 3], ["a", "b"], TypeError, r"X\[1\] is 3 of type int"),
        ({}, TEXTS, None, ValueError, "requires y to be passed"),
        ({"na": "skip"}, TEXTS, LABELS, ValueError, "na is 'skip'"),
        ({"class_weight": {"eggs": 2}}, TEXTS, LABELS, ValueError, "class_weight names 'eggs'"),
        ({"training_arguments": {"weight_decays": 1}}, TEXTS, LABELS, TypeError, "did you mean 'weight_decay'"),
    ],
)
def test_errors(options, X, y, error, message, tiny):
    with pytest.raises(error, match=message):
        DebertaClassifier(tiny, **options).fit(X, y)


def test_before_a_fit(tiny):
    for call in (DebertaClassifier(tiny).predict, DebertaEmbedder(tiny).transform):
        with pytest.raises(NotFittedError):
            call(TEXTS)


def test_missing_texts_may_be_empty(tiny):
    found = DebertaClassifier(tiny, na="empty", **QUICK).fit([*TEXTS[1:], None], LABELS)
    assert np.array_equal(found.predict_proba([None]), found.predict_proba([""]))


def test_weights_of_rows_and_classes(tiny, fitted):
    new = clone(fitted).set_params(random_state=42)
    same = new.fit(TEXTS, LABELS, sample_weight=np.ones(24)).predict_proba(TEXTS)
    assert np.array_equal(same, fitted.predict_proba(TEXTS))
    rows = np.where(LABELS == "spam", 1.0, 0.01)
    by_rows = clone(fitted).fit(TEXTS, LABELS, sample_weight=rows).predict_proba(TEXTS)
    by_classes = clone(fitted).set_params(class_weight={"ham": 0.01}).fit(TEXTS, LABELS).predict_proba(TEXTS)
    assert np.allclose(by_rows, by_classes, atol=1e-5)
    assert by_rows[:, 1].mean() > same[:, 1].mean()
    with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
        clone(fitted).fit(TEXTS, LABELS, sample_weight=np.zeros(24))
    balanced = clone(fitted).set_params(class_weight="balanced").fit(TEXTS, LABELS)
    assert np.allclose(balanced.predict_proba(TEXTS), same, atol=1e-5)


def test_early_stopping_is_a_bool(tiny):
    with pytest.raises(TypeError, match="early_stopping is 'no' of type str; give True or False"):
        DebertaClassifier(tiny, early_stopping="no").fit(TEXTS, LABELS)


def test_early_stopping(tiny):
    found = DebertaClassifier(
        tiny,
        epochs=30,
        learning_rate=1e-2,
        early_stopping=True,
        validation_fraction=0.25,
        patience=1,
        metric="accuracy",
    ).fit(TEXTS, LABELS)
    assert found.n_iter_ < 30
    assert "validation_accuracy" in found.result_.history[0]


def test_random_state(fitted):
    assert np.array_equal(clone(fitted).fit(TEXTS, LABELS).predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    drawn = [
        clone(fitted).set_params(random_state=state).fit(TEXTS, LABELS).predict_proba(TEXTS)
        for state in (7, np.random.RandomState(7), None)
    ]
    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_threads(fitted):
    before = deberta_c.get_num_threads()
    assert np.allclose(
        clone(fitted).set_params(n_threads=1).fit(TEXTS, LABELS).predict_proba(TEXTS), fitted.predict_proba(TEXTS)
    )
    assert deberta_c.get_num_threads() == before


def test_a_pickle_needs_no_files(make_model, fitted, tmp_path):
    """A trained pipeline is loaded in a process that has neither the model's directory nor a network."""
    joblib = pytest.importorskip("joblib")
    folder = make_model()
    found = make_pipeline(DebertaClassifier(folder, **QUICK)).fit(TEXTS, LABELS)
    joblib.dump(found, tmp_path / "pipeline.joblib")
    expected = found.predict_proba(TEXTS)
    for path in folder.iterdir():
        path.unlink()
    code = f"import joblib, pickle; p = joblib.load({str(tmp_path / 'pipeline.joblib')!r})\n"
    code += f"p = pickle.loads(pickle.dumps(p)); print(p.predict_proba({TEXTS!r}).tolist())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert np.array_equal(np.array(eval(ran.stdout)), expected)


def test_a_search(tiny):
    grid = {"learning_rate": [1e-2, 1e-9], "batch_size": [8], "epochs": [2], "warmup": [0.1], "weight_decay": [0, 0.1]}
    search = GridSearchCV(DebertaClassifier(tiny), grid, cv=2).fit(TEXTS, LABELS)
    assert search.best_params_["learning_rate"] == 1e-2
    assert search.predict(TEXTS[:1]).tolist() == ["spam"]


def test_processes(fitted):
    pandas = pytest.importorskip("pandas")
    serial = cross_val_score(fitted, pandas.Series(TEXTS), LABELS, cv=2)
    assert np.array_equal(cross_val_score(fitted, pandas.Series(TEXTS), LABELS, cv=2, n_jobs=2), serial)


def test_calibration(fitted):
    found = CalibratedClassifierCV(clone(fitted), cv=2).fit(np.array(TEXTS), LABELS)
    assert found.predict_proba(TEXTS).shape == (24, 2)


def test_in_a_pipeline_of_a_frame(tiny):
    pandas = pytest.importorskip("pandas")
    df = pandas.DataFrame({"text": TEXTS, "length": list(map(len, TEXTS))})
    embed = make_column_transformer((DebertaEmbedder(tiny), "text"), ("passthrough", ["length"]))
    found = make_pipeline(embed, LogisticRegression(max_iter=1000)).fit(df, LABELS)
    assert found.score(df, LABELS) == 1
    select = FunctionTransformer(lambda frame: frame["text"])
    assert make_pipeline(select, DebertaClassifier(tiny, **QUICK)).fit(df, LABELS).predict(df).shape == (24,)
    embed.set_output(transform="pandas")
    names = embed.fit_transform(df).columns
    assert list(names[:2]) == ["debertaembedder__debertaembedder0", "debertaembedder__debertaembedder1"]


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_vectors(pooling, tiny):
    """As those of the pipeline for features, whatever the order of the texts and however often each is given."""
    encoder = DebertaEmbedder(tiny).fit(TEXTS).model_
    found = DebertaEmbedder(encoder, pooling=pooling, max_length=4).fit(TEXTS).transform(TEXTS[::-1])
    extract = deberta_c.pipeline("feature-extraction", encoder, pooling=pooling, return_tensors="np")
    how = {"truncation": True, "max_length": 4}
    assert np.allclose(found, np.stack(extract(TEXTS[::-1], tokenize_kwargs=how)), atol=1e-6)
    assert found.dtype == np.float32
    with pytest.raises(ValueError, match="X has 2 columns; give one column of texts"):
        DebertaEmbedder(tiny).fit([["a", "b"]])


def test_a_picture_of_the_estimator(tiny):
    assert "DebertaClassifier" in DebertaClassifier(tiny)._repr_html_()
    assert "epochs=1" in repr(DebertaClassifier(epochs=1))


def test_without_scikit_learn():
    code = "import sys; sys.modules['sklearn'] = None\ntry: import deberta_c.sklearn\n"
    code += "except ImportError as error: print(error)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'deberta_c[sklearn]'" in ran.stdout


def test_a_label_that_no_row_of_a_fold_has(tiny):
    """As OneVsRestClassifier does, it warns, where scikit-learn was called, and goes on."""
    y = np.zeros((24, 3), np.int64)
    y[:, 0] = INDICATORS[:, 0]
    y[:12, 1] = 1
    estimator = DebertaClassifier(tiny, **QUICK, class_weight="balanced")
    with pytest.warns(UserWarning, match="no row to train on has the label '2'") as caught:
        scores = cross_val_score(estimator, TEXTS, y, cv=KFold(2), scoring="f1_micro", error_score="raise")
    assert len(scores) == 2
    assert {warning.filename for warning in caught} == {__file__}


def test_a_search_warns_once_for_all_folds(tiny):
    """At the line that called it, and again when it is called again; a warning that is an error is one in each fold."""
    search = GridSearchCV(DebertaClassifier(tiny, epochs=1, learning_rate=1e-12), {"batch_size": [4, 8]}, cv=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            search.fit(TEXTS, LABELS)
    shown = [found for found in caught if "the model gives all rows that it learnt from one label" in str(found)]
    assert {found.filename for found in shown} == {__file__}
    assert [str(found.message) for found in shown] == [str(shown[0].message)] * 2
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        with pytest.raises(ValueError, match="All the 2 fits failed"):
            cross_val_score(search.estimator, TEXTS, LABELS, cv=2)


def with_labels(kind, labels):
    """A table with the columns text, other and label, as X and y may be."""
    rows = {"text": TEXTS, "other": TEXTS[::-1], "label": labels}
    return pytest.importorskip("polars" if kind == "polars" else "pandas").DataFrame(rows)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
@pytest.mark.parametrize("labels", [LABELS, [label == "spam" for label in LABELS], [1, 0, 2] * 8])
def test_labels_that_are_left_in_x(tiny, kind, labels):
    """They would be read as texts, and the classifier would learn to copy them."""
    frame = with_labels(kind, list(map(str, labels)))
    estimator = DebertaClassifier(tiny, **QUICK)
    for columns, rest in ((["text", "label"], "['text']"), (["label", "text"], "['text']")):
        message = f"the column 'label' of X has the values of y, row by row; give X without it, such as X[{rest}]"
        for y in (labels, np.array(labels), frame["label"], frame[["label"]]):
            with pytest.raises(ValueError, match=re.escape(message)):
                estimator.fit(frame[columns], y)
    with pytest.raises(ValueError, match=r"of y, row by row; give X without it$"):
        estimator.fit(frame[["label"]], labels)
    with pytest.raises(ValueError, match=r"^column 1 of X has the values of y, row by row"):
        estimator.fit(np.array(frame[["text", "label"]]), labels)


def test_pairs_that_are_no_labels(tiny):
    """One row that differs is enough, and a regression has the same check."""
    frame = with_labels("pandas", LABELS)
    frame.loc[3, "label"] += "!"
    DebertaClassifier(tiny, **QUICK).fit(frame[["text", "label"]], LABELS)
    DebertaClassifier(tiny, **QUICK).fit(frame[["text", "other"]], LABELS)
    numbers = [float(row) for row in range(len(TEXTS))]
    with pytest.raises(ValueError, match="the column 'stars' of X has the values of y"):
        DebertaRegressor(tiny, **QUICK).fit(frame[["text"]].assign(stars=list(map(str, numbers))), numbers)
