"""The core's training of small networks, which tests of the unit and of the parity suite share."""

import numpy as np
import pytest

import deberta_c
from deberta_c import _core
from deberta_c._models.tensor_names import match_weights
from tests.golden.draw import class_name, draw, save, tiny

LENGTHS = [5, 1, 40, 12, 3]
OFFSETS = np.cumsum([0, *LENGTHS]).astype(np.int64)
IDS = np.random.default_rng(0).integers(1, 101, OFFSETS[-1]).astype(np.int32)
DROPOUT = {"hidden_dropout": 0.2, "attention_dropout": 0.3, "pooler_dropout": 0.1, "head_dropout": 0.15}
NETWORKS = {
    "v3": {"model_type": "deberta-v2"},
    "v3_tokens": {"model_type": "deberta-v2", "head": "tokens"},
    "conv": {"model_type": "deberta-v2", "conv_kernel_size": 3},
    "enhanced": {"model_type": "deberta-v2", "head": "enhanced"},
    "v1_narrow": {"model_type": "deberta", "embedding_size": 12},
    "bert": {"model_type": "bert"},
}


def written(directory, head="sequence", **changes):
    """The model of a small checkpoint of `tests.golden.draw`, which is written to a directory."""
    config = tiny(**changes)
    save(directory, config, draw(config, 1, head))
    return getattr(deberta_c, class_name(config, head)).from_pretrained(directory)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request, tmp_path_factory):
    """A model of each family and kind of head."""
    return written(tmp_path_factory.mktemp("model"), **NETWORKS[request.param])


def matched_weights(model):
    """The weights of a model as the core takes them, and their names in its files."""
    plan, found = model._opened, dict(model._weights())
    return match_weights(model._wanted(plan), found, plan.settings, model._tie(plan.config, found))


def training_of(model, **options):
    """The core's training of the network that a model runs."""
    return _core.Training(model._settings, matched_weights(model).tensors, **options)


def loss_of(training, seed):
    """The sum of sines of small logits, and its gradient by the logits."""
    logits = training.forward(IDS, OFFSETS, seed=seed)
    return float(np.sum(np.sin(0.1 * logits.astype(np.float64)))), (0.1 * np.cos(0.1 * logits)).ravel()


def assert_threads_change_no_bit(model, counts, **options):
    """Two steps with each number of threads have the same norms of gradients, and lead to the same parameters."""
    found = []
    for count in counts:
        with deberta_c.threads(count):
            training = training_of(model, **options)
            norms = []
            for step in range(2):
                training.backward(loss_of(training, seed=step)[1])
                norms.append(training.update(1e-3, weight_decay=0.1, max_norm=1.0))
            found.append((norms, [training.parameter(name) for name in training.names]))
    for norms, parameters in found[1:]:
        assert norms == found[0][0]
        assert all(np.array_equal(one, other) for one, other in zip(parameters, found[0][1], strict=True))


def all_gradients(training):
    return {name: training.gradient(name) for name in training.names}
