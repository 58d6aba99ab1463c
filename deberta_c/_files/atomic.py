"""Directories that are written whole or not at all."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copy2, rmtree
from stat import S_IMODE


def _none(name: str) -> bool:
    return False


@contextmanager
def new_files(directory: str | Path, stale: Callable[[str], bool] = _none) -> Iterator[Callable[[str], Path]]:
    """A block that writes files of a directory; they appear when it ends, and not if it raises.

    The block gets a function from the name of a file to the path where to write it. A directory that did not exist
    appears with all its files at once. In one that did, files are replaced one by one after all have been written to
    the disk, weights last; they keep their mode, other files stay, and so does, for who has it open, the content of a
    file that is replaced. A power cut can leave some of the files new and others old, each of them whole, and a
    directory .deberta_c.* to remove.

    Errors: OSError when something cannot be written; then the directory is as it was.
    """
    directory = Path(directory).expanduser()
    existed = directory.is_dir()
    if directory.exists() and not existed:
        raise NotADirectoryError(f"{str(directory)!r} is a file; give a directory to save in")
    home = directory if existed else directory.parent
    home.mkdir(parents=True, exist_ok=True)
    drafts = _new_name(home)
    try:
        drafts.mkdir()
        yield lambda name: drafts / name
        files = sorted(drafts.iterdir(), key=lambda file: (file.suffix == ".safetensors", file.name))
        for file in files:
            _to_disk(file)
        _names_to_disk(drafts)
        if existed or not _appears(drafts, directory):
            _replace(files, directory)
        written = {file.name for file in files}
        for path in [path for path in directory.iterdir() if stale(path.name) and path.name not in written]:
            path.unlink()
        _names_to_disk(directory)
        _names_to_disk(directory.parent)
    except OSError as error:
        if isinstance(error.filename, str) and error.filename.startswith(str(drafts)):
            place = str(directory) + error.filename[len(str(drafts)) :]
            raise OSError(error.errno, error.strerror, place) from error
        if error.filename is None and error.errno is not None:  # a full disk
            raise OSError(error.errno, error.strerror, str(directory)) from error
        raise
    finally:
        rmtree(drafts, ignore_errors=True)


def require_writable(name: str, directory: str | Path) -> None:
    """Raises the OSError that writing to a directory would raise, before the work begins; `name` is the argument.

    >>> import tempfile
    >>> require_writable("output_dir", Path(tempfile.gettempdir(), "new", "model"))
    """
    directory = Path(directory).expanduser()
    home = next(place for place in (directory, *directory.absolute().parents) if place.exists())
    try:
        probe = _new_name(home)
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise type(error)(
            f"{name} is {str(directory)!r}, where nothing can be written ({error.strerror}); give another directory"
        ) from error


def require_file(name: str, path: str | Path) -> None:
    """Raises the OSError that writing to a file would raise, before the work begins; `name` is the argument.

    >>> import tempfile
    >>> require_file("path", Path(tempfile.gettempdir(), "report.html"))
    """
    path = Path(path).expanduser()
    if not path.parent.is_dir():
        folder = str(path.parent)
        raise FileNotFoundError(f"{name} is {str(path)!r}, but there is no folder {folder!r}; create it first")
    if path.is_dir():
        raise IsADirectoryError(f"{name} is {str(path)!r}, which is a directory; give a file in it")
    require_writable(name, path.parent)


def _new_name(home: Path) -> Path:
    return home / f".deberta_c.{os.urandom(8).hex()}"


def _appears(drafts: Path, directory: Path) -> bool:
    """Lets the drafts become the directory, unless another process has created it meanwhile."""
    try:
        drafts.rename(directory)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _replace(files: list[Path], directory: Path) -> None:
    """Renames the files into the directory, and back again what was replaced if that fails."""
    places = [(file, directory / file.name) for file in files]
    for _, place in places:
        if place.is_dir():
            raise IsADirectoryError(f"{str(place)!r} is a directory; remove it, a file goes there")
    kept = {place: _keep(file, place) for file, place in places if os.path.lexists(place)}
    done = []
    try:
        for file, place in places:
            done.append(place)
            file.replace(place)
    except BaseException:
        for place in done:
            if place in kept:
                kept[place].replace(place)
            else:
                place.unlink(missing_ok=True)
        raise


def _keep(file: Path, place: Path) -> Path:
    """A second name, beside the draft, of what it replaces; the draft gets its mode."""
    second = file.parent / ".replaced" / file.name
    second.parent.mkdir(exist_ok=True)
    try:
        os.link(place, second, follow_symlinks=False)
    except OSError:  # not every file system has links, and not every user may make them
        copy2(place, second, follow_symlinks=False)
    if place.exists():
        file.chmod(S_IMODE(place.stat().st_mode))
    return second


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _names_to_disk(directory: Path) -> None:
    """So that a power cut loses no name; where the file system cannot do that, it may."""
    with suppress(OSError):
        _to_disk(directory)
