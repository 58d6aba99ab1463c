"""Names of the Hugging Face hub: from a name, or a directory, to the directory that holds the files.

A local directory wins, and what begins with the name of a folder is a path, unless the hub's cache has a model of that
name. The network is asked only for a name, only when huggingface_hub is installed, and not when HF_HUB_OFFLINE is set
or `local_files_only` is given: then what an earlier download left in the cache is used.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from deberta_c._base.errors import warn_caller
from deberta_c._base.suggest import nearest
from deberta_c._files.adapters import ADAPTER
from deberta_c._files.checkpoint import FORMS, shard_names, with_variant
from deberta_c._files.json import require_directory

# Arguments of transformers that say where files are; and those that raise TypeError, with the remedy.
HUB = frozenset({"revision", "cache_dir", "token", "local_files_only", "subfolder", "force_download"})
_REFUSED = {
    "use_auth_token": "give token",
    "proxies": "set the environment variable HTTPS_PROXY",
    "resume_download": "leave it out, for downloads are resumed",
    "code_revision": "leave it out, for no code of a repository is run",
    "local_dir": "give cache_dir, or run `hf download NAME --local-dir DIR` and give that directory",
}


class Wanted(NamedTuple):
    """A file of a repository, the first of `names` that there is."""

    names: tuple[str, ...]
    needed: bool = True


WEIGHTS = tuple(name + ending for name, _ in FORMS for ending in ("", ".index.json"))
_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_VOCABULARIES = ("tokenizer.json", "spm.model", "vocab.json", "merges.txt", "vocab.txt", "bpe_encoder.bin")
CONFIG = (Wanted(("config.json", ADAPTER)),)  # an adapter is fetched for the error that says how to merge it
TOKENIZER = tuple(Wanted((name,), needed=False) for name in ("config.json", *_SETTINGS, *_VOCABULARIES))

# Fetches a file at a revision into the cache; None: the repository has no such file.
_Download = Callable[[str, str], Path | None]

_INSTALL = (
    "run `pip install huggingface_hub`, or download the model elsewhere, `hf download NAME --local-dir DIR`, and give "
    "that directory"
)
_CONNECT = (
    "check the spelling and the connection, or copy the model and give its directory; local_files_only=True or "
    "HF_HUB_OFFLINE=1 never ask the hub"
)
_NAME = re.compile(r"([A-Za-z0-9_][\w.-]*/)?[A-Za-z0-9_][\w.-]*", re.ASCII)
_YES = ("1", "ON", "YES", "TRUE")


def hub_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that say where files are, and the others; TypeError for those that are not supported."""
    options = dict(options)
    if options.pop("trust_remote_code", False):
        warn_caller(UserWarning("trust_remote_code is ignored: no code of a repository is ever run"))
    for name in options.keys() & _REFUSED.keys():
        raise TypeError(f"{name} is not supported: {_REFUSED[name]}")
    where = {name: value for name, value in options.items() if name in HUB}
    return where, {name: value for name, value in options.items() if name not in HUB}


def resolve(
    name: str | Path,
    *,
    files: Iterable[Wanted],
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
    subfolder: str | None = None,
    force_download: bool = False,
) -> Path:
    """The directory of a model: `name` itself, or where the cache of the hub has that name's files.

    `files` are downloaded if need be and if allowed; `revision` is a branch, a tag or a commit, `subfolder` a folder
    of the repository or directory; `force_download` fetches also what the cache has. Cache and endpoint are those of
    huggingface_hub: `cache_dir`, HF_HUB_CACHE, HF_HOME.

    Errors: OSError when there is neither directory nor name, or the files cannot be had, with the remedy; TypeError
    and ValueError for invalid arguments.
    """
    _check("revision", revision, "main")
    _check("subfolder", subfolder, "onnx")
    _check_token(token)
    subfolder = subfolder or ""
    if not isinstance(name, str) or not _is_name(name) or Path(name).exists():
        return require_directory(require_directory(name) / subfolder).absolute()
    cache = _cache(cache_dir) / f"models--{name.replace('/', '--')}"
    repository = _Repository(name, revision or "main", cache, force_download)
    if not repository.snapshot().is_dir():
        _refuse_mistyped_path(name)
    if barred := _barred(local_files_only):
        return _find(repository, subfolder, files, f"{barred}: leave that out once, or run `hf download {name}` first")
    if (download := _downloader(repository, cache_dir, token)) is None:
        return _find(repository, subfolder, files, f"huggingface_hub is not installed: {_INSTALL}")
    try:
        return _fetch(repository, download, subfolder, files).absolute()
    except ConnectionError as error:
        if not repository.snapshot().is_dir():
            raise
        return _find(repository, subfolder, files, str(error))


