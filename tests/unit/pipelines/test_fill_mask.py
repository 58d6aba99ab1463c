"""The fill-mask pipeline: predictions for masked places, in the shapes of transformers 5."""

import copy
import pickle

import numpy as np
import pytest

import deberta_c
from deberta_c import AutoModelForMaskedLM, DebertaV2Config, pipeline
from tests.support.tiny_models import TINY, safetensors_bytes, tiny_tensors, write_model

ONE, OTHER, TWO = "hello [MASK] now", "[MASK] see you at home", "call [MASK] at the [MASK]!"
CONFIG = {**TINY, "initializer_range": 0.5}


def make(**changes):
    options = {name: changes.pop(name) for name in ("enhanced_mask_decoder",) if name in changes}
    return AutoModelForMaskedLM.from_config(DebertaV2Config.from_dict({**CONFIG, **changes}), seed=5, **options)


@pytest.fixture(scope="module", params=["legacy", "new_head", "enhanced"])
def guesser(request):
    if request.param == "enhanced":
        return make(legacy=False, enhanced_mask_decoder=True)
    return make(legacy=request.param == "legacy")


@pytest.fixture(scope="module")
def fill(guesser, tokenizer):
    return pipeline("fill-mask", model=guesser, tokenizer=tokenizer)


def expected(model, tokenizer, text, top_k=5, among=None):
    """The result, from the logits of the whole row in double precision."""
    ids = tokenizer(text).input_ids
    logits = model(input_ids=[ids]).logits[0].astype(np.float64)
    places = [place for place, id in enumerate(ids) if id == tokenizer.mask_token_id]
    answers = []
    for place in places:
        scores = np.exp(logits[place] - logits[place].max())
        scores /= scores.sum()
        order = [id for id in np.argsort(-scores) if among is None or id in among][:top_k]
        answers.append([])
        for id in map(int, order):
            row = [*ids[:place], id, *ids[place + 1 :]]
            sequence = tokenizer.decode([id for id in row if id], skip_special_tokens=len(places) == 1)
            score = pytest.approx(scores[id], rel=1e-4)
            answers[-1].append({"score": score, "token": id, "token_str": tokenizer.decode([id]), "sequence": sequence})
    return answers[0] if len(places) == 1 else answers


def test_shapes(fill, guesser, tokenizer):
    one, other, two = (expected(guesser, tokenizer, text) for text in (ONE, OTHER, TWO))
    assert len(one) == 5
    assert [len(guesses) for guesses in two] == [5, 5]
    assert fill(ONE) == fill([ONE]) == one
    assert fill(TWO) == fill([TWO]) == two
    assert fill([ONE, TWO, OTHER]) == fill((ONE, TWO, OTHER)) == fill(np.array([ONE, TWO, OTHER])) == [one, two, other]
    assert fill((ONE,)) == [one]
    assert fill([]) == []
    assert [type(value) for value in fill(ONE)[0].values()] == [float, int, str, str]


def test_top_k(fill, guesser, tokenizer):
    everything = expected(guesser, tokenizer, ONE, top_k=128)
    assert len(everything) == 128
    assert fill(ONE, top_k=1) == everything[:1]
    assert fill(ONE, top_k=1000) == everything
    three = pipeline("fill-mask", model=guesser, tokenizer=tokenizer, top_k=3)
    assert three(ONE) == everything[:3]
    assert three(ONE, top_k=2) == everything[:2]


def test_targets(fill, guesser, tokenizer):
    targets = ["▁world", "▁home", "z", "▁now", "▁at", "▁the"]
    among = {tokenizer.convert_tokens_to_ids(target) for target in targets}
    assert len(among) == 6
    assert fill(ONE, targets=targets) == expected(guesser, tokenizer, ONE, 5, among)
    assert fill(TWO, targets=targets, top_k=9) == expected(guesser, tokenizer, TWO, 6, among)
    assert fill(ONE, targets="z") == expected(guesser, tokenizer, ONE, 5, {tokenizer.convert_tokens_to_ids("z")})
    limited = pipeline("fill-mask", model=guesser, tokenizer=tokenizer, targets=["z", "z"])
    assert limited(ONE) == fill(ONE, targets="z")
    assert limited(ONE, targets=targets) == fill(ONE, targets=targets)


def test_targets_that_the_vocabulary_lacks(fill):
    with pytest.warns(UserWarning, match=r"the target .world. is not .*▁world. replaces it") as caught:
        assert fill(ONE, targets=["world"]) == fill(ONE, targets=["▁world"])
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="the target '' is not in the vocabulary, and no token can replace it"):
        assert fill(ONE, targets=["", "▁world"]) == fill(ONE, targets=["▁world"])
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(ValueError, match=r"targets is \[''\], which contains no token"),
    ):
        fill(ONE, targets="")


def test_columns_are_read_in_windows(fill, guesser, tokenizer, monkeypatch):
    texts = [ONE, TWO, OTHER, ONE, "a [MASK]"]
    answers = [expected(guesser, tokenizer, text) for text in texts]
    pandas = pytest.importorskip("pandas")
    for window in (1, 2, 5, 9):
        monkeypatch.setattr("deberta_c._pipelines.base._WINDOW", window)
        assert fill(pandas.Series(texts, index=range(5, 0, -1))) == answers
    assert list(fill(iter(texts))) == list(fill(iter(texts), batch_size=2)) == answers
    with pytest.raises(ValueError, match=r"inputs\[9\] has no mask token, |inputs\[9\] is missing"):
        fill([*texts, ONE, ONE, ONE, ONE, None])
    with pytest.raises(ValueError, match=r"inputs\[2\] has no mask token"):
        list(fill(iter([ONE, TWO, "hello"])))


