"""Files of every kind, type and naming are the same network; deberta_c saves and draws as transformers does."""

import json

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import deberta_c
from tests.parity.oracle import (
    CLASSES,
    PUBLISHED,
    Pair,
    as_choices,
    batch,
    class_name,
    errors,
    flat,
    load_ours,
    load_theirs,
    run_ours,
    run_theirs,
    tiny,
    torch,
    transformers,
)

ARCHITECTURES = {
    "deberta": {"model_type": "deberta", "pos_att_type": "c2p|p2c"},
    "deberta-v2": {"conv_kernel_size": 3, "conv_act": "gelu", "conv_groups": 2},
    "bert": {"model_type": "bert"},
}
# (architecture, head, changes): every class that transformers has
MODELS = {
    f"{name}-{head}": (head, {**changes, **({"num_labels": 2} if head == "answers" else {})})
    for name, changes in ARCHITECTURES.items()
    for head in ("none", "sequence", "tokens", "answers", "choices", "masked_lm")
    if (name, head) != ("deberta", "choices")
}
MODELS["deberta-new_lm"] = "masked_lm", {**ARCHITECTURES["deberta"], "legacy": False}
MODELS["deberta-v2-new_lm"] = "masked_lm", {"legacy": False}
MODELS["deberta-v2-narrow_lm"] = (
    "masked_lm",
    {"embedding_size": 12, "position_biased_input": True, "type_vocab_size": 2},
)
MODELS["deberta-v2-v3"] = "sequence", {}
MODELS["deberta-v2-separate"] = "sequence", {"share_att_key": False, "norm_rel_ebd": None}


def write_safetensors(path, tensors):
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})


def write_bin(path, tensors):
    torch.save(tensors, path / "pytorch_model.bin")


def write_legacy_bin(path, tensors):
    torch.save(tensors, path / "pytorch_model.bin", _use_new_zipfile_serialization=False)


def write_shards(path, tensors, stem, ending, save):
    """Three files and the index that names each tensor's."""
    names, where = sorted(tensors), {}
    for number in range(3):
        file = f"{stem}-{number + 1:05}-of-00003.{ending}"
        part = {name: tensors[name] for name in names[number::3]}
        save(part, path / file)
        where |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())}, "weight_map": where}
    (path / f"{stem}.{ending}.index.json").write_text(json.dumps(index))


def write_sharded_safetensors(path, tensors):
    write_shards(path, tensors, "model", "safetensors", lambda part, file: save_file(part, file, {"format": "pt"}))


def write_sharded_bin(path, tensors):
    write_shards(path, tensors, "pytorch_model", "bin", torch.save)


FILES = [
    (write_safetensors, "float16"), (write_safetensors, "bfloat16"), (write_sharded_safetensors, "bfloat16"),
    (write_bin, "float32"), (write_bin, "float16"), (write_bin, "bfloat16"),
    (write_legacy_bin, "float32"), (write_legacy_bin, "float16"), (write_sharded_bin, "float16"),
    (write_sharded_bin, "bfloat16"),
]  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """saved(changes, head) -> (directory, its tensors) of a float32 checkpoint, as transformers writes it."""
    made = {}

    def make(changes, head="sequence"):
        key = repr((changes, head))
        if key not in made:
            directory = tmp_path_factory.mktemp("saved")
            Pair.save(directory, tiny(**changes), head=head)
            made[key] = directory, load_file(directory / "model.safetensors")
        return made[key]

    return make


def rewritten(directory, source, tensors, write=write_safetensors):
    """A directory with the configuration of another and these tensors."""
    directory.mkdir()
    (directory / "config.json").write_bytes((source / "config.json").read_bytes())
    write(directory, tensors)
    return directory


def logits(directory, config, head="sequence"):
    """The outputs of deberta_c with a checkpoint."""
    inputs = batch(config, [16, 5, 40, 2])
    return run_ours(load_ours(directory, config, head), as_choices(inputs, 2) if head == "choices" else inputs).logits


@pytest.mark.parametrize(("write", "dtype"), FILES, ids=[f"{write.__name__[6:]}-{dtype}" for write, dtype in FILES])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_file(tmp_path, saved, name, write, dtype):
    """The same bits as from the float32 file with the same numbers; transformers has these logits, too."""
    config = tiny(**ARCHITECTURES[name])
    source, tensors = saved(ARCHITECTURES[name])
    half = {key: tensor.to(getattr(torch, dtype)) for key, tensor in tensors.items()}
    plain = rewritten(tmp_path / "plain", source, {key: tensor.float() for key, tensor in half.items()})
    other = rewritten(tmp_path / "other", source, half, write)
    assert logits(other, config).tobytes() == logits(plain, config).tobytes()
    inputs = batch(config, [16, 5, 40, 2])
    found = errors(
        run_ours(load_ours(other, config), inputs), run_theirs(load_theirs(other), inputs), inputs["attention_mask"]
    )
    assert max(found.values()) <= 2e-5, found


