"""Tables in, tables of the same library out; the accessors of pandas and polars."""

import numpy as np
import pytest

import deberta_c
from deberta_c._columns.frames import Labels, columns_of_scores, with_columns

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")

TEXTS = ["free entry now", None, "see you home", "free entry now"]
KINDS = {
    "pandas": lambda: pandas.DataFrame({"n": range(4), "text": TEXTS}, index=list("dbca")),
    "pandas of objects": lambda: pandas.DataFrame({"n": range(4), "text": pandas.Series(TEXTS, dtype=object)}),
    "pandas categorical": lambda: pandas.DataFrame({"n": range(4), "text": pandas.Categorical(TEXTS)}),
    "pandas of Arrow": lambda: pandas.DataFrame(
        {"n": range(4), "text": pandas.Series(TEXTS, dtype=pandas.ArrowDtype(pyarrow.string()))}
    ),
    "polars": lambda: polars.DataFrame({"n": range(4), "text": TEXTS}),
    "polars categorical": lambda: polars.DataFrame(
        {"n": range(4), "text": polars.Series(TEXTS, dtype=polars.Categorical)}
    ),
    "Arrow": lambda: pyarrow.table({"n": range(4), "text": TEXTS}),
    "Arrow batch": lambda: pyarrow.record_batch({"n": pyarrow.array(range(4)), "text": pyarrow.array(TEXTS)}),
    "Arrow dictionary": lambda: pyarrow.table({"n": range(4), "text": pyarrow.array(TEXTS).dictionary_encode()}),
}


def listed(frame, name):
    column = frame.column(name) if isinstance(frame, (pyarrow.Table, pyarrow.RecordBatch)) else frame[name]
    values = column.to_pylist() if hasattr(column, "to_pylist") else column.to_list()
    return [None if value != value else value for value in values]


def expected(model):
    """Labels and probabilities of TEXTS, None for the missing one."""
    proba = model.predict_proba(TEXTS, na="skip")
    labels = [None if np.isnan(row[0]) else model.labels()[row.argmax()] for row in proba]
    return labels, [[None if value != value else value for value in column] for column in proba.T.tolist()]


@pytest.mark.parametrize("kind", list(KINDS))
def test_tables(kind, model):
    frame = KINDS[kind]()
    before = list(frame.schema.names if kind.startswith("Arrow") else frame.columns)
    classifier = deberta_c.pipeline("text-classification", model)
    labels, proba = expected(model)
    for predictor in (model, classifier):
        found = predictor.predict_frame(frame, proba=True, na="skip")
        assert type(found) is type(frame)
        names = list(found.schema.names if kind.startswith("Arrow") else found.columns)
        assert names == [*before, "label", "score", *model.labels()]
        assert listed(found, "label") == labels
        for name, values in zip(model.labels(), proba, strict=True):
            assert listed(found, name) == pytest.approx(values)
        best = [None if value is None else max(column[row] for column in proba) for row, value in enumerate(proba[0])]
        assert listed(found, "score") == pytest.approx(best)
    if kind.startswith("pandas"):
        assert found.index.tolist() == frame.index.tolist()
        assert found["label"].cat.categories.tolist() == model.labels()
    elif kind.startswith("polars"):
        assert found["label"].dtype == polars.Enum(model.labels())
        assert found["score"].null_count() == 1
    else:
        assert pyarrow.types.is_dictionary(found.schema.field("label").type)
        assert found.column("score").null_count == 1
    assert list(frame.schema.names if kind.startswith("Arrow") else frame.columns) == before


def test_a_stream_is_read_batch_by_batch(model):
    read = []

    def batches():
        for place in range(3):
            read.append(place)
            yield pyarrow.RecordBatch.from_pylist([{"n": place, "text": TEXTS[place]}], schema=schema)

    schema = pyarrow.schema({"n": pyarrow.int64(), "text": pyarrow.string()}, metadata={"from": "a test"})
    reader = pyarrow.RecordBatchReader.from_batches(schema, batches())
    found = model.predict_frame(reader, proba=True, na="skip")
    assert isinstance(found, pyarrow.RecordBatchReader)
    assert found.schema.metadata == {b"from": b"a test"}
    assert (found.schema.names, read) == (["n", "text", "label", "score", *model.labels()], [])
    first = found.read_next_batch()
    assert (first.column("n").to_pylist(), read) == ([0], [0])
    rest = found.read_all()
    labels, proba = expected(model)
    assert rest.column("label").to_pylist() == labels[1:3]
    assert rest.column("ham").to_pylist() == pytest.approx(proba[0][1:3])
    classifier = deberta_c.pipeline("text-classification", model, na="skip")
    again = classifier.predict_frame(pyarrow.RecordBatchReader.from_batches(schema, batches()))
    assert again.read_all().column("label").to_pylist() == labels[:3]
    with pytest.raises(ValueError, match="the table has no column 'texts'"):
        model.predict_frame(pyarrow.RecordBatchReader.from_batches(schema, []), text="texts")


