"""A training ends with the same bits for any number of threads, and where it is interrupted; threads and forks."""

import hashlib
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import deberta_c
from deberta_c import TrainerCallback, _core
from tests.unit.training.test_fit import LABELS, SHORT, TEXTS, new_model
from tests.unit.training.test_trainer import same, small_model, tokenizer, trainer_of, weights

__all__ = ["tokenizer"]
OPTIONS = {
    "plain": {},
    "frozen": {"freeze_layers": 1},
    "frozen, kept in part": {"freeze_layers": 1, "frozen_outputs_gb": 2e-5},
    "adapters": {"lora": {"r": 2}},
    "adapters above frozen layers": {"lora": {"r": 2, "target_modules": ["query_proj", "dense"]}, "freeze_layers": 1},
    "accumulated": {"per_device_train_batch_size": 3, "gradient_accumulation_steps": 3},
    "grouped": {"train_sampling_strategy": "group_by_length", "data_seed": 7},
    "layer-wise": {"layerwise_lr_decay": 0.8, "weight_decay": 0.1, "freeze_embeddings": True},
    "checkpointed": {"activation_checkpointing": True, "optim": "xadam", "lr_scheduler_type": "cosine"},
}
if "bfloat16" in _core.dtypes():
    OPTIONS["bfloat16"] = {"bf16": True}
    OPTIONS["bfloat16 above frozen layers"] = {"bf16": True, "freeze_layers": 1, "frozen_outputs_gb": 2e-5}
RUN = """
import sys
from tests.unit.training.test_same_bits import OPTIONS, digest, model_of, trainer_of
import deberta_c
tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
for options in OPTIONS.values():
    trainer = trainer_of(tokenizer, sys.argv[1], model_of(), num_train_epochs=1, **options)
    trainer.train()
    print(digest(trainer.model))
"""


def model_of():
    """Two layers with a convolution, and dropout everywhere."""
    return small_model(num_hidden_layers=2, conv_kernel_size=3, attention_probs_dropout_prob=0.1, pooler_dropout=0.1)


def digest(model):
    found = hashlib.sha256()
    for _, array in sorted(weights(model).items()):
        found.update(array.tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("level", ["scalar", "avx2", "avx512", "amx"])
def test_any_number_of_threads(tmp_path, level):
    found = []
    for count in ("1", "2"):
        environment = {
            **os.environ, "DEBERTA_C_ISA": level, "DEBERTA_C_NUM_THREADS": count, "PYTHONPATH": str(Path.cwd())
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode and "DEBERTA_C_ISA" in done.stderr:
            pytest.skip(f"this CPU has no {level}")
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.split())
    assert len(found[0]) >= len([name for name in OPTIONS if "bfloat16" not in name])
    assert found[0] == found[1]


@pytest.mark.parametrize("name", OPTIONS)
def test_resuming_in_the_middle_of_an_epoch(tokenizer, tmp_path, name):
    class Interrupt(TrainerCallback):
        def on_step_end(self, args, state, control, **others):
            if state.global_step == 11:
                raise KeyboardInterrupt

    options = {"save_strategy": "steps", "save_steps": 100, **OPTIONS[name]}
    whole = trainer_of(tokenizer, tmp_path / "whole", model_of(), **options)
    whole.train()
    with pytest.raises(KeyboardInterrupt):
        trainer_of(tokenizer, tmp_path / "broken", model_of(), callbacks=[Interrupt()], **options).train()
    resumed = trainer_of(tokenizer, tmp_path / "broken", model_of(), **options)
    resumed.train(resume_from_checkpoint=True)
    assert same(weights(whole.model), weights(resumed.model))


def trained():
    model = new_model()
    model.fit(TEXTS, LABELS, **SHORT, epochs=1)
    return digest(model)


def test_several_threads_at_once():
    found = []
    threads = [threading.Thread(target=lambda: found.append(trained())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [trained()] * 3


def _train_in_child(pipe):
    pipe.send(trained())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_in_a_forked_child_after_the_parent_has_trained():
    expected = trained()
    parent, child = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_train_in_child, args=(child,))
    process.start()
    assert parent.poll(60)
    assert parent.recv() == expected
    process.join(60)
    assert process.exitcode == 0


def test_adapters_above_frozen_layers_are_saved_as_an_ordinary_model(tokenizer, tmp_path):
    trainer = trainer_of(tokenizer, tmp_path / "run", model_of(), **OPTIONS["adapters above frozen layers"])
    trainer.train()
    trainer.save_model(tmp_path / "saved")
    opened = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert same(weights(opened), weights(trainer.model))
    assert not [name for name in weights(opened) if "lora" in name]
