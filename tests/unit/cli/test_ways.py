"""All ways from a text to a model give the same result: call, predict, pipeline, handle, tables, command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import deberta_c
import deberta_c.pandas
from deberta_c._cli.main import main
from deberta_c._models.outputs import softmax
from deberta_c.training.metrics import metrics_of
from tests.support.tiny_models import BERT, TINY, V1, WORDS, write_model

FIRSTS = ["hello world", "free entry now", "", "see you at home, now!", "hello world"]
SECONDS = ["call now", "home", "the world", "", "see you"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
NAMES = {
    "of the class": None,
    "no types": ["input_ids", "attention_mask"],
    "no mask": ["input_ids", "token_type_ids"],
    "ids only": ["input_ids"],
}


def write_wordpiece(folder: Path) -> None:
    """The tokenizer of BERT instead of the one that `write_model` writes."""
    for name in ("spm.model", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    tokens = [*SPECIAL, *WORDS, *LETTERS, *("##" + letter for letter in LETTERS), "!", ","]
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")


def write_bpe(folder: Path) -> None:
    tokens = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", *LETTERS, "Ġ", "!", ",", "he", "Ġn", "[MASK]"]
    (folder / "vocab.json").write_text(json.dumps({token: id for id, token in enumerate(tokens)}), encoding="utf-8")
    (folder / "merges.txt").write_text("h e\nĠ n", encoding="utf-8")


def write_fast(folder: Path) -> None:
    """A tokenizer.json with the same words."""
    write_wordpiece(folder)
    deberta_c.BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    (folder / "vocab.txt").unlink()


KINDS: dict[str, tuple[dict[str, Any], Any]] = {
    "BertTokenizer": (BERT, write_wordpiece),
    "BertTokenizerFast": (BERT, write_fast),
    "PreTrainedTokenizerFast": (BERT, write_fast),
    "DebertaTokenizer": (V1, write_bpe),
    "DebertaV2Tokenizer": (TINY, None),
}


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A classifier of pairs that uses token types, and its tokenizer of the class of that name."""
    base, write = KINDS[request.param]
    directory = write_model(tmp_path / "model", base=base, type_vocab_size=2)
    if write is not None:
        for name in ("spm.model", "tokenizer_config.json"):
            (directory / name).unlink()
        write(directory)
    config = {"tokenizer_class": request.param, **{name + "_token": f"[{name.upper()}]" for name in ("pad", "cls")}}
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    return directory


def all_ways(folder: Path, seconds: list[str] | None, out: Path) -> dict[str, np.ndarray]:
    """Probabilities (N, 3) of FIRSTS, or of pairs, by every way."""
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(folder)
    pipe = deberta_c.pipeline("text-classification", model=folder)
    labels = model.labels()
    pairs = [
        (first, None if seconds is None else [second]) for first, second in zip(FIRSTS, seconds or FIRSTS, strict=True)
    ]

    def of(answers: list[list[dict[str, Any]]]) -> np.ndarray:
        scores = [{answer["label"]: answer["score"] for answer in row} for row in answers]
        return np.array([[row[label] for label in labels] for row in scores])

    def one(first: str, second: list[str] | None) -> np.ndarray:
        return model(**tokenizer([first], second, return_tensors="np")).logits

    # An empty second text in a dict means no second text, as in transformers.
    dicts = [{"text": first} if second is None else {"text": first, "text_pair": second[0]} for first, second in pairs]
    ways = {
        "call": softmax(np.concatenate([one(*pair) for pair in pairs])),
        "predict": softmax(model.predict(FIRSTS, seconds)),
        "predict, one by one": softmax(np.concatenate([model.predict([first], second) for first, second in pairs])),
        "predict_proba": model.predict_proba(FIRSTS, seconds),
        "predict_proba, own tokenizer": model.predict_proba(FIRSTS, seconds, tokenizer=tokenizer),
        "pipeline of dicts": of(pipe(dicts, top_k=None)),
        "pipeline of one dict": of([pipe(row, top_k=None) for row in dicts]),
        "pipeline of an iterator": of(list(pipe(iter(dicts), top_k=None, batch_size=2))),
    }
    frame = pd.DataFrame({"first": FIRSTS, "second": seconds or FIRSTS})
    columns = ("first", None if seconds is None else "second")
    for name, classifier in (("model", model), ("pipeline", pipe), ("handle", deberta_c.Handle(folder))):
        ways[f"table by a {name}"] = classifier.predict_frame(frame, *columns, proba=True)[labels].to_numpy()
    frame["label"] = labels[0]
    for name, classifier in (("model", model), ("pipeline", pipe), ("directory", folder)):
        ways[f"evaluation of a {name}"] = deberta_c.evaluate(
            classifier, frame, text="first", text_pair=columns[1], resamples=1
        ).scores
    if "attention_mask" in tokenizer.model_input_names:  # without it padding counts
        inputs = tokenizer(FIRSTS, seconds, padding=True, return_tensors="np")
        ways["call of a padded batch"] = softmax(model(**inputs).logits)
    if seconds is None:
        ways["pipeline of texts"] = of(pipe(FIRSTS, top_k=None))
        ways["pipeline of one text"] = of([pipe(text, top_k=None) for text in FIRSTS])
    ways["command line"] = of_command_line(folder, seconds, out, labels)
    return ways