def model_files(variant: str | None = None) -> tuple[Wanted, ...]:
    """The files of a model, its weights those of a variant such as "fp16" if there is one."""
    return (*CONFIG, Wanted((*(with_variant(name, variant) for name in WEIGHTS), ADAPTER)), *TOKENIZER[1:])


class _Repository(NamedTuple):
    name: str
    revision: str
    cache: Path
    again: bool  # files that are there are fetched, too

    def snapshot(self) -> Path:
        """Where the cache has the branch, tag or commit."""
        ref = self.cache / "refs" / self.revision
        commit = ref.read_text(encoding="utf-8").strip() if ref.is_file() else self.revision
        return self.cache / "snapshots" / commit


def _is_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text)) and len(text) <= 96 and "--" not in text and ".." not in text


def _refuse_mistyped_path(name: str) -> None:
    """Raises FileNotFoundError for "models/smal" where there is a folder "models": that is a path, not a name."""
    folder = Path(name).parent
    if folder == Path() or not folder.is_dir():
        return
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    near = nearest(Path(name).name, names)
    hint = f"; did you mean {str(folder / near[0])!r}?" if near else f", only {', '.join(names[:8])}" if names else ""
    raise FileNotFoundError(
        f"there is no directory {name!r} in the folder {str(folder)!r}{hint}; to have the model of that name from the "
        f"hub, run `hf download {name}` first"
    )


