"""Texts to ids: the tokenizer of a model directory behind the call of transformers."""

from collections import UserDict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._config import read_json, require_directory
from deberta_c._errors import TruncationWarning, warn_caller
from deberta_c._frame import RowName, find_surrogate, is_column, is_missing, rows_of, texts_of, the_only
from deberta_c._reopen import reopened
from deberta_c._tokenizer_json import read_pipeline

_SPECIAL = {
    "bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]",
    "cls_token": "[CLS]", "mask_token": "[MASK]",
}  # fmt: skip
_HUGE = 10**20  # a model_max_length above it means that there is none
_OPTIONS: dict[str, Any] = {
    "do_lower_case": False,
    "split_by_punct": False,
    "byte_fallback": False,
    "model_max_length": None,
    "padding_side": "right",
    "truncation_side": "right",
}
_TRUNCATIONS = {
    True: "longest_first", "longest_first": "longest_first", "only_first": "only_first", "only_second": "only_second",
    None: None, False: None, "do_not_truncate": None,
}  # fmt: skip
_PADDINGS = {
    True: "longest", "longest": "longest", "max_length": "max_length", False: None, None: None, "do_not_pad": None
}  # fmt: skip


class Rows(NamedTuple):
    """Encoded rows without padding: ids (T), types (T), offsets (N + 1); `cut` of them lost tokens."""

    ids: NDArray[np.int32]
    types: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    cut: int


class BatchEncoding(UserDict[str, Any]):
    """What a tokenizer returns: a mapping whose keys are attributes too, ready for `model(**encoding)`.

    >>> BatchEncoding({"input_ids": [1, 2]}).input_ids
    [1, 2]
    """

    def __getattr__(self, name: str) -> Any:
        if name != "data" and name in self.data:
            return self.data[name]
        raise AttributeError(f"this encoding has no {name!r}; it has {', '.join(self.__dict__.get('data', ()))}")

    def to(self, device: object) -> "BatchEncoding":
        """Returns itself; `device` must be the CPU."""
        require_cpu(device)
        return self


