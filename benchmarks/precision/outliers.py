# SPDX-License-Identifier: Apache-2.0
"""Networks with outliers: the same function in float32, but inputs of linear layers with a few very large channels.

Trained transformers have such channels, and they are what makes int8 fail: one scale has to cover them and all others.
Both kinds that are put in here are taken out again exactly by the next weights:

- a few channels of a LayerNorm become `size` times as large as the largest of its ordinary outputs, by their bias. The
  linear layers that read them subtract from their bias what this adds, and so does the layer whose output is added
  before the next LayerNorm. The gain of a LayerNorm cannot be taken out exactly, because of that addition;
- a few channels of the values in attention are multiplied by `size`, and the columns of the output layer divided by it.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from deberta_c._files.checkpoint import Tensor
from deberta_c._files.shards import write_weights

Weights = dict[str, np.ndarray]
LARGEST = 4.0  # ordinary outputs of a LayerNorm, in standard deviations


def write(model: Any, folder: Path, size: float, channels: int = 3, layers: Iterable[int] | None = None) -> None:
    """Writes a model to a folder, with `channels` outliers in each place of `layers`, by default of all layers."""
    model.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    weights = {name: np.array(array, np.float32) for name, array in model.state_dict().items()}
    names = {name.partition(".encoder.layer.")[0] for name in weights if ".encoder.layer." in name}
    here = f"{names.pop()}.encoder.layer"
    for layer in range(model.config.num_hidden_layers) if layers is None else layers:
        put_in(weights, f"{here}.{layer}", size, channels)
    tensors = [Tensor(name, "F32", array.shape, array.reshape(-1).view(np.uint8)) for name, array in weights.items()]
    write_weights(folder.joinpath, tensors, limit="50GB")


def put_in(weights: Weights, layer: str, size: float, channels: int) -> None:
    """Puts outliers into the inputs of two linear layers: that which widens, and that of attention's output."""
    shifted, scaled = (
        np.random.default_rng(0)
        .permutation(len(weights[f"{layer}.output.dense.bias"]))[: 2 * channels]
        .reshape(2, channels)
    )
    norm, wide = f"{layer}.attention.output.LayerNorm", f"{layer}.intermediate.dense"
    by = size * LARGEST * np.sqrt(np.mean(weights[f"{norm}.weight"] ** 2))
    weights[f"{norm}.bias"][shifted] += by
    weights[f"{wide}.bias"] -= by * weights[f"{wide}.weight"][:, shifted].sum(axis=1)
    weights[f"{layer}.output.dense.bias"][shifted] -= by
    value = next(name[:-7] for name in weights if re.fullmatch(rf"{re.escape(layer)}\..*\.value(_proj)?\.weight", name))
    weights[f"{value}.weight"][scaled] *= size
    weights[f"{value}.bias"][scaled] *= size
    weights[f"{layer}.attention.output.dense.weight"][:, scaled] /= size
