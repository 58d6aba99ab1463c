"""What the package ships, and what it runs on."""

import platform
import sys
from pathlib import Path

import numpy as np

from deberta_c import _core

__version__ = "0.1.0"

_HERE = Path(__file__).parents[1]


def default_model() -> str:
    """The directory of the model that is used when none is named: SMS messages, ham or spam.

    Errors: OSError when the installation lacks it.

    >>> Path(default_model()).name
    'sms-spam'
    """
    directory = _HERE / "assets" / "models" / "sms-spam"
    if not (directory / "config.json").is_file():
        raise FileNotFoundError(f"{str(directory)!r} is missing; install deberta_c again, or name a model")
    return str(directory)


def sample_messages() -> str:
    """The path of a small table of invented messages (columns label and text), which the demo classifies.

    >>> Path(sample_messages()).read_text(encoding="utf-8").splitlines()[0]
    'label,text'
    """
    return str(_HERE / "assets" / "messages.csv")


def show_config() -> None:
    """Prints versions, instruction set and threads, for bug reports.

    >>> show_config()  # doctest: +ELLIPSIS
    deberta_c 0.1.0
    ...
    """
    print(f"deberta_c {__version__}")
    print(f"instruction set {_core.isa()} (DEBERTA_C_ISA chooses: scalar, avx2, avx512, amx)")
    print(f"linear layers by {_core.linear_layers()} kernels (DEBERTA_C_MATMUL chooses: own, onednn)")
    types = ", ".join(f"{dtype} ({_core.multiplier(dtype)})" for dtype in ("float32", "bfloat16", "int8"))
    print(f"types of linear layers: {types}")
    if "bfloat16" not in _core.dtypes():
        print("bfloat16 is the type of weights only: products need AVX512_BF16, which is not in use")
    print(f"threads {_core.get_num_threads()} (DEBERTA_C_NUM_THREADS or deberta_c.set_num_threads)")
    print(f"oneDNN {_core.onednn_version()}")
    print(f"NumPy {np.__version__}, Python {platform.python_version()}, {platform.machine()} {sys.platform}")
    print(f"installed in {_HERE}")
