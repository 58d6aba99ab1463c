"""`pretrain`: both objectives, resuming, sharing of the word table, wrong calls."""

import json
import re

import numpy as np
import pytest

import deberta_c
from deberta_c import softmax
from deberta_c.training.pretraining import PairedSession, PretrainResult, pretrain
from tests.golden.draw import tiny

WORDS = "deberta.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def tokenizer():
    return deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    lines = ["win a prize now and call us", "see you at home for dinner", "free entry in a weekly competition"]
    path.write_text("\n".join(lines * 60), encoding="utf-8")
    return path


def config_of(tokenizer, **changes):
    fields = {"vocab_size": len(tokenizer) + 3, "num_hidden_layers": 2, "max_position_embeddings": 64, **changes}
    return deberta_c.DebertaV2Config.from_dict(tiny(model_type="deberta-v2", **fields))


def run(texts, tokenizer, folder, **options):
    options = {"model": config_of(tokenizer), "max_length": 32, "batch_size": 4, "learning_rate": 2e-3, **options}
    return pretrain(texts, tokenizer=tokenizer, output_dir=folder, progress=False, **options)


@pytest.mark.parametrize("enhanced", [True, False])
def test_masked_lm_learns(texts, tokenizer, tmp_path, enhanced):
    result = run(texts, tokenizer, tmp_path, enhanced_mask_decoder=enhanced, epochs=5, validation=0.2)
    losses = [row["eval_loss"] for row in result.history if "eval_loss" in row]
    assert len(losses) == 5
    assert losses[-1] < losses[0] - 0.5
    assert result.generator is None
    assert result.steps == 5 * -(-round(0.8 * rows_of(texts, tokenizer)) // 4)
    again = deberta_c.AutoModelForMaskedLM.from_pretrained(tmp_path)
    assert again._settings["enhanced_mask_decoder"] is enhanced
    inputs = again.tokenizer(["see you at [MASK]"], return_tensors="np")
    np.testing.assert_array_equal(again(**inputs).logits, result.model(**inputs).logits)


def rows_of(texts, tokenizer):
    lines = texts.read_text().splitlines()
    count = sum(map(len, tokenizer(lines, add_special_tokens=False)["input_ids"])) + len(lines) - 1
    return -(-count // 30)


@pytest.mark.parametrize("family", ["deberta", "bert"])
def test_other_families(texts, tokenizer, tmp_path, family):
    kind = {"deberta": deberta_c.DebertaConfig, "bert": deberta_c.BertConfig}[family]
    config = kind.from_dict(tiny(model_type=family, vocab_size=len(tokenizer), num_hidden_layers=1))
    result = run(texts, tokenizer, tmp_path, model=config, steps=2)
    assert result.steps == 2


def test_replaced_tokens(texts, tokenizer, tmp_path):
    result = run(texts, tokenizer, tmp_path, objective="replaced_tokens", epochs=3, validation=0.2)
    losses = [row["eval_loss"] for row in result.history if "eval_loss" in row]
    assert losses[-1] < losses[0]
    assert result.generator.config.num_hidden_layers == 1
    detector = deberta_c.AutoModelForPreTraining.from_pretrained(tmp_path)
    generator = deberta_c.AutoModelForMaskedLM.from_pretrained(tmp_path / "generator")
    inputs = detector.tokenizer(["see you at home"], return_tensors="np")
    np.testing.assert_array_equal(detector(**inputs).logits, result.model(**inputs).logits)
    np.testing.assert_array_equal(generator(**inputs).logits, result.generator(**inputs).logits)
    encoder = deberta_c.AutoModel.from_pretrained(tmp_path)
    assert np.isfinite(encoder(**inputs).last_hidden_state).all()


@pytest.mark.parametrize("objective", ["masked_lm", "replaced_tokens"])
def test_resumed_trainings_end_with_the_same_bits(texts, tokenizer, tmp_path, objective):
    options = {"objective": objective, "epochs": 2, "save_steps": 3, "gradient_accumulation_steps": 2, "optim": "xadam"}
    whole = run(texts, tokenizer, tmp_path / "whole", **options)
    last = sorted((tmp_path / "whole").glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
    assert [int(path.name[11:]) for path in last][:2] == [3, 6]
    for path in last[1:]:
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    again = run(texts, tokenizer, tmp_path / "whole", resume=True, **options)
    assert again.steps == whole.steps > 6
    for one, other in ((whole.model, again.model), (whole.generator, again.generator)):
        if one is None:
            continue
        found = other.state_dict()
        for name, array in one.state_dict().items():
            np.testing.assert_array_equal(array, found[name], err_msg=name)


def test_a_teacher(texts, tokenizer, tmp_path):
    """A student of a teacher alone comes close to it, and with alpha=1 the teacher has no say."""
    teacher = run(texts, tokenizer, tmp_path / "teacher", epochs=8).model
    inputs = tokenizer(["see you at [MASK] for dinner"], return_tensors="np")
    wanted, found = softmax(teacher(**inputs).logits), []
    for alpha in (1.0, 0.0):
        options = {"epochs": 8, "seed": 7, "distillation_alpha": alpha, "distillation_temperature": 1.0}
        student = run(texts, tokenizer, tmp_path / str(alpha), teacher=tmp_path / "teacher", **options)
        found.append(np.abs(softmax(student.model(**inputs).logits) - wanted).sum(axis=-1).mean())
    assert found[1] < 0.9 * found[0]
    plain = run(texts, tokenizer, tmp_path / "plain", epochs=8, seed=7)
    again = deberta_c.AutoModelForMaskedLM.from_pretrained(tmp_path / "1.0")
    np.testing.assert_allclose(again(**inputs).logits, plain.model(**inputs).logits, rtol=0, atol=2e-3)
    for options, error, message in (
        ({"objective": "replaced_tokens", "teacher": teacher}, ValueError, 'teacher is given, but objective is "repl'),
        ({"teacher": tokenizer}, TypeError, "teacher is a DebertaV2Tokenizer; give a model"),
        ({"teacher": teacher, "model": config_of(tokenizer, vocab_size=9_000)}, ValueError, "teacher has vocab_size"),
    ):
        with pytest.raises(error, match=message):
            run(texts, tokenizer, tmp_path / "wrong", **options)


def test_the_tables_are_disentangled(tokenizer):
    """The detector's table is the generator's plus one of its own, at the start and after steps of either."""
    config = config_of(tokenizer)
    session = PairedSession(
        deberta_c.DebertaV2ForPreTraining(config, seed=1), deberta_c.DebertaV2ForMaskedLM(config, seed=2), seed=1
    )
    of_generator = session.generator.core.parameter(WORDS)
    np.testing.assert_array_equal(session.tensors()[WORDS].data.view(np.float32), of_generator.ravel())
    ids = np.arange(5, 25, dtype=np.int32)
    batch = {"ids": ids, "offsets": np.array([0, 20])}
    session.forward(batch, 1)
    session.backward(np.ones(20, np.float32))
    session.update(1e-2)
    np.testing.assert_array_equal(session.generator.core.parameter(WORDS), of_generator)
    moved = session.tensors()[WORDS].data.view(np.float32).reshape(of_generator.shape) - of_generator
    assert moved[5:25].any(axis=1).all()
    assert not moved[25:].any()


def test_wrong_calls(texts, tokenizer, tmp_path):
    with pytest.raises(ValueError, match="objective is 'clm'"):
        run(texts, tokenizer, tmp_path, objective="clm")
    with pytest.raises(ValueError, match="set vocab_size of the configuration"):
        run(texts, tokenizer, tmp_path, model=config_of(tokenizer, vocab_size=500))
    for options in ({}, {"validation": [texts, tmp_path / "none.txt"]}):  # before anything else
        with pytest.raises(FileNotFoundError, match=r"none\.txt"):
            run(texts if options else tmp_path / "none.txt", tokenizer, tmp_path / "new", max_length=65, **options)
    assert not (tmp_path / "new").exists()
    with pytest.raises(ValueError, match=r"max_length is 65; .* max_position_embeddings allows 64: give max_length=64"):
        run(texts, tokenizer, tmp_path, max_length=65)
    with pytest.raises(TypeError, match="model is dict"):
        run(texts, tokenizer, tmp_path, model={})
    with pytest.raises(TypeError, match="a detector of replaced tokens needs a DebertaV2Config"):
        run(texts, tokenizer, tmp_path, model=deberta_c.BertConfig(), objective="replaced_tokens")
    with pytest.raises(ValueError, match='objective is "masked_lm"'):
        run(texts, tokenizer, tmp_path, generator=config_of(tokenizer))
    with pytest.raises(ValueError, match="it must be a DebertaV2ForMaskedLM with that of the detector"):
        run(
            texts, tokenizer, tmp_path, objective="replaced_tokens",
            generator=config_of(tokenizer, vocab_size=len(tokenizer) + 9),
        )  # fmt: skip
    with pytest.raises(TypeError, match="files is of type BertConfig; give the path of a text file"):
        run(deberta_c.BertConfig(), tokenizer, tmp_path)
    with pytest.raises(ValueError, match=r"validation is 2\.0"):
        run(texts, tokenizer, tmp_path, validation=np.float32(2))
    for wrong, meant in (("leraning_rate", "learning_rate"), ("max_len", "max_length")):  # before a text is read
        with pytest.raises(TypeError, match=f"^pretrain has no argument '{wrong}'; did you mean '{meant}'"):
            run(tmp_path / "none.txt", tokenizer, tmp_path, **{wrong: 1})
    assert not list(tmp_path.glob("checkpoint-*"))


def test_checkpoints_of_one_objective_are_not_the_others(texts, tokenizer, tmp_path):
    run(texts, tokenizer, tmp_path, steps=2, save_steps=1)
    state = json.loads((tmp_path / "checkpoint-2" / "trainer_state.json").read_text())
    assert state["global_step"] == 2
    with pytest.raises(ValueError, match="checkpoint"):
        run(texts, tokenizer, tmp_path, objective="replaced_tokens", resume=True)


def test_it_shows_itself():
    history = [{"step": step, "epoch": step / 50, "loss": 5 / step, "learning_rate": 1e-4} for step in range(1, 51)]
    result = PretrainResult(None, None, [*history, {"eval_loss": 0.25, "step": 50}, {"step": 51}], 50, 1.5)
    lines = repr(result).splitlines()
    assert lines[0].split() == ["step", "epoch", "loss", "learning_rate", "eval_loss"]
    assert len(lines) == 22
    assert lines[-2].split() == ["50", "1.0000", "0.1000", "0.0001", "0.2500"]
    assert lines[-1] == "50 steps in 1.5 s; NoneType"
    assert result._repr_html_().count("<tr>") == 21
    assert len(pytest.importorskip("pandas") and result.to_frame()) == 52


def test_a_vocabulary_that_is_too_large_names_the_remedy(texts, tmp_path):
    pytest.importorskip("sentencepiece")
    with pytest.raises(
        ValueError, match=r"vocab_size is 3000, but .* for (\d+) tokens; .*hard_vocab_limit=False"
    ) as caught:
        deberta_c.train_tokenizer(texts, 3000, tmp_path / "new")
    most = int(re.search(r"for (\d+) tokens", str(caught.value))[1])
    assert len(deberta_c.train_tokenizer(texts, most, tmp_path / "new")) == most