class DebertaV2Tokenizer:
    """The tokenizer of DeBERTa v2, v3 and mDeBERTa, read from the spm.model of a directory.

    A tokenizer.json beside it must say the same as transformers 4 would make of spm.model; it decides on lower case
    and punctuation, and its sections truncation and padding are ignored.

    Calling it gives `input_ids`, `token_type_ids` and `attention_mask`: lists, or with `return_tensors="np"` int64
    arrays of shape (rows, tokens). `tokenizer.model_max_length` is the cap that `truncation=True` applies when no
    `max_length` is given: that of tokenizer_config.json if it is below 1e20, else max_position_embeddings of
    config.json, else None. It may be set, as may `padding_side` and `truncation_side`.

    >>> import deberta_c
    >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    >>> inputs = tokenizer(["Free entry!", "See you at home"], padding=True, return_tensors="np")
    >>> inputs.input_ids.shape == inputs["attention_mask"].shape
    True
    >>> tokenizer.convert_ids_to_tokens(int(inputs.input_ids[0, 0]))
    '[CLS]'
    """

    pad_token_type_id = 0

    def __init__(self, directory: Path, options: dict[str, Any], max_length: int | None, given: dict[str, Any]) -> None:
        self.name_or_path = str(directory)
        self._model_max_length = max_length
        self._padding_side: str = options["padding_side"]
        self._truncation_side: str = options["truncation_side"]
        self._given = given  # the options of from_pretrained, of which a pickle makes it again
        path = directory / "spm.model"
        if not path.stat().st_size:
            raise ValueError(f"{str(path)!r} is empty; copy it again from where the model came")
        try:
            self._core = _core.Tokenizer(
                path.read_bytes(),
                lower_case=options["do_lower_case"],
                split_by_punct=options["split_by_punct"],
                byte_fallback=options["byte_fallback"],
            )
        except ValueError as error:
            problem = str(error).removeprefix("spm.model ").removeprefix("spm.model: ")
            raise ValueError(f"{str(path)!r} is not sound: {problem}; copy it again") from error
        self._vocabulary: dict[str, int] | None = None
        self.pad_token_id = self.convert_tokens_to_ids("[PAD]")

    @classmethod
    def from_pretrained(cls, directory: str | Path, **options: Any) -> "DebertaV2Tokenizer":
        """Reads spm.model and, where they are, tokenizer_config.json and config.json of a directory.

        Options replace those of tokenizer.json, which replace those of tokenizer_config.json: `do_lower_case`,
        `split_by_punct`, `model_max_length`, `padding_side`; `byte_fallback=True` splits unknown characters into byte
        pieces as sentencepiece does, instead of [UNK]. `use_fast` and `local_files_only` are accepted, for they change
        nothing.

        Errors: OSError for a missing directory or spm.model; ValueError for a broken file or an option that this
        version does not know.
        """
        folder = require_directory(directory)
        if not (folder / "spm.model").is_file():
            other = ", and tokenizer.json is not read yet" if (folder / "tokenizer.json").is_file() else ""
            raise FileNotFoundError(
                f"{str(folder)!r} has no spm.model, which holds the vocabulary{other}; copy it there, "
                "from the model that this one was trained from if need be"
            )
        for harmless in ("use_fast", "local_files_only"):
            options.pop(harmless, None)
        for name in options:
            if name not in _OPTIONS:
                raise TypeError(f"unknown option {name!r} of a tokenizer; known are {', '.join(_OPTIONS)}")
        path = folder / "tokenizer_config.json"
        file = read_json(path) if path.is_file() else {}
        _check_special_tokens(path, file)
        added: dict[Path, dict[str, Any]] = {}
        if (path := folder / "added_tokens.json").is_file():
            added[path] = read_json(path)
        if (path := folder / "tokenizer.json").is_file():
            implied, added[path] = read_pipeline(path)
            file |= implied
        merged = {name: options.get(name, file.get(name, default)) for name, default in _OPTIONS.items()}
        _check_options(merged)
        tokenizer = cls(folder.absolute(), merged, _cap(folder, merged["model_max_length"]), options)
        for path, ids in added.items():
            _check_added_tokens(path, ids, tokenizer)
        return tokenizer

    @property
    def model_max_length(self) -> int | None:
        """The cap that `truncation=True` applies when no `max_length` is given; None: there is none.

        Errors when set: TypeError unless it is an integer or None, ValueError when it is below 1.
        """
        return self._model_max_length

    @model_max_length.setter
    def model_max_length(self, value: int | None) -> None:
        self._model_max_length = _limit("model_max_length", value)

    @property
    def padding_side(self) -> str:
        """Where padding goes: "left" or "right"; setting anything else raises ValueError."""
        return self._padding_side

    @padding_side.setter
    def padding_side(self, value: str) -> None:
        self._padding_side = _side("padding_side", value)

    @property
    def truncation_side(self) -> str:
        """Where texts are cut: "right"; this version refuses to cut on the "left"."""
        return self._truncation_side

    @truncation_side.setter
    def truncation_side(self, value: str) -> None:
        self._truncation_side = _side("truncation_side", value)

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        *,
        padding: bool | str | None = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        add_special_tokens: bool = True,
        return_tensors: str | None = None,
    ) -> BatchEncoding:
        """Encodes one text, or a column of texts, or pairs.

        `text` is a str, or a list, Series or array of str, or a list of pairs; `text_pair` holds the second texts.
        `padding`: True or "longest", "max_length", False. `truncation`: True or "longest_first", "only_first",
        "only_second", False; `max_length` (tokens, special ones included) without `padding` and `truncation` cuts too.
        `return_tensors`: "np", "pt" where torch is installed, or None for lists (flat for a single str).

        Errors: TypeError for what is no text, ValueError for a missing text, a lone surrogate (each names the row)
        and for arguments that contradict each other. Warnings: TruncationWarning counts the rows that the implied
        cap cut.
        """
        if return_tensors not in (None, "np", "pt"):
            raise ValueError(f'return_tensors is {return_tensors!r}; it must be "np", "pt" or None')
        pad = check_padding(padding)
        firsts, seconds, single = _split_inputs(text, text_pair)
        if truncation is None and max_length is not None and padding is False:
            truncation = True
        options = self.encode_options(truncation, max_length, add_special_tokens, pairs=seconds is not None)
        try:
            rows = self.encode_with(firsts, seconds, options)
        except ValueError:
            named = the_only if single else rows_of
            explain(self, firsts, seconds, options, (named("text"), named("text_pair")))
            raise
        if rows.cut and max_length is None:
            warn_of_cuts(rows.cut, f"{len(firsts)} rows", options["max_length"])
        width = None
        if pad == "max_length":
            width = max_length if max_length is not None else self.model_max_length
        if pad is None and return_tensors is None:
            return _as_lists(rows, single)
        lengths = np.diff(rows.offsets)
        if pad is None and len(lengths) > 1 and lengths.min() != lengths.max():
            raise ValueError("rows of different lengths make no array; give padding=True")
        return self._padded(rows, lengths, width, return_tensors, single)

    def encode_options(
        self,
        truncation: bool | str | None,
        max_length: int | None,
        add_special_tokens: bool = True,
        pairs: bool = False,
    ) -> dict[str, Any]:
        """Keyword arguments for the core, checked."""
        options: dict[str, Any] = {} if add_special_tokens else {"add_special_tokens": False}
        strategy = _choice("truncation", truncation, _TRUNCATIONS)
        if max_length is not None:
            if isinstance(max_length, bool) or not isinstance(max_length, (int, np.integer)):
                raise TypeError(f"max_length is {max_length!r}; it must be an integer or None")
            if max_length < 1:
                raise ValueError(f"max_length is {max_length}; it must be at least 1")
        limit = self.model_max_length if max_length is None else max_length
        if strategy is None or limit is None:
            return options
        if self.truncation_side != "right":
            raise ValueError(f'truncation_side is {self.truncation_side!r}; this version cuts on the "right" only')
        specials = (3 if pairs else 2) if add_special_tokens else 0
        if limit < specials:
            raise ValueError(f"max_length is {limit}; it must hold at least the {specials} special tokens of a row")
        if strategy == "only_second" and not pairs:
            raise ValueError('truncation is "only_second", but there is no second text; give text_pair')
        return {**options, "truncation": strategy, "max_length": min(int(limit), 2**31)}

    def encode_with(self, firsts: list[str], seconds: list[str] | None, options: dict[str, Any]) -> Rows:
        """Encodes with checked options and without a warning."""
        return Rows(*self._core.encode(firsts, seconds, **options))

    def encode(self, text: Any, text_pair: Any = None, **arguments: Any) -> list[int]:
        """The ids of one text or pair; arguments as in a call."""
        ids = self(text, text_pair, **arguments)["input_ids"]
        if not isinstance(text, str):
            raise TypeError(f"text is of type {type(text).__name__}; encode takes one str, call the tokenizer for many")
        return list(ids)

    def __len__(self) -> int:
        """Number of ids, [MASK] included."""
        return len(self._core)

    @property
    def vocab_size(self) -> int:
        """Number of pieces in spm.model; [MASK], which is added to them, is not counted."""
        return len(self) - 1

    def get_vocab(self) -> dict[str, int]:
        """Every token with its id."""
        if self._vocabulary is None:
            piece = self._core.piece
            self._vocabulary = {piece(index): index for index in reversed(range(len(self)))}
        return dict(self._vocabulary)

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        """The token of an id, or the list of tokens of several ids.

        Errors: ValueError for an id outside [0, len(tokenizer)).
        """
        if isinstance(ids, (int, np.integer)):
            if not 0 <= ids < len(self):
                raise ValueError(f"id {ids} is not in [0, {len(self)}), the ids of this tokenizer")
            return self._core.piece(int(ids))
        return [self.convert_ids_to_tokens(index) for index in np.asarray(ids).tolist()]

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """The id of a token, or the list of ids of several; unknown tokens have the id of [UNK]."""
        if not isinstance(tokens, str):
            return [self.convert_tokens_to_ids(token) for token in tokens]
        for index in (0, 1, 2, 3, len(self) - 1):  # where the special tokens are
            if index < len(self) and self._core.piece(index) == tokens:
                return index
        if self._vocabulary is None:
            self.get_vocab()
        assert self._vocabulary is not None
        found = self._vocabulary.get(tokens)
        return self._vocabulary["[UNK]"] if found is None else found

    @property
    def all_special_tokens(self) -> list[str]:
        """The special tokens, each once."""
        return list(dict.fromkeys(_SPECIAL.values()))

    @property
    def all_special_ids(self) -> list[int]:
        """Their ids."""
        return [self.convert_tokens_to_ids(token) for token in self.all_special_tokens]

    def __getattr__(self, name: str) -> Any:
        if name in _SPECIAL:
            return _SPECIAL[name]
        if name.endswith("_id") and name[:-3] in _SPECIAL:
            return self.convert_tokens_to_ids(_SPECIAL[name[:-3]])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        limit = self.model_max_length
        return f"{type(self).__name__}({self.name_or_path!r}, {len(self)} ids, model_max_length={limit})"

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: getattr(self, name) for name in ("_model_max_length", "_padding_side", "_truncation_side")}
        return _reopen, (type(self), self.name_or_path, self._given), state

    def _padded(
        self, rows: Rows, lengths: NDArray[np.int64], width: int | None, return_tensors: str | None, single: bool
    ) -> BatchEncoding:
        longest = int(lengths.max()) if len(lengths) else 0
        ragged = width is not None and longest > width and int(lengths.min()) < longest
        if ragged and return_tensors is not None:
            raise ValueError(
                f"a row has {longest} tokens, more than max_length, which is {width}; give truncation=True"
            )
        columns = np.arange(max(longest, width or 0))
        if self.padding_side == "left":
            filled = columns >= len(columns) - lengths[:, None]
        else:
            filled = columns < lengths[:, None]
        if single and return_tensors is None:
            filled = filled.reshape(-1)
        ids = np.full(filled.shape, self.pad_token_id, np.int64)
        ids[filled] = rows.ids
        types = np.full(filled.shape, self.pad_token_type_id, np.int64)
        types[filled] = rows.types
        arrays = {"input_ids": ids, "token_type_ids": types, "attention_mask": filled.astype(np.int64)}
        if return_tensors is None:
            lists = {name: array.tolist() for name, array in arrays.items()}
            if ragged:  # rows longer than max_length are left alone, the others have exactly max_length
                for name, column in lists.items():
                    lists[name] = [
                        _trimmed(row, max(n, width or 0), self.padding_side)
                        for row, n in zip(column, lengths, strict=True)
                    ]
            return BatchEncoding(lists)
        return BatchEncoding(arrays if return_tensors == "np" else _as_torch(arrays))


