"""Texts to ids and back: the tokenizer of a model directory, with the methods of transformers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from deberta_c._base.errors import TruncationWarning, warn_caller
from deberta_c._base.suggest import names_options
from deberta_c._columns.texts import RowName, raise_for_surrogate
from deberta_c._files.atomic import new_files
from deberta_c._files.hub import TOKENIZER, hub_options, resolve
from deberta_c._files.shared_open import reopened
from deberta_c._tokenizers.directory import (
    TokenizerFiles,
    check_limit,
    check_side,
    open_tokenizer,
    write_tokenizer,
)
from deberta_c._tokenizers.encodings import BatchEncoding, Layout, Padding, Source, check_tensors
from deberta_c._tokenizers.gathered import content_of_object, gather
from deberta_c._tokenizers.inputs import Inputs, raise_for_bad_words, read_inputs, read_words
from deberta_c._tokenizers.legacy import Stage, file_prefix
from deberta_c._tokenizers.padding import EncodedColumns
from deberta_c._tokenizers.rows import Rows, arrays_of, lists_of
from deberta_c._tokenizers.tokens import Vocabulary

_TRUNCATIONS = {
    True: "longest_first", "longest_first": "longest_first", "only_first": "only_first", "only_second": "only_second",
    None: None, False: None, "do_not_truncate": None,
}  # fmt: skip
_PADDINGS = {
    True: "longest", "longest": "longest", "max_length": "max_length", False: None, None: None, "do_not_pad": None
}  # fmt: skip
_SETTINGS = (
    "_model_max_length", "_padding_side", "_truncation_side", "_special", "_extra", "_grown",
    "clean_up_tokenization_spaces", "model_input_names", "pad_token_type_id", "split_special_tokens",
)  # fmt: skip


@dataclass(frozen=True)
class _Request:
    """The checked arguments of a call, without its texts."""

    columns: list[str]
    tensors: str | None
    words: bool
    padding: str | None
    multiple: int | None
    left: bool
    truncation: bool | str | None
    max_length: int | None
    options: Mapping[str, Any]  # the other keyword arguments of `_encode_options`
    verbose: bool


Some = TypeVar("Some", bound="PreTrainedTokenizerFast")


class PreTrainedTokenizerFast(Vocabulary):
    """The base class of all tokenizers, and the class for a directory that has only a tokenizer.json.

    Open it with `from_pretrained`, or make it from files: `vocab_file` (vocab.txt, spm.model, or vocab.json with
    `merges_file`), `tokenizer_file` (a tokenizer.json) or `tokenizer_object` (a tokenizers.Tokenizer, or the text of a
    tokenizer.json), with the options of `from_pretrained`. This class itself reads a tokenizer.json and executes it as
    written.

    A call returns a BatchEncoding with `input_ids`, `token_type_ids` and `attention_mask`: lists, or with
    `return_tensors="np"` int64 arrays of shape (rows, tokens). `model_max_length` is the limit in tokens that
    `truncation=True` applies if no `max_length` is given: that of tokenizer_config.json if it is below 1e20, otherwise
    max_position_embeddings of config.json, otherwise None. It can be set, as can `padding_side`, `truncation_side`,
    `split_special_tokens`, `clean_up_tokenization_spaces` and the special tokens (`pad_token`, `pad_token_id`, ...).

    Methods, arguments and results are those of transformers. Arguments that transformers ignores or misreads raise an
    error that says what to give instead; docs/differences.md lists every difference with its reason.

    >>> import deberta_c
    >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    >>> inputs = tokenizer(["Free entry!", "See you at home"], padding=True, return_tensors="np")
    >>> inputs.input_ids.shape == inputs["attention_mask"].shape
    True
    >>> tokenizer.decode(inputs.input_ids[0], skip_special_tokens=True)
    'Free entry!'
    """

    _kind: ClassVar[str] = "PreTrainedTokenizerFast"

    _carries_files = False  # whether pickles hold the files, as those of a trained model
    _directory: Any = None  # of these files; it lives as long as the tokenizer

    is_fast = True
    do_lower_case, split_by_punct, add_prefix_space = Stage(), Stage(), Stage()
    tokenize_chinese_chars, strip_accents = Stage(), Stage()

    def __init__(
        self,
        vocab_file: str | Path | None = None,
        merges_file: str | Path | None = None,
        *,
        tokenizer_file: str | Path | None = None,
        tokenizer_object: Any = None,
        **options: Any,
    ) -> None:
        files = {"vocab_file": vocab_file, "merges_file": merges_file, "tokenizer_file": tokenizer_file}
        content = None if tokenizer_object is None else content_of_object(tokenizer_object)
        opened = open_tokenizer(gather(self._kind, files, content), self._kind, options)
        self._set_up(opened, "", (_construct, (type(self), files, content, options)))

    @classmethod
    def _of(cls: type[Some], files: TokenizerFiles, name: str, again: tuple[Any, ...]) -> Some:
        made = cls.__new__(cls)
        made._set_up(files, name, again)
        return made

    @classmethod
    def from_pretrained(cls: type[Some], pretrained_model_name_or_path: str | Path, **options: Any) -> Some:
        """Reads the tokenizer of a directory, or of a name on the hub, as one of this class.

        Options replace what the files say: `do_lower_case`, `split_by_punct`, `model_max_length`, `padding_side` and
        others. `compatibility` chooses the library that reads the same files with the same result: "transformers4"
        (default), which executes a tokenizer.json as written, "transformers5", or "sentencepiece"
        (`byte_fallback=True` is its former name). `use_fast` is accepted and changes nothing.

        A name such as "microsoft/deberta-v3-base" is looked up in the hub's cache, and downloaded if huggingface_hub is
        installed; `revision`, `cache_dir`, `token`, `local_files_only` and `subfolder` are those of transformers.

        Errors: OSError for a missing directory or file; ValueError for a broken file, or one that asks for what this
        version does not know; TypeError for an unknown option.
        """
        files, options = _open(pretrained_model_name_or_path, cls._kind, options)
        return cls._of(files, *_origin(files, cls, options))

    @names_options("save_pretrained")
    def save_pretrained(
        self,
        save_directory: str | Path,
        legacy_format: bool | None = None,
        filename_prefix: str | None = None,
        push_to_hub: bool = False,
    ) -> tuple[str, ...]:
        """Writes the tokenizer, with its present settings and added tokens, into a directory; returns the paths.

        The directory is created if needed. `filename_prefix` and a hyphen are put before the names of the files;
        from_pretrained does not find such files.

        Errors: OSError if it cannot be written; the directory is then unchanged. ValueError for `legacy_format=True`,
        the files of the slow tokenizers of transformers 4, and for `push_to_hub=True`.
        """
        if legacy_format:
            raise ValueError(
                "legacy_format is true, but deberta_c writes tokenizer.json, which transformers 4 and 5 read; leave it "
                "out, or call save_vocabulary for the vocabulary alone"
            )
        if push_to_hub:
            raise ValueError(
                "push_to_hub is true, but deberta_c does not upload; save, then run `hf upload REPO "
                f"{save_directory!s}`"
            )
        prefix = file_prefix(filename_prefix)
        with new_files(save_directory) as place:
            names = self._write_files(lambda name: place(prefix + name))
        return tuple(str(Path(save_directory).expanduser() / (prefix + name)) for name in names)

    def _write_files(self, place: Callable[[str], Path]) -> tuple[str, ...]:
        """Writes the files of `save_pretrained` to the paths that `place` returns; returns their names."""
        special = {name: token for name, token in self._special.items() if token is not None}
        names = ("model_max_length", "padding_side", "truncation_side", "clean_up_tokenization_spaces")
        settings = {name: getattr(self, name) for name in (*names, "split_special_tokens")}
        settings["model_input_names"] = tuple(self.model_input_names)
        files = replace(self._files, special=special, extra=self._extra, options={**self._files.options, **settings})
        return write_tokenizer(files, place)

    @property
    def model_max_length(self) -> int | None:
        """The limit in tokens that `truncation=True` applies if no `max_length` is given; None: no limit.

        Errors when set: TypeError unless it is an integer or None, ValueError if it is below 1.
        """
        return self._model_max_length

    @model_max_length.setter
    def model_max_length(self, value: int | None) -> None:
        self._model_max_length = check_limit("model_max_length", value)

    @property
    def padding_side(self) -> str:
        """The side that padding is added to: "left" or "right"; setting anything else raises ValueError."""
        return self._padding_side

    @padding_side.setter
    def padding_side(self, value: str) -> None:
        self._padding_side = check_side("padding_side", value)

    @property
    def truncation_side(self) -> str:
        """The side on which texts are cut: "left" or "right"; setting anything else raises ValueError."""
        return self._truncation_side

    @truncation_side.setter
    def truncation_side(self, value: str) -> None:
        self._truncation_side = check_side("truncation_side", value)

    # ---- texts to ids ----

    @names_options("the call of a tokenizer")
    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: Any = None,
        text_pair_target: Any = None,
        *,
        add_special_tokens: bool = True,
        padding: bool | str | None = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        split_special_tokens: bool | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Encodes one text, or a column of texts, or pairs.

        `text` is a str, or a list, Series or array of str, or a list of pairs; `text_pair` holds the second texts;
        the ids of `text_target` and `text_pair_target` become `labels`. With `is_split_into_words` each text is a list
        of words.
        `padding`: True or "longest", "max_length", False; `pad_to_multiple_of` rounds the length up, and `padding_side`
        is "left" or "right". `truncation`: True or "longest_first", "only_first", "only_second", False; `max_length`
        (tokens, special ones included) without `padding` and `truncation` cuts, too. With `return_overflowing_tokens`
        the tokens that were cut are returned as further rows, each of which begins with the last `stride` tokens of
        the row before, and `overflow_to_sample_mapping` has the number of the text of each row.
        `split_special_tokens` reads special tokens in a text as ordinary text.
        `return_tensors`: "np", "pt" if torch is installed, or None for lists (flat for a single text).
        `return_offsets_mapping`, `return_special_tokens_mask` and `return_length` add `offset_mapping` (begin and end
        of each token in characters), `special_tokens_mask` (1 for tokens that the tokenizer added) and `length`.
        `verbose=False` silences the warning about long rows.

        Errors: TypeError for a value that is not a text, ValueError for a missing text, a lone surrogate (each names
        the row) and for arguments that contradict each other. Warnings: TruncationWarning counts the rows that
        `model_max_length` cut; a UserWarning counts the rows that are longer than `model_max_length` if nothing was
        cut and no `max_length` was given.
        """
        check_tensors("return_tensors", return_tensors)
        if truncation is None and max_length is not None and padding is False:
            truncation = True
        wanted = {
            "input_ids": True,
            "token_type_ids": return_token_type_ids,
            "attention_mask": return_attention_mask,
            "special_tokens_mask": return_special_tokens_mask,
            "offset_mapping": return_offsets_mapping,
            "length": return_length,
            "overflow_to_sample_mapping": return_overflowing_tokens,
        }
        request = _Request(
            columns=[
                name for name, flag in wanted.items() if (flag is None and name in self.model_input_names) or flag
            ],
            tensors=return_tensors,
            words=is_split_into_words,
            padding=self._padding(padding),
            multiple=_multiple(pad_to_multiple_of),
            left=check_side("padding_side", padding_side or self.padding_side) == "left",
            truncation=truncation,
            max_length=max_length,
            options={
                "add_special_tokens": add_special_tokens,
                "stride": stride,
                "overflow": return_overflowing_tokens,
                "split_special_tokens": split_special_tokens,
            },
            verbose=verbose,
        )
        if text_target is None:
            return self._encoded(text, text_pair, request)
        target = self._encoded(text_target, text_pair_target, request, "text_target")
        if text is None:
            return target
        encoding = self._encoded(text, text_pair, request)
        encoding["labels"] = target["input_ids"]
        return encoding

    def _encoded(self, text: Any, text_pair: Any, request: _Request, name: str = "text") -> BatchEncoding:
        inputs = (read_words if request.words else read_inputs)(text, text_pair, name)
        overflow = request.options["overflow"]
        options = self._encode_options(
            request.truncation,
            request.max_length,
            pairs=inputs.seconds is not None,
            empty_second=isinstance(text_pair, str),
            **request.options,
        )
        limit = options.get("max_length")
        if limit and request.padding and request.multiple and limit % request.multiple:
            raise ValueError(
                f"max_length is {limit}, which is not a multiple of pad_to_multiple_of, {request.multiple}; give one"
            )
        options |= inputs.words()
        rows = self._rows(inputs, options, request.columns)
        lengths = np.diff(rows.offsets)
        if rows.cut and request.max_length is None and not overflow:
            warn_of_cuts(rows.cut, f"{inputs.rows} rows", options["max_length"])
        elif request.max_length is None and request.verbose and self.model_max_length is not None:
            _warn_of_length(int((lengths > self.model_max_length).sum()), len(lengths), self.model_max_length)
        longest = int(lengths.max(initial=0)) if request.padding else 0
        padding = Padding(
            self._width(request.padding, request.max_length, request.multiple, longest),
            request.left,
            self.pad_token_id or 0,
            self.pad_token_type_id,
            self.pad_token or "",
        )
        layout = Layout(rows.offsets, padding)
        columns: dict[str, Any] = (
            arrays_of(request.columns, rows, layout)
            if request.tensors
            else lists_of(request.columns, rows, layout, self._core)
        )
        if inputs.single and request.tensors is None and not overflow:
            columns = {name: column[0] if isinstance(column[0], list) else column for name, column in columns.items()}
        source = Source(self._encode, (inputs.firsts, inputs.seconds), options, padding)
        return BatchEncoding(columns, tensor_type=request.tensors, source=source)

    def _rows(self, inputs: Inputs, options: dict[str, Any], columns: Iterable[str]) -> Rows:
        arrays = {"special_tokens_mask": "sequences", "offset_mapping": "spans"}
        wanted = tuple(arrays[name] for name in columns if name in arrays)
        try:
            return self._encode_with(inputs.firsts, inputs.seconds, {**options, "want": wanted} if wanted else options)
        except ValueError as error:
            if inputs.bounds is not None:
                raise_for_bad_words(inputs, error)
            raise_for_bad_row(self, inputs.firsts, inputs.seconds, options, inputs.names)
            raise

    def _encode_options(
        self,
        truncation: bool | str | None,
        max_length: int | None,
        add_special_tokens: bool = True,
        pairs: bool = False,
        *,
        empty_second: bool = False,
        stride: int = 0,
        overflow: bool = False,
        split_special_tokens: bool | None = None,
    ) -> dict[str, Any]:
        """The checked arguments of a call as keyword arguments of the core."""
        options: dict[str, Any] = {} if add_special_tokens else {"add_special_tokens": False}
        if self.split_special_tokens if split_special_tokens is None else split_special_tokens:
            options["split_special_tokens"] = True
        if overflow:
            options["overflow"] = True
        strategy = _choice("truncation", truncation, _TRUNCATIONS)
        if max_length is not None:
            _require_integer("max_length", max_length, 1, " or None")
        _require_integer("stride", stride, 0)
        limit = self.model_max_length if max_length is None else max_length
        if strategy is None or limit is None:
            return options
        specials = self.num_special_tokens_to_add(pairs) if add_special_tokens else 0
        if limit < specials:
            raise ValueError(f"max_length is {limit}; it must hold at least the {specials} special tokens of a row")
        if strategy == "only_second" and not pairs and not empty_second:
            raise ValueError('truncation is "only_second", but there is no second text; give text_pair')
        if overflow and stride:
            if stride >= limit - specials:
                raise ValueError(
                    f"stride is {stride}, but a row of max_length {limit} has room for {limit - specials} tokens of a "
                    "text; it must be less"
                )
            options["stride"] = int(stride)
        if self.truncation_side == "left":
            options["truncation_side"] = "left"
        return {**options, "truncation": strategy, "max_length": min(int(limit), 2**31)}

    def _encode_with(self, firsts: Sequence[str], seconds: Sequence[str] | None, options: dict[str, Any]) -> Rows:
        """Encodes with the options of `encode_options`; never warns."""
        return Rows(*self._encode(firsts, seconds, **options))

    def _encode_for_model(self, firsts: Sequence[str], seconds: Sequence[str] | None, options: dict[str, Any]) -> Rows:
        """The rows of `encode_with` as a network reads them: all types are 0 unless a call returns token types."""
        rows = self._encode_with(firsts, seconds, options)
        return rows if "token_type_ids" in self.model_input_names else rows._replace(types=np.zeros_like(rows.types))

    def encode(self, text: Any, text_pair: Any = None, **arguments: Any) -> Any:
        """The ids of one text or pair; arguments as in a call."""
        return self._one("encode", text, text_pair, arguments)["input_ids"]

    def tokenize(self, text: Any, pair: Any = None, add_special_tokens: bool = False, **arguments: Any) -> list[str]:
        """The tokens of one text or pair, unknown ones as they are written in the text; arguments as in a call."""
        arguments["add_special_tokens"] = add_special_tokens
        return self._one("tokenize", text, pair, arguments).tokens()

    def _one(self, method: str, text: Any, pair: Any, arguments: dict[str, Any]) -> BatchEncoding:
        encoding = self(text, pair, **arguments)
        if not isinstance(text, str) and not arguments.get("is_split_into_words"):
            raise TypeError(
                f"text is of type {type(text).__name__}; {method} takes one str, call the tokenizer for many"
            )
        return encoding

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """The number of special tokens in a row of one text, or with `pair` of two."""
        return self._places[bool(pair)]

    # ---- padding ----

    @names_options("pad")
    def pad(
        self,
        encoded_inputs: Any,
        padding: bool | str | None = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Pads the results of calls: a dict of columns, or a list of dicts with one row each.

        The columns `input_ids`, `attention_mask` (added if missing), `token_type_ids` and `special_tokens_mask` are
        padded, others are kept. The first name of `model_input_names` is used for `input_ids`. Arguments are those of
        a call; arrays are padded to arrays, and tensors to tensors.

        Errors: ValueError if there are no `input_ids` or if columns have different numbers of rows.
        """
        check_tensors("return_tensors", return_tensors)
        if max_length is not None:
            _require_integer("max_length", max_length, 1, " or None")
        strategy, multiple = self._padding(padding), _multiple(pad_to_multiple_of)
        left = check_side("padding_side", padding_side or self.padding_side) == "left"
        masks = "attention_mask" in self.model_input_names if return_attention_mask is None else return_attention_mask
        encoded = EncodedColumns.of(encoded_inputs, self.model_input_names[0])
        width = self._width(strategy, max_length, multiple, encoded.longest)
        how = Padding(width, left, self.pad_token_id or 0, self.pad_token_type_id)
        return BatchEncoding(encoded.padded(how, masks), tensor_type=return_tensors or encoded.tensors)

    def _padding(self, padding: bool | str | None) -> str | None:
        strategy = check_padding(padding)
        if strategy is not None and self.pad_token_id is None:
            raise ValueError(
                "there is no pad_token to pad with; set one, for instance tokenizer.pad_token = tokenizer.eos_token"
            )
        return strategy

    def _width(self, strategy: str | None, max_length: int | None, multiple: int | None, longest: int) -> int:
        """The length of padded rows in tokens; 0 without padding."""
        if strategy == "max_length":
            longest = int(max_length or self.model_max_length or 0)
        if strategy is None:
            longest = 0
        return -(-longest // multiple) * multiple if multiple else longest

    def __repr__(self) -> str:
        limit = self.model_max_length
        return f"{type(self).__name__}({self.name_or_path!r}, {len(self)} ids, model_max_length={limit})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._carries_files:
            from tempfile import TemporaryDirectory

            with TemporaryDirectory() as directory:
                files = {Path(path).name: Path(path).read_bytes() for path in self.save_pretrained(directory)}
            return _of_content, (self.name_or_path, files)
        state = {name: getattr(self, name) for name in _SETTINGS}
        return (*self._again, state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self._grown:
            self._adopt(self._opened.with_added(self._grown))


PreTrainedTokenizerBase = PreTrainedTokenizerFast  # the name that transformers uses with isinstance


class DebertaV2Tokenizer(PreTrainedTokenizerFast):
    """The tokenizer of DeBERTa v2, v3 and mDeBERTa: tokenizer.json or spm.model.

    >>> import deberta_c
    >>> tokenizer = deberta_c.DebertaV2Tokenizer.from_pretrained(deberta_c.default_model())
    >>> tokenizer.convert_ids_to_tokens(tokenizer("").input_ids)
    ['[CLS]', '[SEP]']
    """

    _kind = "DebertaV2Tokenizer"


class DebertaTokenizer(PreTrainedTokenizerFast):
    """The tokenizer of DeBERTa v1: tokenizer.json, vocab.json with merges.txt, or bpe_encoder.bin.

    >>> import json, pathlib, tempfile
    >>> tokens = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "h", "i", "hi", "[MASK]"]
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = pathlib.Path(name)
    ...     _ = (folder / "vocab.json").write_text(json.dumps({token: id for id, token in enumerate(tokens)}))
    ...     _ = (folder / "merges.txt").write_text("h i")
    ...     DebertaTokenizer.from_pretrained(folder)("hi", "ih").input_ids
    [1, 6, 2, 5, 4, 2]
    """

    _kind = "DebertaTokenizer"


class BertTokenizer(PreTrainedTokenizerFast):
    """The tokenizer of BERT: tokenizer.json or vocab.txt.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "to", "##ken", "!"]
    ...     _ = pathlib.Path(folder, "vocab.txt").write_text("\\n".join(tokens))
    ...     BertTokenizer.from_pretrained(folder).tokenize("Token!")
    ['to', '##ken', '!']
    """

    _kind = "BertTokenizer"


DebertaV2TokenizerFast = DebertaV2Tokenizer
DebertaTokenizerFast = DebertaTokenizer
BertTokenizerFast = BertTokenizer

_CLASSES = {cls._kind: cls for cls in (DebertaV2Tokenizer, DebertaTokenizer, BertTokenizer, PreTrainedTokenizerFast)}


class AutoTokenizer:
    """Opens the tokenizer of a model directory in its own class."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise TypeError("AutoTokenizer has no instances; call AutoTokenizer.from_pretrained(DIR)")

    @staticmethod
    def from_pretrained(pretrained_model_name_or_path: str | Path, **options: Any) -> PreTrainedTokenizerFast:
        """Opens a tokenizer as the class that its directory names; see `PreTrainedTokenizerFast.from_pretrained`."""
        files, options = _open(pretrained_model_name_or_path, None, options)
        return _CLASSES[files.kind]._of(files, *_origin(files, AutoTokenizer, options))


