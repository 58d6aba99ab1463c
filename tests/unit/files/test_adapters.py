"""Adapters of peft that are not merged: an error of their own, wherever a model is opened, says how to merge them."""

import json
import shutil

import numpy as np
import pytest

import deberta_c
from deberta_c._files.adapters import ADAPTER
from deberta_c._files.hub import TOKENIZER, model_files, resolve
from tests.support.tiny_models import BERT, TINY, safetensors_bytes, write_model

LORA = {"peft_type": "LORA", "base_model_name_or_path": "org/base", "task_type": "SEQ_CLS"}
MERGE = r"not a whole model: open it with peft, run model\.merge_and_unload\(\)\.save_pretrained\(NEW_DIR\), and give"
OPENERS = [
    deberta_c.AutoModelForSequenceClassification.from_pretrained,
    deberta_c.DebertaV2ForSequenceClassification.from_pretrained,
    deberta_c.DebertaV2Model.from_pretrained,
    lambda directory: deberta_c.pipeline("text-classification", directory),
]


def adapter(directory, **settings):
    """A directory as `PeftModel.save_pretrained` writes it, with a tokenizer."""
    write_model(directory)
    for name in ("config.json", "model.safetensors"):
        (directory / name).unlink()
    (directory / ADAPTER).write_text(json.dumps({**LORA, **settings}))
    name = "base_model.model.deberta.encoder.layer.0.attention.self.query_proj.lora_A.weight"
    (directory / "adapter_model.safetensors").write_bytes(safetensors_bytes({name: np.zeros((2, 16), np.float32)}))
    return directory


@pytest.mark.parametrize("opener", OPENERS)
def test_a_directory_of_an_adapter(tmp_path, opener):
    directory = adapter(tmp_path / "lora")
    with pytest.raises(ValueError, match=rf"lora' holds the LORA adapter of peft for 'org/base', {MERGE}"):
        opener(directory)
    assert deberta_c.AutoTokenizer.from_pretrained(directory)("hello").input_ids


@pytest.mark.filterwarnings("ignore::deberta_c.UnexpectedWeightsWarning")
@pytest.mark.parametrize("opener", OPENERS)
def test_an_adapter_beside_weights(tmp_path, opener):
    """transformers applies it where peft is installed and silently ignores it elsewhere."""
    directory = write_model(tmp_path / "both")
    expected = opener(directory)
    (directory / ADAPTER).write_text(json.dumps(LORA))
    with pytest.raises(ValueError, match=rf"{MERGE} NEW_DIR; if the weights .* merged, delete adapter_config.json"):
        opener(directory)
    assert deberta_c.AutoConfig.from_pretrained(directory).num_labels == 3
    (directory / ADAPTER).unlink()
    assert type(opener(directory)) is type(expected)


def test_a_configuration_does_not_hide_an_adapter(tmp_path):
    config = deberta_c.AutoConfig.from_pretrained(write_model(tmp_path / "base"))
    with pytest.raises(ValueError, match=MERGE):
        deberta_c.AutoModelForSequenceClassification.from_pretrained(adapter(tmp_path / "lora"), config=config)
    with pytest.raises(ValueError, match=MERGE):
        deberta_c.AutoConfig.from_pretrained(tmp_path / "lora")


@pytest.mark.parametrize("kind", ["PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING"])
def test_what_peft_cannot_merge(tmp_path, kind):
    with pytest.raises(ValueError, match=f"the {kind} adapter .*it cannot be merged into the weights"):
        deberta_c.AutoModel.from_pretrained(adapter(tmp_path / "prompt", peft_type=kind))


def test_an_adapter_whose_base_is_not_named(tmp_path):
    with pytest.raises(ValueError, match=f"holds the adapter of peft, {MERGE}"):
        deberta_c.AutoModel.from_pretrained(adapter(tmp_path / "m", peft_type=None, base_model_name_or_path=None))


@pytest.mark.parametrize("base", [TINY, BERT])
@pytest.mark.parametrize(
    "added",
    [
        "{}.encoder.layer.1.output.dense.lora_A.default.weight",
        "base_model.model.{}.encoder.layer.1.output.dense.base_layer.weight",
        "{}.encoder.layer.1.output.dense.lora_magnitude_vector.default.weight",
        "{}.embeddings.word_embeddings.lora_embedding_B.default",
        "{}.encoder.layer.1.output.dense.ia3_l.default",
        "{}.encoder.layer.1.output.dense.hada_w1_a.default",
        "classifier.modules_to_save.default.weight",
        "classifier.original_module.bias",
    ],
)
def test_tensors_of_an_adapter(tmp_path, base, added):
    """A state dict of a model with an adapter in it, whole or beside weights that would do without."""
    name = added.format(base["model_type"].partition("-")[0])
    for drop in ((), ("classifier.weight", "classifier.bias")):
        directory = write_model(tmp_path / "m", base=base, drop=drop, add={name: np.zeros((2, 2), np.float32)})
        with pytest.raises(
            ValueError, match=rf"m' has the tensor '{name}' of an adapter .* run model\.merge_and_unload"
        ):
            deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)


def test_an_adapter_in_the_cache_of_the_hub(tmp_path):
    commit = "c0ffee" + "0" * 34
    home = tmp_path / "models--org--lora"
    folder = adapter(home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    where = {"cache_dir": tmp_path, "local_files_only": True}
    assert resolve("org/lora", files=model_files(), **where) == folder
    with pytest.raises(ValueError, match=MERGE):
        deberta_c.AutoModelForSequenceClassification.from_pretrained("org/lora", **where)
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match=r"without config\.json"):
        resolve("org/lora", files=model_files(), **where)
    assert resolve("org/lora", files=TOKENIZER, **where) == folder
