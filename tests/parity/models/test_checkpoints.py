"""Checkpoints as transformers writes them: half precisions, shards, configurations full of defaults."""

import json

import pytest
import safetensors.torch
import torch

import deberta_c
from tests.parity.oracle import Pair, batch, errors, load_theirs, rewrite_config, run_ours, run_theirs, tiny

# Fields of a v3 network that transformers' configuration class does not declare: a loader may not lose them.
UNDECLARED = {"share_att_key", "norm_rel_ebd", "position_buckets"}


@pytest.mark.parametrize("shard", ["50GB", "40KB"], ids=["single", "sharded"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_stored_dtype(tmp_path, dtype, shard):
    network = Pair(tmp_path, tiny(), dtype=dtype, max_shard_size=shard)
    files = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert (len(files) > 1) == (shard == "40KB")
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["dtype"] == dtype
    assert saved.keys() >= UNDECLARED
    network.compare(network.batch([16, 130, 40], "right"))


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_pickled_weights(tmp_path, dtype, zipped, shards):
    """pytorch_model.bin with a stray configuration, as fine-tuned models before 2023 and all of Microsoft's have."""
    network = Pair(tmp_path, tiny(), dtype=dtype)
    tensors = safetensors.torch.load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    names = [f"pytorch_model-{part}.bin" if shards > 1 else "pytorch_model.bin" for part in range(shards)]
    for part, name in enumerate(names):
        content = dict(list(tensors.items())[part::shards])
        if shards == 1:
            content["config"] = {"hidden_size": 32, "pos_att_type": ["p2c", "c2p"], "layer_norm_eps": 1e-7}
        torch.save(content, tmp_path / name, _use_new_zipfile_serialization=zipped)
    if shards > 1:
        weight_map = {tensor: names[place % shards] for place, tensor in enumerate(tensors)}
        index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
        (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    inputs = network.batch([16, 130, 40], "right")
    expected = run_ours(network.ours, inputs)
    ours = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    found = errors(run_ours(ours, inputs), expected, inputs["attention_mask"])
    assert max(found.values()) == 0, found
    theirs = load_theirs(tmp_path)
    found = errors(run_ours(ours, inputs), run_theirs(theirs, inputs), inputs["attention_mask"])
    assert max(found.values()) <= 2e-5, found


def test_odd_sizes_in_half_precision(tmp_path):
    """Tensors of an odd number of 2-byte items leave their neighbours at unaligned offsets."""
    config = tiny(hidden_size=21, num_attention_heads=3, intermediate_size=37, vocab_size=13)
    network = Pair(tmp_path, config, dtype="float16")
    network.compare(network.batch([16, 7]))


@pytest.mark.parametrize(
    "changes",
    [
        {"pos_att_type": "p2c|c2p"},
        {"pos_att_type": ["c2p", "p2c"]},
        {"max_relative_positions": None},
        {"pooler_hidden_size": None, "pooler_dropout": None},
        {"layer_norm_eps": None},
        {"hidden_act": None, "pooler_hidden_act": None},
        {"type_vocab_size": None, "pad_token_id": None, "model_type": "deberta-v2"},
        {"padding_idx": 0, "z_steps": 0, "pooling": "mean", "tasks": ["a"], "attention_head_size": 8},
        {"architectures": None, "dtype": None, "transformers_version": None},
        {"conv_kernel_size": 0, "conv_act": "gelu"},
    ],
    ids=lambda changes: "+".join(changes),
)
def test_config_fields_absent_or_unknown(tmp_path, changes):
    """Absent keys of config.json have the default of transformers; unknown ones are ignored."""
    config = tiny()
    Pair(tmp_path, config)
    rewrite_config(tmp_path, **changes)
    theirs = load_theirs(tmp_path)
    ours = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    inputs = batch(config, [16, 130])
    found = errors(run_ours(ours, inputs), run_theirs(theirs, inputs), inputs["attention_mask"])
    assert max(found.values()) <= 2e-5, found


@pytest.mark.parametrize("field", ["share_att_key", "position_buckets", "norm_rel_ebd"])
def test_every_undeclared_field_counts(tmp_path, field):
    """A missing key is noticed: the weights contradict the configuration, or the results differ."""
    config = tiny()
    network = Pair(tmp_path, config)
    inputs = network.batch([40, 150])
    whole = run_ours(network.ours, inputs)
    rewrite_config(tmp_path, **{field: None})
    try:
        lost = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    except ValueError:
        return
    found = errors(run_ours(lost, inputs), whole, inputs["attention_mask"])
    assert found["logits"] > 1e-3


def test_buckets_depend_on_max_position_embeddings(tmp_path):
    """No shape changes, but every distance beyond half the buckets moves to another row of the table."""
    config = tiny()
    network = Pair(tmp_path, config)
    inputs = network.batch([600])
    before = run_ours(network.ours, inputs)
    rewrite_config(tmp_path, max_position_embeddings=1024)
    ours = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    theirs = run_theirs(load_theirs(tmp_path), inputs)
    after = run_ours(ours, inputs)
    assert max(errors(after, theirs, inputs["attention_mask"]).values()) <= 2e-5
    assert errors(after, before, inputs["attention_mask"])["hidden"] > 1e-2


def test_more_token_types_than_a_byte_holds(tmp_path):
    """No published model has them: raising is right, reading a wrong row is not."""
    Pair.save(tmp_path, config := tiny(type_vocab_size=300))
    try:
        ours = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    except ValueError as error:
        if "type_vocab_size" not in str(error):
            raise
        return
    inputs = batch(config, [40, 40])
    found = errors(run_ours(ours, inputs), run_theirs(load_theirs(tmp_path), inputs), inputs["attention_mask"])
    assert max(found.values()) <= 2e-5, found