def as_tokenizer(value: Any) -> PreTrainedTokenizerFast:
    """The tokenizer itself, or that of a directory or a name of the hub; TypeError for anything else."""
    if isinstance(value, (str, Path)):
        return AutoTokenizer.from_pretrained(value)
    if not isinstance(value, PreTrainedTokenizerFast):
        raise TypeError(
            f"tokenizer is of type {type(value).__name__}; give a directory or the result of "
            "AutoTokenizer.from_pretrained"
        )
    return value


def reopened_tokenizer(directory: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a directory; it shares the files that were opened last if they are the same, as pickles do."""
    return _reopen(AutoTokenizer, directory, {})


def check_padding(value: Any) -> str | None:
    """The padding strategy for an argument: "longest", "max_length" or None; ValueError for an unknown one."""
    return _choice("padding", value, _PADDINGS)


def raise_for_bad_row(
    tokenizer: PreTrainedTokenizerFast,
    firsts: Sequence[str],
    seconds: Sequence[str] | None,
    options: dict[str, Any],
    row_names: Sequence[RowName],
) -> None:
    """Raises ValueError for the first row that cannot be encoded; `row_names` give its name in the message."""
    raise_for_surrogate(firsts, row_names[0])
    raise_for_surrogate(seconds or [], row_names[1])
    for row, first in enumerate(firsts):
        try:
            tokenizer._encode_with([first], None if seconds is None else [seconds[row]], options)
        except ValueError as error:
            raise ValueError(f"{row_names[0](row)} {str(error).removeprefix('row 0 ')}") from error


def warn_of_cuts(cut: int, rows: str, limit: int) -> None:
    """Warns once per call that `model_max_length` cut rows."""
    warn_caller(
        TruncationWarning(
            f"{cut} of {rows} lost tokens to the limit of {limit}; give max_length to choose another limit, or "
            "truncation=False to keep everything",
            count=cut,
        )
    )


def _warn_of_length(count: int, rows: int, limit: int) -> None:
    """Warns once per call that rows are longer than `model_max_length`."""
    if count:
        warn_caller(
            UserWarning(
                f"{count} of {rows} rows are longer than model_max_length, {limit}, the limit of the model; give "
                "truncation=True to cut them, or max_length to choose another limit"
            )
        )


def _open(name: str | Path, kind: str | None, options: dict[str, Any]) -> tuple[TokenizerFiles, dict[str, Any]]:
    """The files of a directory or of a name on the hub, and the options without those of the hub."""
    where, others = hub_options(options)
    return open_tokenizer(resolve(name, files=TOKENIZER, **where), kind, others), others


def _origin(files: TokenizerFiles, opener: type, options: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """The name of an opened tokenizer, and the function and its arguments that unpickling calls."""
    name = str(files.directory)
    return name, (_reopen, (opener, name, options))


def _construct(
    cls: type[Some], files: dict[str, Any], content: str | None, options: dict[str, Any]
) -> PreTrainedTokenizerFast:
    return cls(**files, tokenizer_object=content, **options)


def _of_content(name: str, files: Mapping[str, bytes]) -> PreTrainedTokenizerFast:
    """A tokenizer out of a pickle that holds its files."""
    from tempfile import TemporaryDirectory

    directory = TemporaryDirectory(prefix="deberta_c-tokenizer-")
    for file, content in files.items():
        Path(directory.name, file).write_bytes(content)
    tokenizer = AutoTokenizer.from_pretrained(directory.name)
    tokenizer._carries_files, tokenizer._directory, tokenizer.name_or_path = True, directory, name
    return tokenizer


def _reopen(opener: Any, directory: str, options: dict[str, Any]) -> PreTrainedTokenizerFast:
    tokenizer: PreTrainedTokenizerFast = reopened(opener, directory, options, opener.from_pretrained)
    tokenizer.model_input_names = list(tokenizer.model_input_names)  # may be changed in place: copies do not share it
    return tokenizer


def _choice(name: str, value: Any, known: dict[Any, str | None]) -> str | None:
    if (isinstance(value, (bool, str)) or value is None) and value in known:
        return known[value]
    raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(repr(key) for key in known)}")


def _multiple(value: Any) -> int | None:
    if value is not None:
        _require_integer("pad_to_multiple_of", value, 1, " or None")
    return value and int(value)


def _require_integer(name: str, value: Any, least: int, others: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is {value!r}; it must be an integer{others}")
    if value < least:
        raise ValueError(f"{name} is {value}; it must be at least {least}")
