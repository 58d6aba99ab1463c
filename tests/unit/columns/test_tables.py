"""Every output format is read back unchanged by deberta_c, csv, pandas and polars."""

import csv
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deberta_c._columns.table_writers import writing
from deberta_c._columns.tables import format_of, read_chunks

CELL = st.text(
    st.one_of(
        st.sampled_from("\r\n\t,;|\"' \ufeff\u2028\x85\x1e\\ab"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=8,
)
NAMES = st.lists(CELL.filter(bool), min_size=2, max_size=4, unique=True)
TABLE = NAMES.flatmap(
    lambda names: st.tuples(
        st.just(names), st.lists(st.lists(CELL, min_size=len(names), max_size=len(names)), max_size=5)
    )
)
QUICK = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path, names, records, delimiter=None):
    form = format_of(path, "csv", delimiter)
    with writing(path, form, path.with_name("in.csv"), {}) as append:
        for begin in range(0, max(len(records), 1), 2):
            append(names, [dict(zip(names, record, strict=True)) for record in records[begin : begin + 2]])


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.json", "t.parquet", "t.csv.gz", "t.jsonl.gz"])
@QUICK
@given(table=TABLE)
def test_our_reader_gets_back_what_was_written(tmp_path, name, table):
    names, records = table
    write(tmp_path / name, names, records)
    chunks = list(read_chunks(tmp_path / name, format_of(tmp_path / name, "csv"), 3))
    assert [list(row.values()) for chunk in chunks for row in chunk.rows] == records
    if records or "json" not in name:
        assert chunks[0].names == names


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t", "a", " "])
@QUICK
@given(table=TABLE)
@example(table=(["x^2", "0"], [["x^", "1"]]))
@example(table=(["x\x01", "0"], []))
def test_csv_for_every_reader(tmp_path, delimiter, table):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    names, records = table
    path = tmp_path / "t.csv"
    write(path, names, records, delimiter)
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file, delimiter=delimiter, strict=True)) == [names, *records]
    frame = pandas.read_csv(path, sep=delimiter, dtype=str, keep_default_na=False, header=None)
    assert frame.to_numpy().tolist() == [names, *records]
    back = polars.read_csv(path, separator=delimiter, infer_schema=False, has_header=False)
    assert [[cell or "" for cell in row] for row in back.rows()] == [names, *records]  # it reads empty cells as null


@QUICK
@given(table=TABLE)
def test_json_lines_for_every_reader(tmp_path, table):
    polars = pytest.importorskip("polars")
    names, records = table
    path = tmp_path / "t.jsonl"
    write(path, names, records)
    assert [list(json.loads(line).values()) for line in path.read_bytes().split(b"\n")[:-1]] == records
    if records:
        back = polars.read_ndjson(path).to_dicts()  # select would read "*" as all columns
        assert [[row[name] for name in names] for row in back] == records


@pytest.mark.parametrize("cells", [["a", ""], ["", ""], ["\r", "\ufeff"]])
def test_a_table_of_one_column(tmp_path, cells):
    write(tmp_path / "t.csv", ["\ufeffname"], [[cell] for cell in cells])
    (chunk,) = read_chunks(tmp_path / "t.csv", format_of(tmp_path / "t.csv", "csv"), 9)
    assert chunk.names == ["\ufeffname"]
    assert [row["\ufeffname"] for row in chunk.rows] == cells


def test_values_that_are_not_texts(tmp_path):
    row = {"list": [1, None, "é"], "object": {"a": 1.5}, "flag": True, "nothing": None, "large": 2**70, "odd": "\ud800"}
    with writing(tmp_path / "t.jsonl", format_of(tmp_path / "t.jsonl", "csv"), tmp_path / "in.jsonl", {}) as append:
        append(list(row), [row])
    assert json.loads((tmp_path / "t.jsonl").read_text()) == row
    with writing(tmp_path / "n.jsonl", format_of(tmp_path / "n.jsonl", "csv"), tmp_path / "in.jsonl", {}) as append:
        append(["a"], [{"a": [1.5, float("nan"), {"b": float("inf")}]}])
    assert (tmp_path / "n.jsonl").read_text() == '{"a": [1.5, null, {"b": null}]}\n'
    del row["odd"]
    with writing(tmp_path / "t.csv", format_of(tmp_path / "t.csv", "csv"), tmp_path / "in.jsonl", {}) as append:
        append(list(row), [row])
    with (tmp_path / "t.csv").open(encoding="utf-8") as file:
        (read,) = csv.DictReader(file)
    assert json.loads(read["list"]) == row["list"]
    assert json.loads(read["object"]) == row["object"]
    assert (read["flag"], read["nothing"], read["large"]) == ("True", "", str(2**70))


def test_parquet_keeps_types_and_metadata(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({"score_id": pa.array([1, None], pa.int8()), "predicted_set": ["a", "b"], "none": pa.nulls(2)})
    parquet.write_table(table.replace_schema_metadata({"k": "v"}), tmp_path / "in.parquet")
    form = format_of(tmp_path / "in.parquet", "csv")
    (chunk,) = read_chunks(tmp_path / "in.parquet", form, 9)
    rows = [{**row, "score": 0.5, "label": None} for row in chunk.rows]
    added = {"score": float, "label": str}
    with writing(tmp_path / "out.parquet", form, tmp_path / "in.parquet", added) as append:
        append([*chunk.names, *added], rows)
    back = parquet.read_table(tmp_path / "out.parquet")
    assert back.select(table.column_names).equals(table)
    assert back.schema.metadata == {b"k": b"v"}
    assert [back.schema.field(name).type for name in added] == [pa.float64(), pa.string()]
    twice = pa.Table.from_arrays([table.column(1), table.column(1)], ["a", "a"])
    parquet.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(ValueError, match="names a column twice: 'a'"):
        next(read_chunks(tmp_path / "twice.parquet", form, 9))


def test_lines_are_those_of_the_file(tmp_path):
    (tmp_path / "t.csv").write_bytes(b'a,b\r\n"x\ny",1\r\n\r\n2,3\r\n')
    (chunk,) = read_chunks(tmp_path / "t.csv", format_of(tmp_path / "t.csv", "csv"), 9)
    assert [chunk.place(row) for row in range(2)] == ["line 2", "line 5"]
    (tmp_path / "t.jsonl").write_bytes(b'\n{"a":\r1}\n\n{"a": 2}')
    (chunk,) = read_chunks(tmp_path / "t.jsonl", format_of(tmp_path / "t.jsonl", "csv"), 9)
    assert [chunk.place(row) for row in range(2)] == ["line 2", "line 4"]