def of_command_line(folder: Path, seconds: list[str] | None, out: Path, labels: list[str]) -> np.ndarray:
    rows = [{"text": first, "other": second} for first, second in zip(FIRSTS, seconds or FIRSTS, strict=True)]
    (out / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["classify", str(out / "in.jsonl"), "--out", str(out / "out.jsonl"), "--model", str(folder), "--all-scores"]
    assert main([*words, "--pair-column", "other"] if seconds else words) == 0
    answers = [json.loads(line) for line in (out / "out.jsonl").read_text().splitlines()]
    return np.array([[answer[f"score_{label}"] for label in labels] for answer in answers])


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("seconds", [None, SECONDS], ids=["texts", "pairs"])
def test_one_way_agrees_with_another(
    folder: Path, seconds: list[str] | None, names: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if NAMES[names] is not None:
        path = folder / "tokenizer_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "model_input_names": NAMES[names]}))
    ways = all_ways(folder, seconds, tmp_path)
    capsys.readouterr()
    for way, scores in ways.items():
        difference = np.abs(scores - ways["call"]).max(axis=1)
        if seconds and way.startswith("pipeline of"):
            difference = difference[[bool(second) for second in seconds]]
        assert difference.max() < 1e-6, way
    assert np.ptp(ways["call"], axis=0).max() > 1e-3


def test_token_types_count_where_they_are_returned(folder: Path) -> None:
    """Columns outside model_input_names change the scores of these models, so the test above is effective."""
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(folder)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    inputs = dict(tokenizer(FIRSTS[:1], SECONDS[:1], return_tensors="np"))
    with_types = model.predict(FIRSTS[:1], SECONDS[:1], tokenizer=tokenizer)
    np.testing.assert_allclose(with_types, model(**inputs).logits, atol=1e-6)
    if inputs.pop("token_type_ids").any():
        tokenizer.model_input_names.remove("token_type_ids")
        without = model.predict(FIRSTS[:1], SECONDS[:1], tokenizer=tokenizer)
        np.testing.assert_allclose(without, model(**inputs).logits, atol=1e-6)
        assert np.abs(with_types - without).max() > 1e-3


@pytest.mark.parametrize("seconds", [None, SECONDS], ids=["texts", "pairs"])
def test_an_estimator_reads_what_its_model_reads(folder: Path, seconds: list[str] | None) -> None:
    sklearn = pytest.importorskip("deberta_c.sklearn")
    columns = FIRSTS if seconds is None else pd.DataFrame({"first": FIRSTS, "second": seconds})
    estimator = sklearn.DebertaClassifier(str(folder), epochs=1).fit(columns, ["b", "a", "c", "b", "a"])
    model = estimator.model_
    places = [model.labels().index(name) for name in estimator.classes_]
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(folder)
    inputs = [
        tokenizer([first], None if seconds is None else [second], return_tensors="np")
        for first, second in zip(FIRSTS, seconds or FIRSTS, strict=True)
    ]
    expected = softmax(np.concatenate([model(**row).logits for row in inputs]))[:, places]
    np.testing.assert_allclose(estimator.predict_proba(columns), expected, atol=1e-6)


@pytest.mark.parametrize("head", ["tokens", "legacy_lm"])
@pytest.mark.parametrize("names", [["input_ids", "attention_mask"], ["input_ids", "token_type_ids", "attention_mask"]])
def test_pipelines_of_tokens_read_what_a_call_reads(tmp_path: Path, head: str, names: list[str]) -> None:
    """A template whose first text is of type 1."""
    directory = write_model(tmp_path / "model", base=BERT, head=head)
    for name in ("spm.model", "tokenizer_config.json"):
        (directory / name).unlink()
    write_fast(directory)
    content = json.loads((directory / "tokenizer.json").read_text())
    for part in content["post_processor"]["single"]:
        part[next(iter(part))]["type_id"] = 1
    (directory / "tokenizer.json").write_text(json.dumps(content))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": names, "mask_token": "[MASK]"}
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(directory)
    text = "see you at [MASK]"
    inputs = tokenizer([text], return_tensors="np")
    assert ("token_type_ids" in inputs) == ("token_type_ids" in names)
    if head == "tokens":
        model: Any = deberta_c.AutoModelForTokenClassification.from_pretrained(directory)
        answers = deberta_c.pipeline("ner", model=model, ignore_labels=[])(text)
        expected = softmax(model(**inputs).logits)[0].max(axis=1)
        assert [answer["score"] for answer in answers] == pytest.approx(
            [expected[answer["index"]] for answer in answers], abs=1e-6
        )
    else:
        model = deberta_c.AutoModelForMaskedLM.from_pretrained(directory)
        (best, *_) = deberta_c.pipeline("fill-mask", model=model)(text)
        place = inputs.input_ids[0].tolist().index(tokenizer.mask_token_id)
        expected = softmax(model(**inputs).logits)[0, place]
        assert best["score"] == pytest.approx(float(expected.max()), abs=1e-6)


def test_a_type_that_the_model_lacks_raises(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "model", base=TINY, type_vocab_size=1)
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)
    assert model.predict(["hello"]).shape == (1, 3)
    with pytest.raises(
        ValueError, match=r"texts\[0\] has a token of type 1, .* type_vocab_size is 1: .*model_input_names"
    ):
        model.predict(["hello"], ["world"])


SEVERAL = {"problem_type": "multi_label_classification"}
LOGITS = [1e-8, 2.0, -1e-8]
"""Of ham, spam and other, for any text; the float32 probabilities of the first and the last are 0.5."""


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A classifier of independent labels that gives every text LOGITS."""
    drop = ("classifier.weight", "classifier.bias")
    add = {"classifier.weight": np.zeros((3, 16), np.float32), "classifier.bias": np.array(LOGITS, np.float32)}
    return write_model(tmp_path / "several", drop, add=add, **SEVERAL)


def sklearn_estimator(model: Any) -> Any:
    """A fitted estimator with this model."""
    estimator = pytest.importorskip("deberta_c.sklearn").DebertaClassifier()
    estimator.model_, estimator.tokenizer_ = model, model.tokenizer
    estimator.classes_, estimator._columns = np.array(model.labels()), [0, 1, 2]
    return estimator


def test_everything_decides_alike_about_independent_labels(several: Path) -> None:
    """A logit of 1e-8 has the float32 probability 0.5, which is not above 0.5."""
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(several)
    pipe, handle = deberta_c.pipeline("text-classification", several), deberta_c.Handle(several)
    np.testing.assert_array_equal(model.predict(FIRSTS), np.array([LOGITS] * 5, np.float32))
    frame = pd.DataFrame({"text": FIRSTS, "label": [["spam"]] * 5})
    wanted = [["spam"]] * 5
    ways = {
        "predict_labels": model.predict_labels(FIRSTS).tolist(),
        "accessor": frame["text"].deberta.classify(model).tolist(),
        "check_precision": [row["float32"] for row in model.check_precision(FIRSTS, dtype="int8").differences],
    }
    for name, classifier in (("model", model), ("pipeline", pipe), ("handle", handle)):
        ways[f"table by a {name}"] = classifier.predict_frame(frame["text"])["label"].tolist()
        ways[f"evaluation of a {name}"] = deberta_c.evaluate(classifier, frame, resamples=0).predicted
    estimator = sklearn_estimator(model)
    ways["estimator"] = [["spam"] if row == [0, 1, 0] else row for row in estimator.predict(FIRSTS).tolist()]
    ways["evaluation of an estimator"] = deberta_c.evaluate(estimator, frame, resamples=0).predicted
    for way, labels in ways.items():
        assert labels == wanted, way
    measure = metrics_of("multi_label_classification")
    assert measure((model.predict(FIRSTS), np.array([[0, 1, 0]] * 5)))["accuracy"] == 1


@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "jsonl", "json", "parquet"])
def test_the_command_line_gives_the_labels_of_a_table(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of independent labels every one above 0.5, in a list, or with separators where a format has none."""
    directory = write_model(tmp_path / "several", **SEVERAL)
    frame = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory).predict_frame(
        pd.DataFrame({"text": [*FIRSTS[:2], None, *FIRSTS[3:]]}), na="skip"
    )
    wanted = [labels if isinstance(labels, list) else None for labels in frame["label"].tolist()]
    assert sorted(set(map(len, filter(None, wanted)))) != [1]
    pd.DataFrame({"text": [*FIRSTS[:2], None, *FIRSTS[3:]]}).to_json(
        tmp_path / "in.jsonl", orient="records", lines=True
    )
    out = tmp_path / f"out.{kind}"
    words = ["classify", str(tmp_path / "in.jsonl"), "--out", str(out), "--model", str(directory), "--na", "skip"]
    assert main([*words, "--labels-only"] if kind == "txt" else words) == 0, capsys.readouterr().err
    joined = ["" if labels is None else ";".join(labels) for labels in wanted]
    if kind == "txt":
        assert out.read_text(encoding="utf-8").splitlines() == joined
        return
    read = {
        "csv": lambda: pd.read_csv(out, keep_default_na=False),
        "tsv": lambda: pd.read_csv(out, sep="\t", keep_default_na=False),
        "jsonl": lambda: pd.DataFrame([json.loads(line) for line in out.read_text().splitlines()]),
        "json": lambda: pd.DataFrame(json.loads(out.read_text())),
        "parquet": lambda: pd.DataFrame(pytest.importorskip("pyarrow.parquet").read_table(out).to_pylist()),
    }[kind]()
    found = [None if labels is None else labels for labels in read["predicted_label"].tolist()]
    assert found == (joined if kind in ("csv", "tsv") else wanted)
    scores = pd.to_numeric(read["predicted_score"], errors="coerce").to_numpy()
    np.testing.assert_allclose(scores, frame["score"], rtol=1e-6)