DebertaV2TokenizerFast = DebertaV2Tokenizer


class AutoTokenizer:
    """Reads the tokenizer of a model directory."""

    @staticmethod
    def from_pretrained(directory: str | Path, **options: Any) -> DebertaV2Tokenizer:
        """See `DebertaV2Tokenizer.from_pretrained`."""
        return DebertaV2Tokenizer.from_pretrained(directory, **options)


def as_tokenizer(value: Any) -> DebertaV2Tokenizer:
    """The tokenizer itself, or that of a directory; TypeError for anything else."""
    if isinstance(value, (str, Path)):
        return DebertaV2Tokenizer.from_pretrained(value)
    if not isinstance(value, DebertaV2Tokenizer):
        raise TypeError(f"tokenizer is of type {type(value).__name__}; give a directory or what AutoTokenizer returned")
    return value


def require_cpu(device: object) -> None:
    """Raises ValueError unless `device` names the CPU."""
    if device not in (None, -1) and str(device) not in ("cpu", "cpu:0"):
        raise ValueError(f'device is {str(device)!r}; deberta_c runs on the CPU only, leave it out or give "cpu"')


def check_padding(value: Any) -> str | None:
    """Which padding is meant: "longest", "max_length" or None; ValueError for anything else."""
    return _choice("padding", value, _PADDINGS)


