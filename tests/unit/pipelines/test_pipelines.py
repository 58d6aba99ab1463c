"""Results of the classification pipeline, in the shapes of transformers 5."""

import copy
import multiprocessing
import pickle
import time
import warnings

import numpy as np
import pytest

import deberta_c
from deberta_c import AutoModelForSequenceClassification, pipeline
from tests.support.slowness import slowness

TEXT, OTHER = "hello world", "free entry now"


class NAType:
    """As that of pandas, a missing value that is neither true nor false."""

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")


MISSING = NAType()


@pytest.fixture(scope="module")
def classifier(model):
    return pipeline("text-classification", model=model)


def best(logits):
    """The result of transformers: the label of the largest softmax score, and that score."""
    scores = np.exp(logits - logits.max())
    scores /= scores.sum()
    return {"label": ("ham", "spam", "other")[scores.argmax()], "score": pytest.approx(float(scores.max()), abs=1e-6)}


def test_shapes_without_top_k(classifier, model):
    one, two = (best(logits) for logits in model.predict([TEXT, OTHER]))
    assert classifier(TEXT) == [one]
    assert classifier([TEXT]) == [one]
    assert classifier([TEXT, OTHER]) == classifier((TEXT, OTHER)) == [one, two]
    assert classifier(np.array([TEXT, OTHER])) == [one, two]
    assert classifier({"text": TEXT}) == one
    assert classifier([{"text": TEXT}, {"text": OTHER}]) == [one, two]
    assert classifier([]) == []
    assert type(classifier(TEXT)[0]["score"]) is float


def test_shapes_with_top_k_in_the_call(classifier, model):
    one, _ = (best(logits) for logits in model.predict([TEXT, OTHER]))
    everything = classifier(TEXT, top_k=None)
    assert classifier(TEXT, top_k=1) == [one]
    assert len(everything) == 3
    assert everything[0] == one
    scores = [answer["score"] for answer in everything]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-5)
    assert classifier(TEXT, top_k=2) == everything[:2]
    assert classifier([TEXT, OTHER], top_k=None)[0] == [
        {**answer, "score": pytest.approx(answer["score"], abs=1e-6)} for answer in everything
    ]
    assert len(classifier([TEXT, OTHER], top_k=2)[1]) == 2
    assert classifier({"text": TEXT}, top_k=None)[0] == one


def test_shapes_with_top_k_at_construction(model):
    one, two = (best(logits) for logits in model.predict([TEXT, OTHER]))
    every = pipeline("text-classification", model=model, top_k=None)
    assert [len(answer) for answer in every(TEXT)] == [3]
    assert every(TEXT)[0][0] == one
    assert [answer[0] for answer in every([TEXT, OTHER])] == [one, two]
    assert every(TEXT, top_k=1) == [one]
    assert every({"text": TEXT})[0] == one
    first = pipeline("text-classification", model=model, top_k=1)
    assert first(TEXT) == [[one]]
    assert first([TEXT]) == [[one]]


def test_pairs(classifier, model):
    expected = best(model.predict([TEXT], [OTHER])[0])
    assert classifier({"text": TEXT, "text_pair": OTHER}) == expected
    assert classifier([[[TEXT, OTHER]]]) == [expected]
    mixed = classifier([{"text": TEXT, "text_pair": OTHER}, {"text": OTHER}, OTHER])
    single = best(model.predict([OTHER])[0])
    assert mixed == [expected, single, single]
    cut = {"truncation": "only_second", "max_length": 12}
    answer = classifier({"text": "hello", "text_pair": "hello world " * 9}, **cut)
    assert answer == best(model.predict(["hello"], ["hello world " * 9], **cut)[0])
    with pytest.raises(ValueError, match="there is no second text"):
        classifier("hello", **cut)


def test_iterators_stream(classifier, model):
    taken = []

    def texts():
        for text in [TEXT, OTHER, TEXT]:
            taken.append(text)
            yield text

    answers = classifier(texts())
    assert taken == []
    assert next(answers) == best(model.predict([TEXT])[0])
    assert taken == [TEXT]
    assert len(list(answers)) == 2
    batched = pipeline(model=model, batch_size=2)(texts())
    taken.clear()
    next(batched)
    assert taken == [TEXT, OTHER]
    with pytest.raises(ValueError, match=r"inputs\[2\] is missing"):
        list(classifier(iter([TEXT, OTHER, None])))


def test_functions(classifier, model, tiny):
    logits = model.predict([TEXT])[0]
    plain = {answer["label"]: answer["score"] for answer in classifier(TEXT, function_to_apply="none", top_k=None)}
    assert [plain[label] for label in ("ham", "spam", "other")] == pytest.approx(logits.tolist(), abs=1e-5)
    squashed = {answer["label"]: answer["score"] for answer in classifier(TEXT, function_to_apply="SIGMOID", top_k=3)}
    assert squashed["spam"] == pytest.approx(1 / (1 + np.exp(-float(logits[1]))), abs=1e-6)
    load = AutoModelForSequenceClassification.from_pretrained
    regression = pipeline(model=load(tiny, problem_type="regression"))
    assert regression(TEXT)[0]["score"] == pytest.approx(float(logits.max()), abs=1e-5)
    several = pipeline(model=load(tiny, problem_type="multi_label_classification"))
    assert several(TEXT)[0]["score"] == pytest.approx(1 / (1 + np.exp(-float(logits.max()))), abs=1e-6)


