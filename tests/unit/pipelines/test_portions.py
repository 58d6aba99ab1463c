"""Long texts are encoded in portions: memory grows neither with their number nor with that of the questions."""

import numpy as np
import pytest

import deberta_c
from deberta_c._columns import texts as columns
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast
from tests.support.tiny_models import write_model

LONG = "see you at home, call the free world now, entry at 5. " * 7
TEXTS = [LONG + word for word in ("hello", "now", "you", "at", "home", "see")]
ROWS = {
    "text-classification": ("sequence", {"windows": True}, TEXTS),
    "pairs": ("sequence", {"windows": True}, [{"text": text, "text_pair": "now"} for text in TEXTS]),
    "ner": ("tokens", {"windows": True, "aggregation_strategy": "simple"}, TEXTS),
    "feature-extraction": ("none", {"pooling": "mean"}, TEXTS),
    "question-answering": ("spans", {}, [{"question": text[-5:], "context": LONG} for text in TEXTS]),
}


@pytest.mark.parametrize("kind", list(ROWS))
def test_portions_change_nothing(kind, tmp_path, monkeypatch):
    head, options, rows = ROWS[kind]
    labels = {"id2label": {"0": "a", "1": "b"}} if head == "spans" else {}
    task = "text-classification" if kind == "pairs" else kind
    pipe = deberta_c.pipeline(task, write_model(tmp_path / "model", head=head, **labels), **options)
    expected = [pipe(row) for row in rows]
    if kind == "text-classification":
        expected = [answer[0] for answer in expected]
    encoded, encode = [], PreTrainedTokenizerFast._encode_for_model

    def counted(self, firsts, seconds, how):
        encoded.append(sum(map(len, [*firsts, *(seconds or [])])))
        return encode(self, firsts, seconds, how)

    monkeypatch.setattr(PreTrainedTokenizerFast, "_encode_for_model", counted)
    monkeypatch.setattr(columns, "_PORTION", 2 * len(TEXTS[0]) + 10)
    found = pipe(rows)
    assert len(encoded) == 3
    if kind == "feature-extraction":
        assert np.allclose(found, expected, atol=1e-5)
    else:
        assert without_scores(found) == without_scores(expected)


def without_scores(answers):
    """The answers; the last bits of scores depend on the batch."""
    if isinstance(answers, list):
        return [without_scores(answer) for answer in answers]
    return {name: value for name, value in answers.items() if name != "score"}