def explain(
    tokenizer: DebertaV2Tokenizer,
    firsts: list[str],
    seconds: list[str] | None,
    options: dict[str, Any],
    row_names: Sequence[RowName],
) -> None:
    """Raises the ValueError of the first row that cannot be encoded, under the caller's name for it."""
    find_surrogate(firsts, row_names[0])
    find_surrogate(seconds or [], row_names[1])
    for row, first in enumerate(firsts):
        try:
            tokenizer.encode_with([first], None if seconds is None else [seconds[row]], options)
        except ValueError as error:
            raise ValueError(f"{row_names[0](row)} {str(error).removeprefix('row 0 ')}") from error


def warn_of_cuts(cut: int, rows: str, limit: int) -> None:
    """The one warning of a call whose implied length limit cut rows."""
    warn_caller(
        TruncationWarning(
            f"{cut} of {rows} lost tokens to the limit of {limit}; give max_length to choose another limit, or "
            "truncation=False to keep everything",
            count=cut,
        )
    )


def _reopen(cls: type[DebertaV2Tokenizer], directory: str, options: dict[str, Any]) -> DebertaV2Tokenizer:
    return reopened(cls, directory, options, cls.from_pretrained)


def _split_inputs(text: Any, text_pair: Any) -> tuple[list[str], list[str] | None, bool]:
    """First texts, second texts or None, and whether a single text came."""
    if is_missing(text):
        raise ValueError(f"text is {text!r}; give a str or a column of them")
    if isinstance(text, str):
        if text_pair is None or isinstance(text_pair, str):
            return [text], [text_pair] if text_pair else None, True
        raise TypeError(f"text is a str, but text_pair a {type(text_pair).__name__}; give two of a kind")
    if not is_column(text):
        raise TypeError(f"text is of type {type(text).__name__}; give a str or a column of them")
    if text_pair is None:
        items = text if isinstance(text, (list, tuple)) else None
        if items and isinstance(items[0], (list, tuple)):
            return *_unzip(items), False
        return texts_of(text, "text")[0], None, False
    if not is_column(text_pair):
        raise TypeError(f"text is a column, but text_pair a {type(text_pair).__name__}; give two of a kind")
    firsts, seconds = texts_of(text, "text")[0], texts_of(text_pair, "text_pair")[0]
    if len(firsts) != len(seconds):
        raise ValueError(f"text has {len(firsts)} rows, but text_pair {len(seconds)}; give two of equal length")
    return firsts, seconds, False