def test_two_columns_of_one_name(model):
    twice = pyarrow.table([pyarrow.array(TEXTS), pyarrow.array(TEXTS)], names=["text", "text"])
    for frame in (twice, twice.to_batches()[0], twice.to_pandas()):
        with pytest.raises(ValueError, match="the table has 2 columns 'text'; drop or rename all but one"):
            model.predict_frame(frame)


class Stranger:
    """A table of a library that deberta_c does not know."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def test_a_table_of_another_library(model):
    found = model.predict_frame(Stranger(KINDS["Arrow"]()), na="empty")
    assert isinstance(found, pyarrow.Table)
    assert found.column_names == ["n", "text", "label", "score"]


def test_duckdb(model):
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.register("texts", KINDS["Arrow"]())
    found = model.predict_frame(connection.sql("SELECT n, text FROM texts WHERE text IS NOT NULL ORDER BY n"))
    assert listed(found, "label") == [label for label in expected(model)[0] if label is not None]
    connection.create_function(
        "classify", lambda texts: model.predict_frame(texts)["label"], ["VARCHAR"], "VARCHAR", type="arrow"
    )
    answers = connection.sql("SELECT classify(text) FROM texts ORDER BY n").fetchall()
    assert [answer for (answer,) in answers] == expected(model)[0]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pandas.Series(TEXTS, index=list("dbca")), pandas.DataFrame),
        (polars.Series(TEXTS), polars.DataFrame),
        (pyarrow.array(TEXTS), pyarrow.Table),
        (pyarrow.chunked_array([TEXTS[:2], TEXTS[2:]]), pyarrow.Table),
    ],
    ids=["pandas", "polars", "Arrow", "Arrow in chunks"],
)
def test_columns(column, kind, model):
    """A column gives the new columns alone."""
    found = model.predict_frame(column, na="skip")
    assert type(found) is kind
    assert listed(found, "label") == expected(model)[0]
    if kind is pandas.DataFrame:
        assert found.index.tolist() == list("dbca")


@pytest.mark.parametrize("kind", ["pandas", "polars", "Arrow"])
def test_pairs_from_two_columns(kind, model):
    columns = {"a": ["free entry", "see you"], "b": ["now", "home"]}
    made = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "Arrow": pyarrow.table}[kind](columns)
    proba = model.predict_proba(columns["a"], columns["b"])
    for predictor in (model, deberta_c.pipeline("text-classification", model)):
        found = predictor.predict_frame(made, "a", "b", proba=True)
        assert listed(found, "spam") == pytest.approx(proba[:, 1].tolist())


def test_each_distinct_text_is_computed_once(model, monkeypatch):
    from deberta_c._models import predict

    rows, before = [], predict.run_batches

    def counted(core, given, *options):
        rows.append(len(given.offsets) - 1)
        return before(core, given, *options)

    monkeypatch.setattr(predict, "run_batches", counted)
    model.predict_frame(pandas.DataFrame({"text": ["hello", "world"] * 500}))
    assert rows == [2]


def test_independent_labels_and_numbers(make_model):
    frame = KINDS["pandas"]()
    open_it = deberta_c.AutoModelForSequenceClassification.from_pretrained
    several = open_it(make_model(problem_type="multi_label_classification"))
    for kind in ("pandas", "Arrow", "polars"):
        found = several.predict_frame(KINDS[kind](), na="skip")
        rows = [None if row is None else list(row) for row in found["label"].to_pylist()] if kind == "Arrow" else None
        rows = rows or [row if isinstance(row, list) else None for row in found["label"].to_list()]
        assert rows == [None if row is None else row for row in several.predict_labels(TEXTS, na="skip").tolist()]
    for texts in ([], [None]):
        without = several.predict_frame(polars.DataFrame({"text": texts}, {"text": polars.String}), na="skip")
        assert without.schema["label"] == found.schema["label"]
    for name in ("none", "softmax"):  # 0.5 is no limit of these scores
        with pytest.raises(ValueError, match=f"function_to_apply is '{name}'.*leave it out"):
            deberta_c.pipeline("text-classification", several, function_to_apply=name).predict_frame(frame, na="skip")
    same = open_it(make_model(id2label={"0": "a", "1": "a", "2": "b"}))  # two labels of one name
    for kind in ("pandas", "polars"):
        found = same.predict_frame(KINDS[kind](), na="skip")["label"]
        assert [None if label != label else label for label in found.to_list()] == same.predict_labels(
            TEXTS, na="skip"
        ).tolist()
    with pytest.raises(TypeError, match="prefix is 3; it must be a str"):
        several.predict_frame(frame, na="skip", prefix=3)
    one = open_it(make_model(id2label={"0": "x"}))
    assert list(one.predict_frame(frame, proba=True, na="skip").columns) == ["n", "text", "score"]
    numbers = open_it(make_model(problem_type="regression"))
    assert list(numbers.predict_frame(frame, na="skip").columns) == ["n", "text", "ham", "spam", "other"]


@pytest.mark.parametrize(
    ("frame", "options", "error", "message"),
    [
        ({"text": ["a"], "label": ["x"]}, {}, ValueError, r"has a column 'label' already; give a prefix"),
        ({"body": ["a"]}, {}, ValueError, r"no column 'text', it has \['body'\]; give text= the name"),
        ({"text": ["a"]}, {"text_pair": "b"}, ValueError, r"no column 'b'.*give text_pair="),
        ({"text": ["a", None]}, {}, ValueError, r"frame\['text'\]\[1\] is missing"),
        (
            {"text": ["a"]},
            {"probs": True},
            TypeError,
            "^predict_frame has no option 'probs'; did you mean 'proba'. It .*, text_pair, ",
        ),
        (
            {"text": ["a"]},
            {"column": "text"},
            TypeError,
            "^predict_frame has no option 'column'; it takes frame, text, ",
        ),
        ("a.csv", {}, TypeError, r"^frame is of type str; .*; to read the file, use pandas.read_csv\(...\)"),
        (["a"], {}, TypeError, r"frame is of type list; give a table of pandas, polars or pyarrow"),
        (polars.LazyFrame({"text": ["a"]}), {}, TypeError, r"LazyFrame.*call .collect\(\) first"),
        (pandas.Series(["a"]), {"text_pair": "b"}, ValueError, r"frame is one column"),
    ],
)
def test_errors(frame, options, error, message, model):
    frame = pandas.DataFrame(frame) if isinstance(frame, dict) else frame
    for predictor in (model, deberta_c.pipeline("text-classification", model)):
        with pytest.raises(error, match=message):
            predictor.predict_frame(frame, **options)
    assert model.predict_frame(pandas.DataFrame({"text": [], "label": []}), prefix="p_").shape == (0, 4)


def test_a_label_called_like_a_column():
    scores = np.ones((1, 2), np.float32)
    with pytest.raises(ValueError, match="two columns would be called 'score'"):
        columns_of_scores(scores, ["score", "b"], problem="softmax", proba=True, prefix="")
    frame = with_columns(polars.DataFrame({"a": [1, 2]}), {"b": Labels(np.array([-1, 0], np.int32), ["x"])})
    assert frame["b"].to_list() == [None, "x"]


def test_windows_of_a_pipeline(model):
    long = pandas.DataFrame({"text": ["free entry " * 40, "home"]})
    classifier = deberta_c.pipeline("text-classification", model, windows=True, max_length=16, pooling="max")
    found = classifier.predict_frame(long)
    assert [dict(row) for _, row in found[["label", "score"]].iterrows()] == [
        {"label": answer["label"], "score": pytest.approx(answer["score"])} for answer in classifier(long["text"])
    ]
    with pytest.raises(TypeError, match="give proba=True"):
        classifier.predict_frame(long, top_k=2)


def test_the_accessor_of_pandas(model, tiny):
    import deberta_c.pandas

    frame = KINDS["pandas"]()
    for given in (model, deberta_c.pipeline("text-classification", model), deberta_c.Handle(tiny), str(tiny), tiny):
        labels = frame["text"].deberta.classify(given, na="skip")
        assert [None if label != label else label for label in labels] == expected(model)[0]
        assert labels.index.tolist() == frame.index.tolist()
        assert labels.dtype == "category"
        assert frame.deberta.classify(given, na="skip")["label"].equals(labels)
    proba = frame["text"].deberta.predict_proba(model, na="empty")
    assert list(proba.columns) == model.labels()
    named = frame["text"].deberta.predict_proba(model, na="empty", prefix="p_")
    assert list(named.columns) == [f"p_{name}" for name in model.labels()]
    with pytest.raises(TypeError, match="model is of type int"):
        frame["text"].deberta.classify(3)


def test_the_namespace_of_polars(model, tiny):
    import deberta_c.polars  # noqa: F401

    frame = KINDS["polars"]()
    assert frame["text"].deberta.classify(tiny, na="skip").to_list() == expected(model)[0]
    assert frame.deberta.classify(model, na="skip").columns == ["n", "text", "label", "score"]
    proba = frame["text"].deberta.predict_proba(model, na="skip", prefix="p_")
    assert proba.columns == [f"p_{name}" for name in model.labels()]
    assert [proba[name].to_list() for name in proba.columns] == expected(model)[1]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_probabilities_of_a_model_with_one_label(library, make_model):
    import deberta_c.pandas
    import deberta_c.polars

    one = deberta_c.AutoModelForSequenceClassification.from_pretrained(make_model(id2label={"0": "x"}))
    series = {"pandas": pandas, "polars": polars}[library].Series(TEXTS)
    found = series.deberta.predict_proba(one, na="empty")
    assert list(found.columns) == ["score"]
    assert found["score"].to_list() == pytest.approx(one.predict_proba(TEXTS, na="empty")[:, 0].tolist())


def test_a_lazy_frame(model):
    """It is scored when it is collected; what follows may take any columns and rows of it."""
    import deberta_c.polars  # noqa: F401

    lazy = KINDS["polars"]().lazy()
    found = lazy.deberta.classify(model, na="skip", proba=True)
    labels, proba = expected(model)
    for engine in ("in-memory", "streaming"):
        collected = found.collect(engine=engine)
        assert collected.columns == ["n", "text", "label", "score", *model.labels()]
        assert (collected["n"].to_list(), collected["label"].to_list()) == ([0, 1, 2, 3], labels)
        assert collected["ham"].to_list() == proba[0]
        assert found.select("label").collect(engine=engine)["label"].to_list() == labels
        assert found.select("n").collect(engine=engine)["n"].to_list() == [0, 1, 2, 3]
        some = found.filter(polars.col("n") > 1, polars.col("score") > 0).select("spam").collect(engine=engine)
        assert some["spam"].to_list() == proba[1][2:]
    for wrong, message in (({"text": "texts"}, "the table has no column 'texts'"), ({"na": "drop"}, "na is 'drop'")):
        with pytest.raises(ValueError, match=message):
            lazy.deberta.classify(model, **wrong)


def test_a_lazy_frame_of_independent_labels(make_model):
    pytest.importorskip("deberta_c.polars")
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(
        make_model(problem_type="multi_label_classification")
    )
    lazy = KINDS["polars"]().lazy().deberta.classify(model, na="skip")
    for engine in ("in-memory", "streaming"):
        assert lazy.collect(engine=engine)["label"].to_list() == model.predict_labels(TEXTS, na="skip").tolist()


def test_a_dict_of_columns(model):
    columns = {"n": range(4), "text": TEXTS}
    labels, proba = expected(model)
    for predictor in (model, deberta_c.pipeline("text-classification", model)):
        found = predictor.predict_frame(columns, proba=True, na="skip")
        assert list(found) == ["n", "text", "label", "score", *model.labels()]
        assert (found["n"], found["text"], found["label"]) == (columns["n"], TEXTS, labels)
        assert found["ham"].dtype == np.float32
        assert [None if value != value else value for value in found["ham"].tolist()] == proba[0]
    assert list(columns) == ["n", "text"]
    with pytest.raises(ValueError, match=r"no column 'texts', it has .*; did you mean 'text'"):
        model.predict_frame(columns, "texts")


def test_a_list_of_dicts(model):
    rows = [{"n": number, "text": text} for number, text in enumerate(TEXTS)]
    del rows[1]["text"]
    rows[2]["more"] = "only this row has it"
    before = [dict(row) for row in rows]
    labels, proba = expected(model)
    for predictor in (model, deberta_c.pipeline("text-classification", model)):
        found = predictor.predict_frame(rows, proba=True, na="skip")
        assert [list(row) for row in found] == [[*row, "label", "score", *model.labels()] for row in rows]
        assert [row["label"] for row in found] == labels
        assert [None if row["ham"] != row["ham"] else row["ham"] for row in found] == proba[0]
        assert {type(row["score"]) for row in found} == {float}
    assert rows == before
    assert model.predict_frame([]) == []
    with pytest.raises(ValueError, match=r"frame\['text'\]\[1\] is missing \(None\)"):
        model.predict_frame(rows)
    with pytest.raises(ValueError, match="has a column 'label' already"):
        model.predict_frame([{"text": "a"}, {"text": "b", "label": 1}])
    with pytest.raises(TypeError, match="row 1 of the table is 'b' of type str; give a dict"):
        model.predict_frame([{"text": "a"}, "b"])
