# SPDX-License-Identifier: Apache-2.0
"""The libraries that run the same checkpoint: each computes float32 logits (N, C) from rows of ids.

A peer imports its libraries when it is created, so that a process contains those of one peer only. `modules` are the
imports of a user; `prepare` runs before timing; `run` is timed: from arrays of ids to logits.
"""

from pathlib import Path

import numpy as np

from benchmarks.cases import batches, padded
from benchmarks.peers.models import ONNX, ONNX_INT8, ONNX_INT8_CHANNELS


class Ours:
    """deberta_c: the rows without padding, as `predict` runs them after tokenization."""

    name = "deberta_c"
    modules = ("deberta_c",)
    dtype = "float32"

    def __init__(self, directory: Path, threads: int) -> None:
        import deberta_c

        deberta_c.set_num_threads(threads)
        self.model = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory, dtype=self.dtype)

    def prepare(self, rows, in_order_of_length):
        from deberta_c._cli.bench import pack_rows

        return pack_rows(rows)

    def run(self, rows):
        from deberta_c._cli.bench import run_rows

        return run_rows(self.model, rows)


class Padding:
    """A library that takes padded batches."""

    def prepare(self, rows, in_order_of_length):
        chosen = batches(rows, in_order_of_length)
        return chosen, [self.inputs(padded([rows[i] for i in batch])) for batch in chosen]

    def inputs(self, arrays):
        return arrays

    def run(self, prepared):
        chosen, inputs = prepared
        logits = self.forward(inputs)
        ordered = np.empty((sum(map(len, chosen)), logits[0].shape[1]), np.float32)
        for batch, part in zip(chosen, logits, strict=True):
            ordered[batch] = part
        return ordered


class Eager(Padding):
    name = "transformers eager"
    modules = ("torch", "transformers.models.auto.modeling_auto")

    def __init__(self, directory: Path, threads: int) -> None:
        import torch
        import transformers

        torch.set_num_threads(threads)
        self.torch = torch
        self.model = transformers.AutoModelForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32, attn_implementation="eager"
        ).eval()

    def inputs(self, arrays):
        return {name: self.torch.from_numpy(array) for name, array in arrays.items()}

    def forward(self, inputs):
        with self.torch.inference_mode():
            return [self.model(**batch).logits.numpy() for batch in inputs]


class Compiled(Eager):
    name = "torch.compile"

    def __init__(self, directory: Path, threads: int) -> None:
        super().__init__(directory, threads)
        self.model = self.torch.compile(self.model, dynamic=True)


class OnnxRuntime(Padding):
    name = "onnxruntime"
    modules = ("onnxruntime",)
    file = ONNX

    def __init__(self, directory: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(
            str(directory / self.file), options, providers=["CPUExecutionProvider"]
        )

    def forward(self, inputs):
        return [self.session.run(["logits"], batch)[0] for batch in inputs]


class OnnxRuntimeInt8(OnnxRuntime):
    name = "onnxruntime int8"
    file = ONNX_INT8


class OpenVino(Padding):
    name = "OpenVINO latency"
    modules = ("openvino",)
    hint, precision = "LATENCY", "f32"

    def __init__(self, directory: Path, threads: int) -> None:
        import openvino

        settings = {
            "PERFORMANCE_HINT": self.hint,
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": self.precision,
        }
        self.model = openvino.Core().compile_model(str(directory / ONNX), "CPU", settings)
        self.request = self.model.create_infer_request()

    def forward(self, inputs):
        return [self.request.infer(batch)["logits"].copy() for batch in inputs]


class OpenVinoThroughput(OpenVino):
    """Several batches at a time, as many as the library suggests."""

    name = "OpenVINO throughput"
    hint = "THROUGHPUT"

    def __init__(self, directory: Path, threads: int) -> None:
        import openvino

        super().__init__(directory, threads)
        self.queue = openvino.AsyncInferQueue(self.model)
        self.queue.set_callback(self._keep)

    def _keep(self, request, index):
        self.logits[index] = request.get_output_tensor(0).data.copy()

    def forward(self, inputs):
        self.logits = [None] * len(inputs)
        for index, batch in enumerate(inputs):
            self.queue.start_async(batch, index)
        self.queue.wait_all()
        return self.logits


class OursBfloat16(Ours):
    name = "deberta_c bfloat16"
    dtype = "bfloat16"


class OursInt8(Ours):
    name = "deberta_c int8"
    dtype = "int8"


class Autocast(Eager):
    name = "torch bf16 autocast"

    def forward(self, inputs):
        with self.torch.inference_mode(), self.torch.autocast("cpu", dtype=self.torch.bfloat16):
            return [self.model(**batch).logits.float().numpy() for batch in inputs]


class OnnxRuntimeInt8Channels(OnnxRuntime):
    name = "onnxruntime int8 per channel"
    file = ONNX_INT8_CHANNELS


class OpenVinoBfloat16(OpenVino):
    name = "OpenVINO bf16"
    precision = "bf16"


PEERS = {
    peer.name: peer
    for peer in (Ours, Eager, Compiled, OnnxRuntime, OnnxRuntimeInt8, OpenVino, OpenVinoThroughput)
}  # fmt: skip
FLOAT32 = tuple(name for name in PEERS if name not in (Ours.name, OnnxRuntimeInt8.name))
LOW_PRECISION = {
    peer.name: peer
    for peer in (Ours, OursBfloat16, OursInt8, Autocast, OnnxRuntimeInt8, OnnxRuntimeInt8Channels, OpenVinoBfloat16)
}  # fmt: skip