def test_batches_hold_few_masks(guesser, tokenizer, monkeypatch):
    """At most 128 rows of logits at once, because a row may be as long as the vocabulary, or one text of more masks."""
    widths = []
    run = type(guesser)._logits_of_rows

    def counting(self, *arguments):
        for chosen, logits in run(self, *arguments):
            widths.append(len(logits))
            yield chosen, logits

    monkeypatch.setattr(type(guesser), "_logits_of_rows", counting)
    fill = pipeline("fill-mask", model=guesser, tokenizer=tokenizer)
    assert len(fill([ONE] * 300)) == 300
    assert sum(widths) == 300
    assert 90 < widths[0] <= 128
    widths.clear()
    assert len(fill(["[MASK] " * 40, ONE])[0]) == 40


def test_texts_are_cut_only_when_asked(fill, guesser, tokenizer):
    long = ONE + " at" * 100
    if guesser._settings["enhanced_mask_decoder"]:
        with pytest.raises(ValueError, match=r"inputs has 1\d\d tokens, more than the model's max_position_embeddings"):
            fill(long)
    else:
        assert len(fill(long, top_k=1)[0]["sequence"]) > 300
    shorter = fill(long, top_k=1, tokenizer_kwargs={"max_length": 12})[0]["sequence"]
    assert len(shorter) < 40
    with pytest.warns(deberta_c.TruncationWarning, match="limit of 64"):
        fill([long, ONE], tokenizer_kwargs={"truncation": True})
    with pytest.raises(ValueError, match=r"inputs\[1\] lost its mask token to the limit of 8 tokens"):
        fill([ONE, "hello " * 20 + "[MASK]"], tokenizer_kwargs={"max_length": 8})


@pytest.mark.parametrize(
    ("inputs", "options", "error", "message"),
    [
        ("hello", {}, ValueError, r"inputs has no mask token; write \[MASK\] where"),
        ([ONE, "hello"], {}, ValueError, r"inputs\[1\] has no mask token"),
        (None, {}, ValueError, r"inputs is a missing value \(None\).*dropna"),
        (3, {}, ValueError, "inputs is of type int; give a str or a column"),
        ({"text": ONE}, {}, ValueError, "inputs is of type dict"),
        ([ONE, 3], {}, TypeError, r"inputs\[1\] is 3"),
        ([ONE, "[MASK]\ud800"], {}, ValueError, r"inputs\[1\] has a lone surrogate"),
        (ONE, {"top_k": 0}, ValueError, "top_k is 0"),
        (ONE, {"top_k": "2"}, TypeError, "top_k is '2'"),
        (ONE, {"targets": []}, ValueError, r"targets is \[\]"),
        (ONE, {"targets": 3}, TypeError, "targets is 3"),
        (ONE, {"topk": 3}, TypeError, "has no option 'topk'; did you mean 'top_k'"),
        (ONE, {"tokenizer_kwargs": {"stride": 3}}, TypeError, "has no option 'stride'"),
    ],
)
def test_wrong_calls(fill, inputs, options, error, message):
    with pytest.raises(error, match=message):
        fill(inputs, **options)


def test_construction(guesser, model, tokenizer):
    assert type(pipeline(model=guesser, tokenizer=tokenizer)) is deberta_c.FillMaskPipeline
    with pytest.raises(
        TypeError, match=r"model is of type DebertaV2ForSeq.*what AutoModelForMaskedLM\.from_pretrained"
    ):
        pipeline("fill-mask", model=model)
    with pytest.raises(TypeError, match="model is of type DebertaV2ForMaskedLM; for 'text-classification'"):
        pipeline("text-classification", model=guesser, tokenizer=tokenizer)
    with pytest.raises(ValueError, match="model is missing; 'fill-mask' has no default model"):
        pipeline("fill-mask")
    without = copy.copy(tokenizer)
    without.mask_token = None
    with pytest.raises(ValueError, match="the tokenizer has no mask_token"):
        pipeline("fill-mask", model=guesser, tokenizer=without)
    small = make(vocab_size=40)
    with pytest.raises(ValueError, match=r"a target has the id \d+, but the model's vocab_size is 40"):
        pipeline("fill-mask", model=small, tokenizer=tokenizer, targets="z")
    with pytest.raises(ValueError, match=r"inputs has the id \d+, but the model's vocab_size is 40"):
        pipeline("fill-mask", model=small, tokenizer=tokenizer)(ONE)


def test_pickles(fill):
    again = pickle.loads(pickle.dumps(fill))
    assert again([ONE, TWO]) == fill([ONE, TWO])


def test_a_directory(tmp_path, tokenizer):
    """With a head it computes; without one it warns when it is opened and raises when it is called."""
    folder = write_model(tmp_path / "whole")
    with (
        pytest.warns(deberta_c.MissingHeadWarning, match="masked language model"),
        pytest.warns(deberta_c.UnexpectedWeightsWarning),
    ):
        headless = pipeline("fill-mask", model=folder)
    with pytest.raises(RuntimeError, match=r"lacks cls\.predictions\."):
        headless(ONE)
    random = np.random.default_rng(3)
    shapes = {
        "bias": (128,), "transform.dense.weight": (16, 16), "transform.dense.bias": (16,),
        "transform.LayerNorm.weight": (16,), "transform.LayerNorm.bias": (16,),
    }  # fmt: skip
    head = {f"cls.predictions.{name}": random.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    encoder = {name: tensor for name, tensor in tiny_tensors(TINY).items() if name.startswith("deberta.")}
    (folder / "model.safetensors").write_bytes(safetensors_bytes(encoder | head))
    fill = pipeline("fill-mask", model=str(folder))
    assert fill(ONE) == expected(AutoModelForMaskedLM.from_pretrained(folder), tokenizer, ONE)
