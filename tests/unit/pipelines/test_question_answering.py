"""`pipeline("question-answering")`: the spans of all windows, span by span, and the ways to call it."""

import warnings

import numpy as np
import pytest

import deberta_c
from deberta_c import pipeline
from deberta_c._pipelines import question_answering
from tests.support.tiny_models import BERT, TINY, write_model
from tests.unit.cli.test_ways import write_wordpiece

QUESTION = "hello you?"
CONTEXT = "see you at home, call the free world now, entry at 5. "
LONG = CONTEXT * 6
START_END = {"0": "start", "1": "end"}


@pytest.fixture(scope="module", params=[TINY, BERT], ids=["v3", "bert"])
def pipe(request, tmp_path_factory):
    folder = write_model(tmp_path_factory.mktemp("answers") / "m", head="spans", base=request.param, id2label=START_END)
    if request.param is BERT:
        write_wordpiece(folder)
    return pipeline("question-answering", folder)


def span_by_span(pipe, question, context, length=64, stride=32, most=15, top_k=1, aligned=True):
    """The answers as transformers 4 finds them."""
    model, tokenizer = pipe.model, pipe.tokenizer
    encoded = tokenizer(
        question, context, truncation="only_second", max_length=length, stride=stride, return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )  # fmt: skip
    answers = {}
    for window, ids in enumerate(encoded["input_ids"]):
        row = {"input_ids": [ids]}
        if "token_type_ids" in tokenizer.model_input_names:
            row["token_type_ids"] = [encoded["token_type_ids"][window]]
        outputs = model(**{name: np.array(value) for name, value in row.items()})
        own = [sequence == 1 for sequence in encoded.sequence_ids(window)]
        allowed = np.array(own) | (np.array(ids) == tokenizer.cls_token_id)
        starts, ends = (
            np.exp(part[0] - part[0][allowed].max()) * allowed for part in (outputs.start_logits, outputs.end_logits)
        )
        starts, ends = starts / starts.sum(), ends / ends.sum()
        spans = [
            (starts[first] * ends[last], first, last)
            for first in range(len(ids))
            for last in range(first, min(first + most, len(ids)))
            if own[first] and own[last]
        ]
        for score, first, last in sorted(spans, reverse=True)[: 2 * top_k + 10 if aligned else top_k]:
            begin, end = encoded["offset_mapping"][window][first][0], encoded["offset_mapping"][window][last][1]
            if aligned:
                words = encoded.word_ids(window)
                begin = encoded.word_to_chars(window, words[first], 1)[0]
                end = encoded.word_to_chars(window, words[last], 1)[1]
            text = context[begin:end]
            found = answers.setdefault(text.lower(), {"score": 0.0, "start": begin, "end": end, "answer": text})
            found["score"] += score
    ranked = sorted(answers.values(), key=lambda answer: -answer["score"])[:top_k]
    ranked = [{**answer, "score": pytest.approx(float(answer["score"]), rel=1e-4)} for answer in ranked]
    return ranked[0] if top_k == 1 else ranked


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("options", [{}, {"top_k": 4}, {"max_answer_len": 2}])
def test_span_by_span(pipe, options, aligned):
    names = {"max_answer_len": "most"}
    reference = {names.get(name, name): value for name, value in options.items()} | {"aligned": aligned}
    for context in (CONTEXT, LONG):
        expected = span_by_span(pipe, QUESTION, context, **reference)
        assert pipe(question=QUESTION, context=context, align_to_words=aligned, **options) == expected
    expected = span_by_span(pipe, QUESTION, LONG, 30, 8, **reference)
    found = pipe(question=QUESTION, context=LONG, max_seq_len=30, doc_stride=8, align_to_words=aligned, **options)
    assert found == expected


def test_ways_to_call_it(pipe):
    one = pipe(question=QUESTION, context=CONTEXT)
    both = [one, pipe(question="now", context=LONG)]
    rows = [{"question": QUESTION, "context": CONTEXT}, {"question": "now", "context": LONG, "id": 7}]
    assert pipe(QUESTION, CONTEXT) == pipe(rows[0]) == pipe(rows[:1]) == one
    assert pipe(rows) == pipe(*rows) == list(pipe(iter(rows))) == list(pipe(iter(rows), batch_size=2)) == both
    assert pipe(question=[QUESTION, "now"], context=[CONTEXT, LONG]) == both
    assert pipe(question=[QUESTION] * 2, context=CONTEXT) == [one, one]
    assert pipe([]) == []
    assert type(one["score"]) is float
    assert CONTEXT[one["start"] : one["end"]] == one["answer"]


