"""Losses and their gradients beside torch's autograd, and beside the label smoother of transformers' Trainer."""

import numpy as np
import pytest

from deberta_c._models.losses import distillation_loss_and_gradient, loss_and_gradient, span_loss_and_gradient
from tests.parity.oracle import torch

functional = torch.nn.functional
RANDOM = np.random.default_rng(2)
LOGITS = (3 * RANDOM.standard_normal((40, 5))).astype(np.float32)
CLASSES = RANDOM.integers(0, 5, 40)
CLASSES[::7] = -100
SOFT = RANDOM.dirichlet(np.ones(5), 40).astype(np.float32)
BITS = (SOFT > 0.3).astype(np.float32)
WEIGHTS = np.array([0.5, 2, 1, 3, 0.1], np.float32)
SINGLE, MULTIPLE, REGRESSION = "single_label_classification", "multi_label_classification", "regression"


def agree(found, function, logits=LOGITS):
    """Loss and gradient beside those of a function of torch."""
    theirs = torch.tensor(logits, requires_grad=True)
    loss = function(theirs)
    loss.backward()
    assert found[0] == pytest.approx(loss.item(), rel=2e-6)
    np.testing.assert_allclose(found[1], theirs.grad.numpy(), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_cross_entropy(weights, smoothing):
    options = {"label_smoothing": smoothing}
    theirs = {"weight": None if weights is None else torch.tensor(weights), **options}
    found = loss_and_gradient(SINGLE, LOGITS, CLASSES, class_weights=weights, **options)
    agree(found, lambda logits: functional.cross_entropy(logits, torch.tensor(CLASSES), **theirs))
    found = loss_and_gradient("soft_labels", LOGITS, SOFT, class_weights=weights, **options)
    agree(found, lambda logits: functional.cross_entropy(logits, torch.tensor(SOFT), **theirs))


def test_the_label_smoother_of_transformers():
    smoother = pytest.importorskip("transformers.trainer_pt_utils").LabelSmoother(epsilon=0.1)
    found = loss_and_gradient(SINGLE, LOGITS, CLASSES, label_smoothing=0.1)
    agree(found, lambda logits: smoother({"logits": logits}, torch.tensor(CLASSES)))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_independent_labels(weights):
    found = loss_and_gradient(MULTIPLE, LOGITS, BITS, class_weights=weights)
    positive = None if weights is None else torch.tensor(weights)
    agree(found, lambda logits: functional.binary_cross_entropy_with_logits(
        logits, torch.tensor(BITS), pos_weight=positive))  # fmt: skip


def test_squares():
    agree(loss_and_gradient(REGRESSION, LOGITS, SOFT), lambda logits: functional.mse_loss(logits, torch.tensor(SOFT)))


def test_replaced_tokens():
    labels = np.where(CLASSES < 0, -100, CLASSES % 2)
    kept = torch.tensor(labels >= 0)
    found = loss_and_gradient("replaced_tokens", LOGITS[:, :1], labels)
    agree(found, lambda logits: functional.binary_cross_entropy_with_logits(
        logits[kept, 0], torch.tensor(labels)[kept].float()), LOGITS[:, :1].copy())  # fmt: skip


def test_answers():
    """Rows of one length, as transformers takes them; positions at the end of a row are ignored."""
    logits = LOGITS[:, :2].copy()
    starts, ends = RANDOM.integers(0, 11, 4), np.array([3, 10, 0, 9])

    def theirs(logits):
        parts = logits.reshape(4, 10, 2)
        return sum(
            functional.cross_entropy(parts[..., side], torch.tensor(places), ignore_index=10)
            for side, places in enumerate((starts, ends))
        ) / 2  # fmt: skip

    agree(span_loss_and_gradient(logits, 10 * np.arange(5), starts, ends), theirs, logits)


@pytest.mark.parametrize("alpha", [0.0, 0.25])
def test_distillation(alpha):
    teacher = torch.tensor((3 * RANDOM.standard_normal((40, 5))).astype(np.float32))
    classes, heat = np.maximum(CLASSES, 0), 2.5
    target = functional.softmax(teacher / heat, -1)

    def theirs(logits):
        soft = functional.kl_div(functional.log_softmax(logits / heat, -1), target, reduction="batchmean")
        return alpha * functional.cross_entropy(logits, torch.tensor(classes)) + (1 - alpha) * heat**2 * soft

    found = distillation_loss_and_gradient(SINGLE, LOGITS, classes, teacher, temperature=heat, alpha=alpha)
    agree(found, theirs)