def test_labels_and_problem_follow_the_config(tiny):
    model = AutoModelForSequenceClassification.from_pretrained(tiny)
    classifier = pipeline(model=model)
    logits = model.predict([TEXT])[0]
    best = int(logits.argmax())
    model.config.id2label = ["a", "b", "c"]
    assert classifier(TEXT)[0]["label"] == classifier([TEXT])[0]["label"] == "abc"[best]
    model.config.id2label[best] = "new"
    assert classifier(TEXT)[0]["label"] == "new"
    assert "'new'" in repr(model)
    model.config.problem_type = "regression"
    assert classifier(TEXT)[0]["score"] == pytest.approx(float(logits.max()), abs=1e-5)
    for wrong in (["a", "b"], {0: "a", 1: "b", 2: "c", 3: "d"}):
        model.config.id2label = wrong
        for call in (lambda: classifier(TEXT), lambda: classifier([TEXT]), model.labels):
            with pytest.raises(ValueError, match=r"id2label has the keys \[0, 1.*\], but the classifier has 3 labels"):
                call()
        assert model.predict([TEXT]).shape == (1, 3)


def test_truncation_is_off_unless_asked_for(classifier, model):
    long = "hello now " * 50
    whole = best(model.predict([long], truncation=False)[0])
    cut = best(model.predict([long], max_length=8)[0])
    assert classifier(long) == [whole]
    assert classifier([long]) == [whole]
    for arguments in ({"max_length": 8}, {"max_length": 8, "truncation": True}):
        assert classifier(long, **arguments) == [cut]
        assert classifier([long], **arguments) == [cut]
        assert pipeline(model=model, **arguments)(long) == [cut]
    for inputs in (long, [long], {"text": long}):
        with pytest.warns(deberta_c.TruncationWarning, match="limit of 64") as caught:
            classifier(inputs, truncation=True)
        assert (len(caught), caught[0].filename, caught[0].message.count) == (1, __file__, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(long, truncation=True, max_length=64)
    assert classifier(long, max_length=8, truncation=False) == [whole]
    assert classifier(long, max_length=8, padding=True) == [whole]


def test_apply(classifier, model):
    pandas = pytest.importorskip("pandas")
    series = pandas.Series([TEXT, OTHER], index=[7, 3])
    expected = [[best(logits)] for logits in model.predict(series)]
    assert series.apply(classifier).tolist() == expected
    assert classifier(series) == [answer[0] for answer in expected]


def test_construction(tiny, model, tokenizer):
    expected = [best(model.predict([TEXT])[0])]
    assert pipeline(model=tiny)(TEXT) == expected
    assert pipeline("sentiment-analysis", str(tiny), tokenizer=str(tiny))(TEXT) == expected
    assert pipeline("text-classification", model=model, tokenizer=tokenizer, device=-1)(TEXT) == expected
    assert pipeline(model=model, device="cpu").task == "text-classification"
    with pytest.raises(ValueError, match="task is 'summarization'"):
        pipeline("summarization", model=model)
    with pytest.raises(ValueError, match="CPU only"):
        pipeline(model=model, device=0)
    with pytest.raises(TypeError, match="model is of type int"):
        pipeline(model=3)
    with pytest.raises(TypeError, match="tokenizer is of type int"):
        pipeline(model=model, tokenizer=3)
    with pytest.raises(ValueError, match="batch_size is 0"):
        pipeline(model=model, batch_size=0)
    with pytest.raises(ValueError, match="directory is ''"):
        pipeline(model="")
    with pytest.raises(OSError, match="there is no directory"):
        pipeline(model="distilbert-base-uncased-finetuned-sst-2-english")


@pytest.mark.parametrize(
    ("inputs", "options", "error", "message"),
    [
        (None, {}, ValueError, r"inputs is a missing value \(None\); .*dropna.*na="),
        (float("nan"), {}, ValueError, r"inputs is a missing value \(nan\)"),
        (3, {}, ValueError, "type int"),
        ([TEXT, None], {}, ValueError, r"inputs\[1\] is missing .*na=\"empty\" .* or na=\"skip\""),
        ([TEXT, 3], {}, TypeError, r"inputs\[1\] is 3"),
        ([{"text": TEXT}, {"text": TEXT, "text_pair": 3}], {}, TypeError, r'inputs\[1\]\["text_pair"\] is 3'),
        ({"text": TEXT, "text_pair": MISSING}, {}, ValueError, r'inputs\["text_pair"\] is missing'),
        ([TEXT, {"text": TEXT, "text_pair": MISSING}], {}, ValueError, r'inputs\[1\]\["text_pair"\] is missing'),
        ({"text": TEXT, "text_pair": np.array(["a", "b"])}, {}, TypeError, r'inputs\["text_pair"\] is array'),
        ([{"text": TEXT, "text_pair": OTHER}, "a\ud800"], {}, ValueError, r"inputs\[1\] has a lone surrogate"),
        ({TEXT, OTHER}, {}, TypeError, "inputs is a set"),
        ([[TEXT, OTHER]], {}, ValueError, r"inputs\[0\] is a list"),
        ({"txt": TEXT}, {}, ValueError, "'txt'"),
        ({"text": TEXT, "pair": OTHER}, {}, ValueError, "'pair'"),
        ("a\ud800", {}, ValueError, "inputs has a lone surrogate"),
        ({"text": "a\ud800"}, {}, ValueError, "inputs has a lone surrogate"),
        (TEXT, {"function_to_apply": "tanh"}, ValueError, "function_to_apply is 'tanh'"),
        (TEXT, {"top_k": "all"}, TypeError, "top_k is 'all'"),
        (TEXT, {"top_k": 0}, ValueError, "top_k is 0; it must be at least 1"),
        (TEXT, {"top_k": -1}, ValueError, "top_k is -1"),
        (TEXT, {"padding": "bogus"}, ValueError, "padding is 'bogus'"),
        (
            TEXT,
            {"topk": 3},
            TypeError,
            "a pipeline for 'text-classification' has no option 'topk'; did you mean 'top_k'",
        ),
        ([(TEXT, OTHER)], {}, ValueError, r"inputs\[0\] is a tuple; give a pair as"),
        (TEXT, {"na": "drop"}, ValueError, "na is 'drop'"),
        (TEXT, {"max_length": 1}, ValueError, "special tokens"),
    ],
)
def test_wrong_calls(classifier, inputs, options, error, message):
    with pytest.raises(error, match=message):
        classifier(inputs, **options)
    assert len(classifier(TEXT)) == 1


def test_a_tokenizer_of_another_model(make_model, tokenizer):
    small = AutoModelForSequenceClassification.from_pretrained(make_model(vocab_size=20))
    mixed = pipeline(model=small, tokenizer=tokenizer)
    for inputs, name in (("call ?", "inputs"), (["call", "call ?"], r"inputs\[1\]"), ({"text": "?"}, "inputs")):
        with pytest.raises(ValueError, match=rf"^{name} has the id \d+, but .*vocab_size is 20: the tokenizer belongs"):
            mixed(inputs)
    assert mixed("call")


def test_overhead_of_one_text(classifier, model, tokenizer):
    """Under 50 microseconds beyond the tokenizer and the encoder of the core; on a slow machine in proportion."""
    encode, forward = tokenizer._core.encode, model._core.forward

    def core():
        ids, types, offsets, _, _ = encode([TEXT])
        forward(ids, offsets, types=types)

    def quickest(function):
        times = []
        for _ in range(300):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        return sorted(times)[len(times) // 4]

    with deberta_c.threads(1):
        extra = min(quickest(lambda: classifier(TEXT)) - quickest(core) for _ in range(5))
    assert extra < 50e-6 * slowness()


@pytest.mark.parametrize("options", [{}, {"top_k": None}, {"top_k": 2}])
def test_copies_answer_as_the_original(model, options):
    classifier = pipeline(model=model, **options)
    for again in (pickle.loads(pickle.dumps(classifier)), copy.deepcopy(classifier), copy.copy(classifier)):
        assert again(TEXT) == classifier(TEXT)
        assert again([TEXT, OTHER]) == classifier([TEXT, OTHER])


def test_other_processes(classifier):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map_async(classifier, [TEXT, OTHER]).get(timeout=60)
    for answer, expected in zip(found, map(classifier, [TEXT, OTHER]), strict=True):
        assert answer[0]["label"] == expected[0]["label"]
        assert answer[0]["score"] == pytest.approx(expected[0]["score"], abs=1e-6)


def test_batch_size_in_the_call(classifier):
    assert classifier([TEXT, OTHER], batch_size=8, num_workers=2) == classifier([TEXT, OTHER])
    texts = iter([TEXT] * 5)
    assert next(classifier(texts, batch_size=3))["label"]
    assert len(list(texts)) == 2
    with pytest.raises(ValueError, match="batch_size is 0"):
        classifier([TEXT], batch_size=0)


def test_default_model():
    with pytest.warns(UserWarning, match="no model is given: .* or deberta_c.default_model") as caught:
        classifier = pipeline("text-classification")
    assert (len(caught), caught[0].filename) == (1, __file__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline("sentiment-analysis", deberta_c.default_model())
        for task in ("sentiment-analysis", "ner", "token-classification", "fill-mask", "feature-extraction"):
            with pytest.raises(
                ValueError, match=rf"^model is missing; '{task}' has no default model.*default_model\(\)"
            ):
                pipeline(task)
    assert classifier.model.name_or_path == deberta_c.default_model()
    spam = classifier("WINNER! Claim your free prize now, call 0900 555 0142")
    ham = classifier("see you at home tonight, mum is cooking")
    assert (spam[0]["label"], ham[0]["label"]) == ("spam", "ham")
