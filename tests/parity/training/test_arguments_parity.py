"""TrainingArguments: every name of transformers is known, and has its default."""

from dataclasses import MISSING, fields

import pytest

import deberta_c
from deberta_c.training import arguments
from tests.parity.oracle import transformers

THEIRS = {field.name: field.default for field in fields(transformers.TrainingArguments)}
OURS = {field.name: field.default for field in fields(deberta_c.TrainingArguments)}
OWN = {
    "freeze_layers", "freeze_embeddings", "frozen_outputs_gb", "layerwise_lr_decay", "lora", "distillation_temperature",
    "distillation_alpha",
}  # fmt: skip
OTHER = {"optim"}  # adamw_torch and adamw_torch_fused name the same optimizer


@pytest.mark.skipif(transformers.__version__.startswith("4"), reason="the names are those of transformers 5")
def test_names_and_defaults():
    refused = {name: default for name, (default, _) in arguments._REFUSED.items()}
    known = {**OURS, **arguments._HARMLESS, **refused}
    assert THEIRS.keys() - known.keys() - arguments._RENAMED.keys() == set()
    assert known.keys() - THEIRS.keys() == OWN
    differing = {
        name
        for name in known.keys() - OWN
        if THEIRS[name] is not MISSING is not known[name] and known[name] != THEIRS[name]
    }
    assert differing == OTHER
