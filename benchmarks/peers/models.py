# SPDX-License-Identifier: Apache-2.0
"""Writes a random checkpoint of a published size, and its exports to ONNX in float32 and int8.

python -m benchmarks.peers.models v3-base DIR
"""

import subprocess
import sys
from pathlib import Path

ONNX, ONNX_INT8 = "model.onnx", "model_int8.onnx"
ONNX_INT8_CHANNELS = "model_int8_channels.onnx"  # a scale for each output channel
TOLERANCE = 1e-4  # of logits; a wrong export differs by much more

V3 = {
    "model_type": "deberta-v2", "vocab_size": 128100,
    "hidden_act": "gelu", "max_position_embeddings": 512, "max_relative_positions": -1,
    "relative_attention": True, "position_buckets": 256, "share_att_key": True, "norm_rel_ebd": "layer_norm",
    "pos_att_type": "p2c|c2p", "position_biased_input": False, "type_vocab_size": 0, "layer_norm_eps": 1e-7,
    "pad_token_id": 0,
}  # fmt: skip
BERT = {
    "model_type": "bert", "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}  # fmt: skip


def size(family, hidden, layers):
    heads = hidden // 64
    return family | {
        "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": 4 * hidden, "num_labels": 3,
    }  # fmt: skip


# The published configurations of microsoft/deberta-v3-* and bert-base-uncased.
CONFIGS = {
    "v3-xsmall": size(V3, 384, 12),
    "v3-small": size(V3, 768, 6),
    "v3-base": size(V3, 768, 12),
    "v3-large": size(V3, 1024, 24),
    "bert-base": size(BERT, 768, 12),
}


def write_checkpoint(name, directory):
    """Writes random weights, twice as wide as in a new model, so that attention is not uniform."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(**CONFIGS[name])
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.dim() == 2 and "embeddings" not in parameter_name:
                parameter.mul_(2.0)
    model.save_pretrained(directory)


def write_checkpoint_in_process(name, directory):
    """The same in a separate process, so that this one does not load torch."""
    code = "import sys; from benchmarks.peers import models; models.write_checkpoint(*sys.argv[1:])"
    subprocess.run([sys.executable, "-c", code, name, str(directory)], check=True)


def padded_example(rows, width, vocab_size):
    """Ids and mask whose last row is half padding."""
    import torch

    ids = torch.randint(4, vocab_size, (rows, width), generator=torch.Generator().manual_seed(rows))
    mask = torch.ones_like(ids)
    mask[-1, width // 2 :] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


def export(directory):
    """Writes the ONNX files; the float32 one must agree with transformers at shapes other than that of the export."""
    import onnxruntime
    import torch
    import transformers
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    vocab_size = model.config.vocab_size
    axes = {0: torch.export.Dim("rows", min=1, max=4096), 1: torch.export.Dim("width", min=2, max=512)}
    with torch.inference_mode():
        torch.onnx.export(
            model,
            (),
            str(directory / ONNX),
            kwargs=padded_example(3, 24, vocab_size),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes={"input_ids": axes, "attention_mask": axes},
            dynamo=True,
            external_data=True,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(str(directory / ONNX), providers=["CPUExecutionProvider"])
    for rows, width in ((1, 8), (5, 130), (2, 512)):
        example = padded_example(rows, width, vocab_size)
        with torch.inference_mode():
            expected = model(**example).logits.numpy()
        found = session.run(["logits"], {name: tensor.numpy() for name, tensor in example.items()})[0]
        difference = float(abs(found - expected).max())
        if not difference <= TOLERANCE:
            raise SystemExit(f"the ONNX export differs from transformers by {difference:.1e} at {rows} x {width}")
    quantize_dynamic(
        directory / ONNX, directory / ONNX_INT8, weight_type=QuantType.QInt8, use_external_data_format=True
    )


def export_channels(directory):
    """Writes the int8 file with a scale per channel beside the float32 one."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        Path(directory, ONNX),
        Path(directory, ONNX_INT8_CHANNELS),
        weight_type=QuantType.QInt8,
        per_channel=True,
        use_external_data_format=True,
    )


if __name__ == "__main__":
    name, target = sys.argv[1:]
    unfinished = Path(f"{target}.unfinished")
    write_checkpoint(name, unfinished)
    export(unfinished)
    unfinished.rename(target)