def old_norms(tensors):
    """The names of files from 2019."""
    ends = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    return {
        name.replace(old, ends[old]) if (old := "LayerNorm." + name.rpartition(".")[2]) in name else name: tensor
        for name, tensor in tensors.items()
    }


def prefixed(prefix):
    def rename(tensors):
        return {
            f"{prefix}{name.partition('.')[2]}" if name.startswith(("deberta.", "bert.")) else name: tensor
            for name, tensor in tensors.items()
        }

    return rename


def with_buffers(tensors):
    prefix = "bert" if any(name.startswith("bert.") for name in tensors) else "deberta"
    return {**tensors, f"{prefix}.embeddings.position_ids": torch.arange(512)[None]}


def with_config(tensors):
    """The stray entry of microsoft/deberta-large-mnli, which is not a tensor."""
    return {
        **tensors,
        "config": {"hidden_size": 32, "pos_att_type": "c2p|p2c", "nested": {"list": [1, 2.5, None, True]}},
    }


def in_one_storage(tensors):
    """Every matrix is a transposed view, every vector a slice of one storage with others."""
    vectors = {name: tensor for name, tensor in tensors.items() if tensor.ndim == 1}
    shared = torch.cat(list(vectors.values()))
    parts = dict(zip(vectors, shared.split([len(tensor) for tensor in vectors.values()]), strict=True))
    return {
        name: parts.get(name, tensor.transpose(0, -1).contiguous().transpose(0, -1)) for name, tensor in tensors.items()
    }


STRAYS = {
    "old_norms": (old_norms, write_legacy_bin),
    "bert_prefix": (prefixed("bert."), write_bin),
    "no_prefix": (prefixed(""), write_bin),
    "with_buffers": (with_buffers, write_bin),
    "with_config": (with_config, write_bin),
    "with_config_legacy": (with_config, write_legacy_bin),
    "in_one_storage": (in_one_storage, write_bin),
    "in_one_storage_legacy": (in_one_storage, write_legacy_bin),
}


