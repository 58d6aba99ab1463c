"""`Trainer` beside a loop of torch, head by head, without dropout: ten losses, the final weights, the predictions."""

import numpy as np
import pytest

import deberta_c
from deberta_c.training.callbacks import PrinterCallback
from deberta_c.training.data import grouped_by_length
from tests.parity.oracle import load_ours, load_theirs, torch, transformers

LabelSmoother = transformers.trainer_pt_utils.LabelSmoother

STEPS, ROWS, SIZE = 10, 80, 8
FIELDS = {"model_type": "deberta-v2", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
ARGUMENTS = {
    "per_device_train_batch_size": SIZE, "max_steps": STEPS, "learning_rate": 5e-4, "max_grad_norm": 1.0,
    "warmup_steps": 3, "weight_decay": 0.05, "logging_steps": 1, "save_strategy": "no", "disable_tqdm": True,
    "train_sampling_strategy": "sequential",
}  # fmt: skip

# Parameters that a softmax cancels: their gradients are zero, and Adam scales the rounding of that to full steps.
INVARIANT = dict.fromkeys(("sequence", "tokens", "masked_lm"), ("key_proj.bias",)) | {
    "answers": ("key_proj.bias", "qa_outputs.bias", "layer.2.output.LayerNorm.bias"),
    "choices": ("key_proj.bias", "classifier.bias"),
}


def rows_of(head):
    """Rows of one length, so that padding plays no part in spans."""
    draw = np.random.default_rng(3)
    ids = draw.integers(1, 101, (ROWS, 12))
    labels = {
        "sequence": {"labels": draw.integers(0, 3, ROWS)},
        "tokens": {"labels": np.where(ids % 5 == 0, -100, ids % 3)},
        "answers": {"start_positions": draw.integers(0, 12, ROWS), "end_positions": draw.integers(0, 12, ROWS)},
        "choices": {"labels": draw.integers(0, 2, ROWS // 2)},
        "masked_lm": {"labels": np.where(ids % 4 == 0, draw.integers(1, 101, ids.shape), -100)},
    }[head]
    columns = {"input_ids": ids, "attention_mask": np.ones_like(ids), **labels}
    if head == "choices":
        columns |= {name: columns[name].reshape(-1, 2, 12) for name in ("input_ids", "attention_mask")}
    return [
        {name: column[row].tolist() for name, column in columns.items()} for row in range(len(columns["input_ids"]))
    ]


def losses_of_torch(model, rows, smoothing):
    """The losses of a loop of torch, with the loss of transformers and its label smoother; the model is trained."""
    smoother = LabelSmoother(epsilon=smoothing) if smoothing else None
    decays = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decays, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=5e-4)
    schedule = transformers.get_scheduler("linear", optimizer, num_warmup_steps=3, num_training_steps=STEPS)
    found = []
    for step in range(STEPS):
        chosen = [rows[(step * SIZE + place) % len(rows)] for place in range(SIZE)]
        inputs = {name: torch.tensor([row[name] for row in chosen]) for name in rows[0]}
        out = model(**inputs)
        loss = smoother(out, inputs["labels"]) if smoother and "labels" in inputs else out.loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("head", ["sequence", "tokens", "answers", "choices", "masked_lm"])
def test_ten_steps(pair, tmp_path, head, smoothing):
    network = pair(head, **FIELDS, **({"num_labels": 2} if head == "answers" else {}))
    theirs, ours = load_theirs(network.directory, head=head), load_ours(network.directory, network.config, head)
    rows = rows_of(head)
    expected = losses_of_torch(theirs, rows, smoothing)
    arguments = deberta_c.TrainingArguments(str(tmp_path), **ARGUMENTS, label_smoothing_factor=smoothing)
    trainer = deberta_c.Trainer(ours, arguments, train_dataset=rows)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-5)
    values = {name: parameter.detach().numpy() for name, parameter in theirs.named_parameters()}
    for name, value in ours.named_parameters():
        if name in values and not name.endswith(INVARIANT[head]):
            assert np.linalg.norm(value - values[name]) <= 1e-4 * np.linalg.norm(values[name]), name
    found = trainer.predict(rows)
    with torch.inference_mode():
        inputs = {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}
        out = theirs(**inputs)
    logits = (out.start_logits, out.end_logits) if head == "answers" else (out.logits,)
    for one, other in zip(flat(found.predictions), logits, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=0, atol=2e-3)


def flat(value):
    return value if isinstance(value, tuple) else (value,)


@pytest.mark.parametrize(("count", "size"), [(7, 2), (40, 2), (1000, 4), (999, 3)])
def test_groups_of_similar_length(monkeypatch, count, size):
    from transformers.trainer_pt_utils import get_length_grouped_indices

    draw = np.random.default_rng(count)
    lengths, order = draw.permutation(count) + 1, draw.permutation(count)
    monkeypatch.setattr(torch, "randperm", lambda n, generator=None: torch.from_numpy(order))
    expected = get_length_grouped_indices(lengths.tolist(), size)
    assert grouped_by_length(order, lengths, size).tolist() == expected
