"""Rows as tables of text and of HTML."""

from deberta_c._base.tables import html_facts, html_table, text_table


def test_cells():
    assert text_table([{"a": float("nan"), "b": None}, {"a": 0.0}]) == "     a  b\n   nan\n0.0000"
    assert "&lt;b&gt;" in html_table([{"<b>": 1}])
    assert html_facts({"<b>": "<i>"}).count("&lt;") == 2


def test_numbers_stand_to_the_right_and_texts_to_the_left():
    rows = [{"name": "a", "value": 1}, {"name": "longer", "value": 100}]
    assert text_table(rows) == "name    value\na           1\nlonger    100"
    page = html_table([{"text": "a", "value": "-0.5000", "interval": "0.1 to +0.2"}, {"text": "1", "value": "-"}])
    assert page.count("left") == 3
    assert page.count("right") == 6


def test_colours_are_those_of_the_page():
    page = html_table([{"a": "b"}]) + html_facts({"a": "b"})
    assert "color" not in page
    assert "background" not in page