def _unzip(pairs: Sequence[Any]) -> tuple[list[str], list[str]]:
    for row, pair in enumerate(pairs):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ValueError(f"text[{row}] is {pair!r}, but text[0] a pair; give two texts in each row")
    return (
        texts_of([first for first, _ in pairs], "text", row_name=lambda row: f"text[{row}][0]")[0],
        texts_of([second for _, second in pairs], "text", row_name=lambda row: f"text[{row}][1]")[0],
    )


def _as_lists(rows: Rows, single: bool) -> BatchEncoding:
    offsets = rows.offsets.tolist()
    ids, types = rows.ids.tolist(), rows.types.tolist()
    spans = [slice(begin, end) for begin, end in pairwise(offsets)]
    columns = {
        "input_ids": [ids[span] for span in spans],
        "token_type_ids": [types[span] for span in spans],
        "attention_mask": [[1] * (span.stop - span.start) for span in spans],
    }
    return BatchEncoding({name: column[0] for name, column in columns.items()} if single else columns)


def _trimmed(row: list[int], size: int, padding_side: str) -> list[int]:
    return row[:size] if padding_side == "right" else row[len(row) - size :]


def _as_torch(arrays: dict[str, NDArray[np.int64]]) -> dict[str, Any]:
    try:
        import torch
    except ImportError as error:
        raise ImportError('return_tensors is "pt", but torch is not installed; give "np"') from error
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _choice(name: str, value: Any, known: dict[Any, str | None]) -> str | None:
    if (isinstance(value, (bool, str)) or value is None) and value in known:
        return known[value]
    raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(repr(key) for key in known)}")