@pytest.mark.parametrize("change", STRAYS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_names_and_strays(tmp_path, saved, name, change):
    """The names of tensors and other entries of a file change no bit."""
    config = tiny(**ARCHITECTURES[name])
    source, tensors = saved(ARCHITECTURES[name])
    changed, write = STRAYS[change]
    other = rewritten(tmp_path / "other", source, changed(tensors), write)
    assert logits(other, config).tobytes() == logits(source, config).tobytes()


@pytest.mark.parametrize(
    "name", ["deberta-masked_lm", "deberta-v2-masked_lm", "deberta-v2-narrow_lm", "bert-masked_lm"]
)
def test_tied_and_untied_decoder(tmp_path, saved, name):
    """The decoder may be absent, or stored as well, or stored instead; a different one is used, as in transformers."""
    head, changes = MODELS[name]
    config = tiny(**changes)
    source, tensors = saved(changes, head)
    words = f"{'bert' if name.startswith('bert') else 'deberta'}.embeddings.word_embeddings.weight"
    decoder, own_bias, bias = (f"cls.predictions.{part}" for part in ("decoder.weight", "decoder.bias", "bias"))
    assert decoder not in tensors
    expected = logits(source, config, head)
    both = {**tensors, decoder: tensors[words].clone(), own_bias: tensors[bias].clone()}
    instead = {key: tensor for key, tensor in both.items() if key not in (words, bias)}
    for number, held in enumerate((both, instead)):
        directory = rewritten(tmp_path / f"tied{number}", source, held)
        assert logits(directory, config, head).tobytes() == expected.tobytes()

    both[decoder] = both[decoder].flip(0).contiguous()
    directory = rewritten(tmp_path / "untied", source, both)
    with pytest.warns(UserWarning, match="decoder"):
        found = logits(directory, config, head)
    assert np.abs(found - expected).max() > 0.1
    inputs = batch(config, [16, 5, 40, 2])
    theirs = run_theirs(load_theirs(directory, head=head), inputs)
    valid = inputs["attention_mask"] != 0
    np.testing.assert_allclose(found[valid], theirs.logits[valid], rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", MODELS)
def test_saved_and_loaded_by_transformers(tmp_path, saved, name):
    """deberta_c saves the names and numbers of the files; transformers finds everything and computes the same."""
    head, changes = MODELS[name]
    config = tiny(**changes)
    source, tensors = saved(changes, head)
    load_ours(source, config, head).save_pretrained(tmp_path / "again")
    again = load_file(tmp_path / "again" / "model.safetensors")
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[key], tensors[key]) for key in tensors)
    auto = getattr(transformers, "Auto" + CLASSES[head].replace("For", "ModelFor"))
    theirs, report = auto.from_pretrained(
        tmp_path / "again", dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    assert type(theirs).__name__ == class_name(config, head)
    assert not any(report.values()), report
    inputs = batch(config, [16, 5, 40, 2])
    inputs = as_choices(inputs, 2) if head == "choices" else inputs
    mine = run_ours(load_ours(tmp_path / "again", config, head), inputs)
    assert mine.logits.tobytes() == logits(source, config, head).tobytes()
    found = errors(mine, run_theirs(theirs.eval(), inputs), flat(inputs["attention_mask"]))
    assert max(found.values()) <= 2e-5, found


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_halves_stay_halves(tmp_path, saved, name, dtype):
    """A saved copy of a file in half precision has its type and its bits."""
    source, tensors = saved(ARCHITECTURES[name])
    half = {key: tensor.to(getattr(torch, dtype)) for key, tensor in tensors.items()}
    directory = rewritten(tmp_path / "half", source, half, write_bin)
    load_ours(directory, tiny(**ARCHITECTURES[name])).save_pretrained(tmp_path / "again")
    again = load_file(tmp_path / "again" / "model.safetensors")
    assert again.keys() == half.keys()
    assert all(again[key].dtype == half[key].dtype and torch.equal(again[key], half[key]) for key in half)


@pytest.mark.parametrize("name", MODELS)
def test_initial_weights(tmp_path, name):
    """Tensor by tensor the mean and the deviation of transformers' own, within five standard errors of both."""
    head, changes = MODELS[name]
    config = {**tiny(**changes), "initializer_range": 0.05}
    transformers.set_seed(1)
    theirs = getattr(transformers, class_name(config, head))(transformers.AutoConfig.for_model(**config))
    theirs.save_pretrained(tmp_path / "theirs")
    config_of_ours = deberta_c.AutoConfig.from_pretrained(tmp_path / "theirs")
    ours = getattr(deberta_c, class_name(config, head)).from_config(config_of_ours, seed=2)
    ours.save_pretrained(tmp_path / "ours")
    drawn, expected = (load_file(tmp_path / who / "model.safetensors") for who in ("ours", "theirs"))
    assert {key: value.shape for key, value in drawn.items()} == {key: value.shape for key, value in expected.items()}
    for key, tensor in expected.items():
        own, other = drawn[key].double(), tensor.double()
        if other.unique().numel() == 1:
            assert torch.equal(own, other), key
            continue
        count = other.numel()
        deviation = other.std().item()
        assert abs(own.mean() - other.mean()) <= 5 * deviation * (2 / count) ** 0.5, key
        assert abs(own.std().item() / deviation - 1) <= 5 / count**0.5, key
        if count > 1000:  # normal: the mean fourth power is three, to five of its standard errors
            assert abs((own / deviation).pow(4).mean().item() - 3) <= 5 * (2 * 96 / count) ** 0.5 + 0.2, key
        if key.endswith("word_embeddings.weight"):
            assert not own[0].any()
            assert not other[0].any()


# Parameters by the specification: of the encoder, and with a pooler and a classifier of three labels.
COUNTS = {
    "v1-base": (138_601_728, 139_194_627),
    "v1-large": (405_163_008, 406_215_683),
    "v1-xlarge": (757_804_032, 758_856_707),
    "v2-xlarge": (884_593_152, 886_958_595),
    "v2-xxlarge": (1_564_549_632, 1_566_915_075),
    "v3-xsmall": (70_682_112, 70_831_107),
    "v3-small": (141_304_320, 141_897_219),
    "v3-base": (183_831_552, 184_424_451),
    "v3-large": (434_012_160, 435_064_835),
    "mdeberta-v3-base": (278_218_752, 278_811_651),
}


def shapes_of_ours(config, head):
    """Name -> shape of the tensors that a class needs, without any file."""
    kind = getattr(deberta_c, class_name(config, head))
    model = kind.__new__(kind)
    plan = model._plan(deberta_c.AutoConfig.from_dict(config), {}, {})
    tied = model._tie(plan.config, {})
    return {tied.get(source.file, source.file): tuple(source.stored) for source in model._wanted(plan)}


def shapes_of_theirs(config, head):
    model = empty_on_meta(config, head)
    tied = getattr(model, "_tied_weights_keys", None) or {}
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if name not in tied}


def empty_on_meta(config, head):
    with torch.device("meta"):
        return getattr(transformers, class_name(config, head))(transformers.AutoConfig.for_model(**config))


@pytest.mark.parametrize("head", ["none", "sequence", "tokens", "answers", "masked_lm"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_size(name, head):
    """Names and shapes are those of transformers, and the numbers of parameters those of the specification."""
    config = tiny(**PUBLISHED[name], num_labels=2 if head == "answers" else 3)
    own, other = shapes_of_ours(config, head), shapes_of_theirs(config, head)
    if head == "none":  # files of an encoder have no prefix
        own = {key.removeprefix("bert.").removeprefix("deberta."): shape for key, shape in own.items()}
    assert own == other
    if name in COUNTS and head in ("none", "sequence"):
        assert sum(map(int, map(np.prod, own.values()))) == COUNTS[name][head == "sequence"]
