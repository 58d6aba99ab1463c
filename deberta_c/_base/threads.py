"""How many threads the core uses."""

from collections.abc import Iterator
from contextlib import contextmanager

from deberta_c import _core
from deberta_c._base.checks import is_integer


def get_num_threads() -> int:
    """Threads that a call uses.

    The default is DEBERTA_C_NUM_THREADS, else OMP_NUM_THREADS, else the CPUs that this process may use.

    >>> get_num_threads() >= 1
    True
    """
    return _core.get_num_threads()


def set_num_threads(count: int) -> None:
    """Sets the number of threads for the whole process; 0 restores the default.

    Errors: TypeError when `count` is not an integer, ValueError when it is negative.

    >>> set_num_threads(0)
    """
    if not is_integer(count):
        raise TypeError(f"count is {count!r}; give a number of threads, or 0 for the default")
    if not 0 <= count <= 4096:
        raise ValueError(f"count is {count}; give a number of threads from 1 to 4096, or 0 for the default")
    _core.set_num_threads(int(count))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Within the block, calls of this process use `count` threads.

    >>> with threads(1):
    ...     get_num_threads()
    1
    """
    before = get_num_threads()
    set_num_threads(count)
    try:
        yield
    finally:
        set_num_threads(before)
