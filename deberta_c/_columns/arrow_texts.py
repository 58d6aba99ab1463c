"""A column of texts in the memory of Arrow, which the tokenizer reads in place."""

import sys
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


class ArrowTexts(Sequence[str]):
    """Texts one after the other: row r has the bytes `offsets[r]` to `offsets[r + 1]` of `data`, which are UTF-8.

    The core takes it for a sequence of str, by `utf8_buffers`.
    """

    def __init__(self, offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> None:
        self.utf8_buffers = offsets, data

    def __len__(self) -> int:
        return len(self.utf8_buffers[0]) - 1

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        offsets, data = self.utf8_buffers
        row = range(len(self))[row]
        return data[offsets[row] : offsets[row + 1]].tobytes().decode()


def arrow_texts(column: Any) -> ArrowTexts | None:
    """The texts of a column of pyarrow, or of polars or pandas in the layout of Arrow, without a str for each row.

    None for any other column, one with missing or damaged values or no row, and where pyarrow is not imported: its
    texts must become str one by one.

    >>> arrow_texts(["a"]) is None
    True
    >>> import pyarrow
    >>> list(arrow_texts(pyarrow.array(["a", "", "b"])))
    ['a', '', 'b']
    """
    pa = sys.modules.get("pyarrow")
    if pa is None or not _is_arrow(column, pa):
        return None
    try:
        chunked = pa.chunked_array([column] if isinstance(column, pa.Array) else column)
        if (
            not len(chunked)
            or chunked.null_count
            or chunked.type not in (pa.string(), pa.large_string(), pa.string_view())
        ):
            return None
        chunked.validate(full=True)
    except pa.ArrowInvalid:
        return None
    array = pa.concat_arrays(chunked.cast(pa.large_string()).chunks or [pa.array([], pa.large_string())])
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return ArrowTexts(ends - ends[0], np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]])


def _is_arrow(column: Any, pa: Any) -> bool:
    """Whether a column is of pyarrow, or has a C interface that pyarrow reads without a conversion."""
    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        return True
    if (
        not hasattr(column, "__arrow_c_stream__")
        or not hasattr(column, "dtype")
        or int(pa.__version__.split(".")[0]) < 16
    ):
        return False
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(column, polars.Series):
        return bool(column.dtype == polars.String)
    return getattr(column.dtype, "storage", "") == "pyarrow" or hasattr(column.dtype, "pyarrow_dtype")