def _cap(folder: Path, declared: Any) -> int | None:
    limit = _limit("tokenizer option model_max_length", declared)
    if limit is not None:
        return limit
    path = folder / "config.json"
    positions = read_json(path).get("max_position_embeddings") if path.is_file() else None
    return positions if type(positions) is int and positions > 0 else None


def _check_options(options: dict[str, Any]) -> None:
    for name in ("do_lower_case", "split_by_punct", "byte_fallback"):
        if not isinstance(options[name], bool):
            raise TypeError(f"tokenizer option {name} is {options[name]!r}; it must be true or false")
    for name in ("padding_side", "truncation_side"):
        _side(f"tokenizer option {name}", options[name])


def _side(name: str, value: Any) -> str:
    if value in ("left", "right"):
        return str(value)
    raise ValueError(f'{name} is {value!r}; it must be "left" or "right"')


def _limit(name: str, value: Any) -> int | None:
    """A number of tokens, or None where there is no limit, which files also write as 1e30."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer)):
        raise TypeError(f"{name} is {value!r}; it must be an integer or None")
    if value >= _HUGE:
        return None
    if not value >= 1 or value != int(value):
        raise ValueError(f"{name} is {value!r}; it must be an integer of at least 1, or None")
    return int(value)


def _check_added_tokens(path: Path, ids: dict[str, Any], tokenizer: DebertaV2Tokenizer) -> None:
    """Refuses added tokens, or ids of them, that are not found within a text on the strength of spm.model alone."""

    def encoded(text: str) -> list[int]:
        return list(map(int, tokenizer.encode_with([text], None, {"add_special_tokens": False}).ids))

    for token, number in ids.items():
        if encoded(f"a{token}a") != [*encoded("a"), number, *encoded("a")]:
            raise ValueError(
                f"{str(path)!r} adds the token {token!r} with the id {number!r}, which spm.model has not; this version "
                f"knows no added tokens but [MASK], whose id is {tokenizer.mask_token_id} here: delete {path.name} to "
                "use spm.model as it is"
            )


def _check_special_tokens(path: Path, file: dict[str, Any]) -> None:
    """Refuses tokens of other names and added tokens, which this version would not find in texts."""
    for name, expected in _SPECIAL.items():
        if name in file and file[name] is not None and _content(file[name]) != expected:
            raise ValueError(f"{str(path)!r}: {name} is {file[name]!r}; this version knows {expected!r} only")
    added = file.get("added_tokens_decoder") or {}
    extra = file.get("extra_special_tokens") or file.get("additional_special_tokens") or []
    tokens = [*(added.values() if isinstance(added, dict) else [added])]
    tokens += extra.values() if isinstance(extra, dict) else extra
    for token in tokens:
        if _content(token) not in _SPECIAL.values():
            raise ValueError(f"{str(path)!r} adds the token {_content(token)!r}; this version knows no added tokens")


def _content(token: Any) -> Any:
    return token.get("content") if isinstance(token, dict) else token