def test_columns_of_pandas(pipe):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"question": [QUESTION, "now"], "context": [CONTEXT, LONG]}, index=[5, 6])
    expected = pipe(frame.to_dict("records"))
    assert pipe(question=frame["question"], context=frame["context"]) == expected
    assert frame.apply(lambda row: pipe(**row), axis=1).tolist() == expected


def test_windows_of_a_column_change_nothing(pipe, monkeypatch):
    rows = [{"question": QUESTION, "context": LONG[begin:]} for begin in range(0, 60, 12)]
    expected = [pipe(row)["answer"] for row in rows]
    monkeypatch.setattr(question_answering, "_WINDOW", 2)
    assert [answer["answer"] for answer in pipe(rows)] == expected


def test_no_answer(pipe):
    found = pipe(QUESTION, CONTEXT, handle_impossible_answer=True, top_k=100)
    empty = [answer for answer in found if not answer["answer"]]
    assert [(answer["start"], answer["end"]) for answer in empty] == [(0, 0)]
    assert found == sorted(found, key=lambda answer: -answer["score"])
    assert sum(answer["score"] for answer in found) <= 1.0001


def test_missing_values(pipe):
    rows = [{"question": QUESTION, "context": CONTEXT}, {"question": None, "context": CONTEXT}, None]
    assert pipe(rows, na="skip") == [pipe(rows[0]), None, None]
    assert pipe(rows[1], na="skip") is None
    with pytest.raises(ValueError, match=r'inputs\[1\]\["question"\] is missing .*na="skip"'):
        pipe(rows)


def test_progress(pipe, capsys, monkeypatch):
    monkeypatch.setattr("deberta_c._models.predict.find_spec", lambda _: None)
    pipe(question=[QUESTION] * 3, context=CONTEXT, progress=True)
    assert capsys.readouterr().err.endswith("\r3 of 3 texts\n")


def test_former_names(pipe):
    with pytest.warns(UserWarning, match="topk has become top_k") as caught:
        found = pipe(QUESTION, CONTEXT, topk=2)
    assert (len(caught), caught[0].filename) == (1, __file__)
    assert found == pipe(QUESTION, CONTEXT, top_k=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pipe(QUESTION, LONG, padding=True, max_question_len=64) == pipe(QUESTION, LONG)
        again = deberta_c.QuestionAnsweringPipeline(model=pipe.model, tokenizer=pipe.tokenizer, top_k=2)
    assert again(QUESTION, CONTEXT) == found


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"question": QUESTION}, ValueError, "give question and context, both by name"),
        ({"question": QUESTION, "context": [CONTEXT]}, ValueError, "question is one str, but context is not"),
        ({"question": [QUESTION], "context": [CONTEXT] * 2}, ValueError, "question has 1 rows, but context 2"),
        ({"question": QUESTION, "context": ""}, ValueError, r'inputs\["context"\] is empty'),
        ({"question": QUESTION, "context": 3}, ValueError, "question is one str, but context is not"),
        ({"question": [3], "context": CONTEXT}, TypeError, r'inputs\["question"\] is 3 of type int'),
        ({"question": [QUESTION, "a\udc00"], "context": CONTEXT}, ValueError, r"inputs\[1\] has a lone surrogate"),
        ({"top_k": 0}, ValueError, "top_k is 0"),
        ({"align_to_words": "no"}, TypeError, "align_to_words is 'no' of type str; give True or False"),
        ({"handle_impossible_answer": "no"}, TypeError, "handle_impossible_answer is 'no' of type str"),
        ({"max_answer_len": 0}, ValueError, "max_answer_len is 0"),
        ({"max_seq_len": 2.5}, TypeError, "max_seq_len is 2.5"),
        ({"max_seq_len": 20, "doc_stride": 20}, ValueError, "doc_stride is 20, but a row of max_seq_len 20 has room"),
        ({"stride": 20}, TypeError, "no option 'stride'"),
    ],
)
def test_wrong_calls(pipe, arguments, error, message):
    if "question" not in arguments:
        arguments = {"question": QUESTION, "context": LONG, **arguments}
    with pytest.raises(error, match=message):
        pipe(**arguments)


def test_wrong_inputs(pipe):
    with pytest.raises(ValueError, match="inputs is a str; give question"):
        pipe(QUESTION)
    with pytest.raises(ValueError, match=r'inputs\[1\] is .*; give a dict {"question"'):
        pipe([{"question": "a", "context": "b"}, {"question": "a"}])