def _check(argument: str, value: Any, example: str) -> None:
    """ValueError for a path that leads out of the repository."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{argument} is {value!r}; give a str such as {example!r}")
    if value and (PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts):
        raise ValueError(f"{argument} is {value!r}, which leads out of the repository; give one such as {example!r}")


def _check_token(token: Any) -> None:
    """Raises for an invalid access token without showing it, because most of it may be secret."""
    if token is None or isinstance(token, bool):
        return
    if not isinstance(token, str):
        raise TypeError(f"token is of type {type(token).__name__}; give a str, True or False")
    if not re.fullmatch(r"[!-~]+", token):
        raise ValueError(
            "token is empty or has other characters than printable ASCII without white space; copy it again"
        )


def _cache(cache_dir: str | Path | None) -> Path:
    """Where huggingface_hub keeps its files."""
    if cache_dir is None:
        home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
        cache_dir = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or Path(home) / "hub"
    return Path(os.path.expandvars(cache_dir)).expanduser()


def _barred(local_files_only: bool) -> str | None:
    """Why the network may not be asked."""
    if local_files_only:
        return "local_files_only is true"
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").upper() in _YES:
            return f"{variable} is set"
    return None


# ---- without the network ----


def _find(repository: _Repository, subfolder: str, files: Iterable[Wanted], why: str) -> Path:
    """The folder of the cache, if it has all that is needed; `why` tells why nothing is fetched, and the remedy."""
    snapshot = repository.snapshot()
    if not snapshot.is_dir():
        at = "" if repository.revision == "main" else f" at revision {repository.revision!r}"
        raise FileNotFoundError(
            f"there is no directory {repository.name!r}, and no model of that name{at} in the hub's cache, "
            f"{str(repository.cache.parent)!r}; {why}"
        )
    folder = (snapshot / subfolder).absolute()
    for names, needed in files:
        if needed and not any((folder / name).is_file() for name in names):
            raise FileNotFoundError(
                f"the hub's cache has {repository.name!r} without {' or '.join(names)}, in {str(folder)!r}; {why}"
            )
    return folder


# ---- with huggingface_hub ----


def _downloader(repository: _Repository, cache_dir: str | Path | None, token: str | bool | None) -> _Download | None:
    """What fetches files of a repository; None without huggingface_hub."""
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
    except ImportError:
        return None

    name = repository.name
    fetch = partial(hf_hub_download, cache_dir=cache_dir, token=token, force_download=repository.again)
    reached = False

    def reach(file: str, revision: str) -> None:
        """Asks once whether the hub is there, where `fetch` would try again and again for half a minute."""
        nonlocal reached
        if not reached and not (repository.snapshot() / file).is_file():
            with suppress(EntryNotFoundError):
                get_hf_file_metadata(hf_hub_url(name, file, revision=revision), token=token)
            reached = True

    def download(file: str, revision: str) -> Path | None:
        try:
            reach(file, revision)
            return Path(fetch(name, file, revision=revision))
        except LocalEntryNotFoundError as error:
            problem = _unreachable(name, file, revision, error)
            raise ConnectionError(f"{problem}; {_CONNECT}") from error
        except EntryNotFoundError:
            return None
        except OSError as error:
            problem = _unreachable(name, file, revision, error)
            raise OSError(
                f"{problem}; check the name and the revision; what is private or gated needs a token"
            ) from error
        except Exception as error:  # connections break in many ways, each with a class of some other package
            problem = _unreachable(name, file, revision, error)
            raise ConnectionError(f"{problem}; {_CONNECT}") from error

    return download


def _fetch(repository: _Repository, download: _Download, subfolder: str, files: Iterable[Wanted]) -> Path:
    """Downloads what is wanted, all from one commit, and returns its folder in the cache."""
    folder: Path | None = None

    def get(name: str) -> Path | None:
        nonlocal folder
        path = _file(repository, subfolder, folder, download, name)
        folder = folder if path is None else path.parent
        return path

    for names, needed in files:
        path = next(filter(None, map(get, names)), None)
        if path is None and needed:
            raise FileNotFoundError(f"model {repository.name!r} has no {' or '.join(names)}; name another one")
        if path is not None and ".index." in path.name:
            for shard in shard_names(path):
                if get(shard) is None:
                    raise FileNotFoundError(f"model {repository.name!r} has no {shard}, which its {path.name} lists")
    if folder is None:
        raise FileNotFoundError(f"model {repository.name!r} has none of the files of a tokenizer; name another one")
    return folder


def _file(repository: _Repository, subfolder: str, folder: Path | None, download: _Download, name: str) -> Path | None:
    """A file of the repository: that of the same commit as the files before, which lie in `folder`."""
    file = str(PurePosixPath(subfolder) / name)
    if folder is None:
        return download(file, repository.revision)
    if not repository.again and (folder / name).is_file():
        return folder / name
    snapshot = (folder / name).parents[len(PurePosixPath(subfolder).parts)]
    if not repository.again and (snapshot.parents[1] / ".no_exist" / snapshot.name / file).is_file():
        return None
    return download(file, snapshot.name)


def _unreachable(name: str, file: str, revision: str, error: Exception) -> str:
    problem = next(iter(str(error).strip().splitlines()), "")[:200]
    if not isinstance(error, OSError) or not problem:
        problem = f"{type(error).__name__}: {problem}".removesuffix(": ")
    return (
        f"there is no directory {name!r}, and {file} of that model at revision {revision!r} cannot be fetched from the "
        f"hub ({problem})"
    )
