"""Tensors in, tensors out: code written for transformers continues in torch."""

import subprocess
import sys

import numpy as np
import pytest

from tests.support.tiny_models import TINY, write_model

torch = pytest.importorskip("torch", reason="the parity suite needs torch")

import deberta_c  # noqa: E402

HEADS = {
    "AutoModel": ("none", {}),
    "AutoModelForSequenceClassification": ("sequence", {"labels": [1, 2]}),
    "AutoModelForTokenClassification": ("tokens", {"labels": "input_ids"}),
    "AutoModelForMaskedLM": ("legacy_lm", {"labels": "input_ids"}),
    "AutoModelForQuestionAnswering": ("spans", {"start_positions": [1, 2], "end_positions": [2, 3]}),
    "AutoModelForPreTraining": ("replaced", {"labels": "attention_mask"}),
    "AutoModelForMultipleChoice": ("choice", {"labels": [0]}),
}


def flat(output):
    """Names and arrays or tensors."""
    for name, value in output.items():
        for place, part in enumerate(value if isinstance(value, tuple) else (value,)):
            yield f"{name}[{place}]", part


@pytest.mark.parametrize("head", HEADS)
def test_every_output_follows_its_inputs(head, tmp_path):
    kind, labels = HEADS[head]
    changes = {"id2label": {"0": "start", "1": "end"}} if kind == "spans" else {}
    folder = write_model(tmp_path / "model", head=kind, base=TINY, **changes)
    model = getattr(deberta_c, head).from_pretrained(folder)
    inputs = dict(
        deberta_c.AutoTokenizer.from_pretrained(folder)(["hello", "see you"], padding=True, return_tensors="pt")
    )
    assert all(isinstance(value, torch.Tensor) for value in inputs.values())
    if head == "AutoModelForTokenClassification":
        inputs["labels"] = inputs["input_ids"] % 3
    elif labels:
        inputs |= {
            name: inputs[value] if isinstance(value, str) else torch.tensor(value) for name, value in labels.items()
        }
    if kind == "choice":
        inputs = {name: value if name == "labels" else value[None] for name, value in inputs.items()}
    states = {"output_hidden_states": True, "output_attentions": True}
    tensors = model(**inputs, **states)
    arrays = model(**{name: value.numpy() for name, value in inputs.items()}, **states)
    lists = model(**{name: value.tolist() for name, value in inputs.items()}, **states)
    assert tensors.keys() == arrays.keys()
    assert repr(tensors) == repr(arrays) == repr(lists)
    for (name, tensor), (_, array), (_, other) in zip(flat(tensors), flat(arrays), flat(lists), strict=True):
        assert type(tensor) is torch.Tensor, name
        assert isinstance(array, (np.ndarray, np.float32)), name
        assert isinstance(other, (np.ndarray, np.float32)), name
        assert tensor.dtype == torch.float32
        np.testing.assert_array_equal(tensor.numpy(), array)
    assert type(model(**inputs, return_dict=False)[0]) is torch.Tensor
    assert "loss" not in tensors or tensors.loss.item() == pytest.approx(float(arrays.loss))


def test_copied_code_runs(tmp_path):
    folder = write_model(tmp_path / "model")
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(folder)
    batches = [tokenizer(texts, padding=True, return_tensors="pt") for texts in (["hello", "see you"], ["call now"])]
    with torch.no_grad():
        logits = torch.cat([model(**batch.to("cpu")).logits for batch in batches])
    scores = torch.softmax(logits, dim=-1)
    assert scores.shape == (3, 3)
    assert scores.sum(dim=1).tolist() == pytest.approx([1, 1, 1])
    assert logits.argmax(dim=-1).tolist() == logits.detach().cpu().numpy().argmax(-1).tolist()
    np.testing.assert_allclose(scores.numpy(), deberta_c.softmax(logits.numpy()), atol=1e-6)
    np.testing.assert_allclose(torch.sigmoid(logits).numpy(), deberta_c.sigmoid(logits.numpy()), atol=1e-6)
    np.testing.assert_allclose(torch.softmax(logits, 0).numpy(), deberta_c.softmax(logits.numpy(), axis=0), atol=1e-6)


def test_a_tensor_has_the_memory_of_the_array():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    output = deberta_c._models.outputs.of_tensors(deberta_c.SequenceClassifierOutput(logits=array))
    output.logits[0, 0] = 7
    assert array[0, 0] == 7
    assert output.loss is None


def test_torch_is_not_imported_for_arrays(tmp_path):
    folder = write_model(tmp_path / "model")
    code = (
        "import sys, deberta_c\n"
        f"model = deberta_c.AutoModelForSequenceClassification.from_pretrained({str(folder)!r})\n"
        "inputs = model.tokenizer(['hello'], return_tensors='np')\n"
        "print(type(model(**inputs).logits).__name__, 'torch' in sys.modules)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.split() == ["ndarray", "False"]