def test_texts_and_separators_of_independent_labels(
    tmp_path: Path, several: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = write_model(tmp_path / "both", **SEVERAL)
    labels = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory).predict_labels(["call now"])[0]
    assert len(labels) != 1
    assert main(["--model", str(directory), "--json", "call now"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] == labels
    assert main(["--model", str(directory), "--labels-only", "call now"]) == 0
    assert capsys.readouterr().out == ";".join(labels) + "\n"
    source = tmp_path / "in.csv"
    source.write_text("text\ncall now\n")
    words = ["classify", str(source), "--model", str(directory), "--labels-only", "--label-separator"]
    assert main([*words, " + "]) == 0
    assert capsys.readouterr().out == " + ".join(labels) + "\n"
    for separator, message in (("a", "is 'a', which is part of the label 'ham'; give another"), ("", "is empty")):
        assert main([*words, separator]) == 1
        assert f"--label-separator {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("problem", "names"), [(None, ["value"]), ("regression", ["value"]), ("regression", ["mild", "sweet"])]
)
def test_a_file_of_scores_has_no_label(
    tmp_path: Path, problem: str | None, names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where `predict_frame` gives a score and no label, or a column for each of several numbers."""
    directory = write_model(tmp_path / "scores", id2label=dict(enumerate(names)), problem_type=problem)
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in FIRSTS))
    frame = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory).predict_frame({"text": FIRSTS})
    words = ["classify", str(source), "--model", str(directory)]
    for options, added in (
        ([], ["predicted_score"] if len(names) == 1 else ["score_mild", "score_sweet"]),
        (["--all-scores"], ["predicted_score", "score_value"] if len(names) == 1 else ["score_mild", "score_sweet"]),
    ):
        assert main([*words, *options]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [list(row) for row in rows] == [["text", *added]] * 5
        for name in added:
            expected = frame["score" if len(names) == 1 else name.removeprefix("score_")]
            np.testing.assert_allclose([row[name] for row in rows], expected, rtol=1e-6)
    assert main([*words, "--labels-only"]) == 1
    assert "--labels-only is given, but the model scores texts and has no labels" in capsys.readouterr().err
