"""Calls of a tokenizer that people wrote for transformers 4, and that work on ids: what a template makes of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deberta_c._base.errors import warn_caller
from deberta_c._base.suggest import names_options, nearest
from deberta_c._files.atomic import new_files
from deberta_c._tokenizers.decoders import clean_up
from deberta_c._tokenizers.directory import FIRST, SECOND, TokenizerFiles
from deberta_c._tokenizers.encodings import BatchEncoding
from deberta_c._tokenizers.recipes import FAST
from deberta_c._tokenizers.settings import CALL_OPTIONS, COMPATIBILITY
from deberta_c._tokenizers.training import train
from deberta_c._tokenizers.vocabularies import write_vocab_json, write_vocab_txt

_INSTEAD = {
    "push_to_hub": "deberta_c does not upload: save_pretrained(DIR), then `hf upload REPO DIR`",
    "backend_tokenizer": "deberta_c does not use the tokenizers library; save_pretrained(DIR) writes a tokenizer.json, "
    "which tokenizers.Tokenizer.from_file reads",
    "apply_chat_template": "DeBERTa and BERT have no chats; call the tokenizer with the text",
    "as_target_tokenizer": "give the labels as text_target= of a call",
    "prepare_seq2seq_batch": "call the tokenizer with text= and text_target=",
    "truncate_sequences": "prepare_for_model(ids, pair_ids, truncation=..., max_length=...) cuts ids",
    "special_tokens_map_extended": "special_tokens_map has the tokens, added_tokens_decoder their flags",
    "all_special_tokens_extended": "all_special_tokens has the tokens, added_tokens_decoder their flags",
    "vocab_files_names": "save_vocabulary(DIR) writes the vocabulary and returns its files",
    "vocab_file": "save_vocabulary(DIR) writes the vocabulary",
}


class LegacyCalls:
    """Methods of tokenizers of transformers 4 which 5 has no more, or has for other classes only."""

    def encode_plus(
        self: Any, text: Any, text_pair: Any = None, add_special_tokens: bool = True, **options: Any
    ) -> Any:
        """Encodes one text or pair: the name of a call in transformers 4, which is called with the same arguments.

        Errors: TypeError for None. Warnings: FutureWarning, because a call does the same.
        """
        _warn_of_name("encode_plus(text)", "tokenizer(text)")
        if text is None:
            raise TypeError("text is None; encode_plus takes one text")
        encoding: BatchEncoding = self(text, text_pair, add_special_tokens=add_special_tokens, **options)
        return encoding

    def batch_encode_plus(
        self: Any, batch_text_or_text_pairs: Any, add_special_tokens: bool = True, **options: Any
    ) -> BatchEncoding:
        """Encodes a list of texts, or of pairs: the name of a call in transformers 4.

        Errors: TypeError for a single text. Warnings: FutureWarning, because a call does the same.
        """
        _warn_of_name("batch_encode_plus(texts)", "tokenizer(texts)")
        if isinstance(batch_text_or_text_pairs, str) or batch_text_or_text_pairs is None:
            raise TypeError(
                f"batch_text_or_text_pairs is of type {type(batch_text_or_text_pairs).__name__}; it must be a list of "
                "texts or of pairs"
            )
        encoding: BatchEncoding = self(batch_text_or_text_pairs, add_special_tokens=add_special_tokens, **options)
        return encoding

    # ---- ids of texts in, rows out ----

    def build_inputs_with_special_tokens(
        self: Any, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """The ids of one text, or of two, with special tokens round them, as a call puts them there."""
        texts = {FIRST: list(token_ids_0), SECOND: list(token_ids_1 or ())}
        return [one for id, _ in _template(self, token_ids_1) for one in texts.get(id, [id])]

    def create_token_type_ids_from_sequences(
        self: Any, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """The token types of what `build_inputs_with_special_tokens` returns."""
        lengths = {FIRST: len(token_ids_0), SECOND: len(token_ids_1 or ())}
        return [one for id, type_id in _template(self, token_ids_1) for one in [type_id] * lengths.get(id, 1)]

    def get_special_tokens_mask(
        self: Any,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for each special token and 0 for each token of a text, in the row that is made of the ids.

        With `already_has_special_tokens` the ids are a row with its special tokens; all special ids count as such.

        Errors: ValueError for a second text beside a row that has its special tokens.
        """
        if not already_has_special_tokens:
            texts = {FIRST: [0] * len(token_ids_0), SECOND: [0] * len(token_ids_1 or ())}
            return [one for id, _ in _template(self, token_ids_1) for one in texts.get(id, [1])]
        if token_ids_1 is not None:
            raise ValueError("token_ids_1 is given, but already_has_special_tokens is true; give the whole row as one")
        special = set(self.all_special_ids)
        return [int(id in special) for id in token_ids_0]

    @names_options("prepare_for_model")
    def prepare_for_model(
        self: Any,
        ids: list[int],
        pair_ids: list[int] | None = None,
        add_special_tokens: bool = True,
        padding: bool | str | None = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
        prepend_batch_axis: bool = False,
    ) -> BatchEncoding:
        """One row of the ids of one text or of two, as transformers 4 makes it: cut, with special tokens, padded.

        Arguments as in a call. `return_overflowing_tokens` adds `overflowing_tokens`, the ids that were cut, with
        `stride` ids before them, and `num_truncated_tokens`, how many are too many (negative: how many are free).

        Errors: ValueError for a text that is too short for what must be cut, for overflowing tokens of a pair that is
        cut at both texts, for offsets, which ids do not have, and as in a call.
        """
        if return_offsets_mapping:
            raise ValueError("return_offsets_mapping is true, but ids have no offsets; call the tokenizer with texts")
        if truncation is None and max_length is not None and padding is False:
            truncation = True
        pairs = pair_ids is not None
        options = self._encode_options(truncation, max_length, add_special_tokens, pairs)
        firsts, seconds, specials = list(ids), list(pair_ids or []), self.num_special_tokens_to_add(pairs)
        total = len(firsts) + len(seconds) + specials * bool(add_special_tokens)
        limit, strategy = options.get("max_length", 0), options.get("truncation")
        if strategy == "longest_first" and not pairs:
            strategy = "only_first"
        if return_overflowing_tokens and strategy == "longest_first":
            raise ValueError(
                "return_overflowing_tokens is true, but of a pair both texts are cut; give truncation='only_first' or "
                "'only_second'"
            )
        cut: list[int] = []
        if strategy is not None and total > limit:
            firsts, seconds, cut = _truncated(
                firsts, seconds, total - limit, strategy, stride, self.truncation_side == "left"
            )
        second = seconds if pairs else None
        columns: dict[str, Any] = {}
        if return_overflowing_tokens:
            columns = {
                "overflowing_tokens": cut,
                "num_truncated_tokens": total - (max_length or self.model_max_length or total),
            }
        columns["input_ids"] = firsts + seconds
        if "token_type_ids" in self.model_input_names if return_token_type_ids is None else return_token_type_ids:
            columns["token_type_ids"] = [0] * len(firsts + seconds)
        if return_special_tokens_mask:
            columns["special_tokens_mask"] = [0] * len(firsts + seconds)
        if add_special_tokens:
            made = {
                "input_ids": self.build_inputs_with_special_tokens,
                "token_type_ids": self.create_token_type_ids_from_sequences,
                "special_tokens_mask": self.get_special_tokens_mask,
            }
            columns |= {name: make(firsts, second) for name, make in made.items() if name in columns}
        padded = self.pad(
            columns,
            padding=padding,
            max_length=max_length,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            return_attention_mask=return_attention_mask,
        ).data
        if return_length:
            padded["length"] = len(padded["input_ids"])
        return BatchEncoding(padded, tensor_type=return_tensors, prepend_batch_axis=prepend_batch_axis)

    # ---- what a tokenizer is ----

    @property
    def max_len_single_sentence(self: Any) -> int | None:
        """Tokens of one text that a row of `model_max_length` has room for; None where there is no limit."""
        limit = self.model_max_length
        return None if limit is None else limit - self.num_special_tokens_to_add()

    @property
    def max_len_sentences_pair(self: Any) -> int | None:
        """Tokens of two texts that a row of `model_max_length` has room for; None where there is no limit."""
        limit = self.model_max_length
        return None if limit is None else limit - self.num_special_tokens_to_add(pair=True)

    @property
    def compatibility(self: Any) -> str:
        """The library whose reading of the files this is: "transformers4", "transformers5" or "sentencepiece"."""
        return COMPATIBILITY[self._files.rule]

    @property
    def added_tokens_encoder(self: Any) -> dict[str, int]:
        """The ids of the added tokens, in the order of the ids."""
        return {token.content: token.id for token in self._files.added}

    @property
    def additional_special_tokens_ids(self: Any) -> list[int]:
        """The ids of `additional_special_tokens`."""
        return [self.convert_tokens_to_ids(token) for token in self.additional_special_tokens]

    @property
    def init_kwargs(self: Any) -> dict[str, Any]:
        """What the tokenizer is made with: tokenizer_config.json, options, and what was set since."""
        settings = ("model_max_length", "padding_side", "truncation_side", "clean_up_tokenization_spaces")
        set_since = {name: getattr(self, name) for name in settings}
        return {**self._files.config, **self._files.options, **set_since, **self.special_tokens_map}

    def clean_up_tokenization(self: Any, text: str) -> str:
        """The text without the spaces that tokenizing put before punctuation, as decoding cleans it."""
        return clean_up(text)

    def save_vocabulary(self: Any, save_directory: str | Path, filename_prefix: str | None = None) -> tuple[str, ...]:
        """Writes the vocabulary alone, without added tokens; returns the paths.

        BERT: vocab.txt; DeBERTa v1: vocab.json and merges.txt; DeBERTa v2 and v3: a copy of spm.model.

        Errors: ValueError where no such file can say the vocabulary; OSError when it cannot be written.
        """
        prefix = file_prefix(filename_prefix)
        with new_files(save_directory) as place:
            names = _write_vocabulary(self._files, lambda name: place(prefix + name))
        return tuple(str(Path(save_directory).expanduser() / (prefix + name)) for name in names)

    def train_new_from_iterator(
        self: Any,
        text_iterator: Any,
        vocab_size: int,
        length: int | None = None,
        new_special_tokens: list[Any] | None = None,
        special_tokens_map: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """A tokenizer of the same stages with a vocabulary of `vocab_size` tokens that is learnt from texts.

        The library `tokenizers` trains it. `text_iterator` gives texts or lists of texts; `length` is how many, for a
        progress bar; `special_tokens_map` renames special tokens; other arguments are those of the library's trainer.

        Errors: ImportError when `tokenizers` is not installed; ValueError with compatibility="sentencepiece".
        """
        names, new = dict(special_tokens_map or {}), list(new_special_tokens or ())
        files: TokenizerFiles = self._files
        content = train(files, text_iterator, vocab_size, length, new, lambda token: names.get(token, token), kwargs)
        options = {
            name: value
            for name, value in self.init_kwargs.items()
            if name in files.options and value is not None and (files.kind != FAST or name in CALL_OPTIONS)
        }
        options |= {name: names.get(token, token) for name, token in self._named_special().items()}
        extra = [names.get(token, token) for token in self.additional_special_tokens]
        extra += [token if isinstance(token, str) else token.content for token in new]
        return type(self)(
            tokenizer_object=content, compatibility=self.compatibility, extra_special_tokens=extra, **options
        )

    if not TYPE_CHECKING:  # else a misspelt name would pass for a known one

        def __getattr__(self, name: str) -> Any:
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            known = [known for known in dir(type(self)) if not known.startswith("_") and known != name]
            if name in _INSTEAD:
                message += f": {_INSTEAD[name]}"
            elif not name.startswith("_") and (near := nearest(name, known)):
                message += f"; did you mean {near[0]!r}?"
            raise AttributeError(message)


class Stage:
    """An option that made the stages, such as `do_lower_case`; AttributeError where the class does not have it."""

    def __set_name__(self, _: type, name: str) -> None:
        self.name = name

    def __get__(self, tokenizer: Any, _: type | None = None) -> Any:
        if tokenizer is None:
            return self
        if self.name not in tokenizer._files.options:
            raise AttributeError(self.name)
        return tokenizer._files.options[self.name]

    def __set__(self, tokenizer: Any, value: Any) -> None:
        raise AttributeError(
            f"{self.name} is fixed when a tokenizer is opened; open another one with from_pretrained(..., "
            f"{self.name}={value!r})"
        )


def file_prefix(prefix: Any) -> str:
    """What names of files begin with for the argument `filename_prefix`."""
    if prefix is None or prefix == "":
        return ""
    if not isinstance(prefix, str) or "/" in prefix or "\0" in prefix:
        raise ValueError(f"filename_prefix is {prefix!r}; it must be a str without a slash")
    return f"{prefix}-"


def _template(tokenizer: Any, seconds: list[int] | None) -> tuple[tuple[int, int], ...]:
    files: TokenizerFiles = tokenizer._files
    return files.single if seconds is None else files.pair


def _write_vocabulary(files: TokenizerFiles, place: Callable[[str], Path]) -> tuple[str, ...]:
    """Writes the vocabulary where `place` says; returns the names of the files."""
    if files.model_type == "Unigram":
        spm = files.directory / "spm.model"
        if not spm.is_file():
            raise ValueError(
                f"{str(files.directory)!r} has no spm.model to copy; save_pretrained writes a tokenizer.json"
            )
        place("spm.model").write_bytes(spm.read_bytes())
        return ("spm.model",)
    model = files.content()["model"]
    return write_vocab_txt(model, place) if files.model_type == "WordPiece" else write_vocab_json(model, place)


def _warn_of_name(old: str, new: str) -> None:
    warn_caller(FutureWarning(f"{old} is a name of transformers 4, which 5 does not have; write {new}"))


def _truncated(
    firsts: list[int], seconds: list[int], excess: int, strategy: str, stride: int, left: bool
) -> tuple[list[int], list[int], list[int]]:
    """Both texts without `excess` ids, and those that went, with `stride` ids before them."""
    if strategy == "longest_first":
        first, second = _shares(len(firsts), len(seconds), excess)
        return _cut(firsts, first, left), _cut(seconds, second, left), []
    ids = firsts if strategy == "only_first" else seconds
    if len(ids) <= excess:
        raise ValueError(
            f"truncation is {strategy!r}, but {excess} tokens must go and that text has {len(ids)}; give "
            "'longest_first' or a greater max_length"
        )
    window = min(len(ids), stride + excess)
    gone, kept = ids[:window] if left else ids[-window:], _cut(ids, excess, left)
    return (kept, seconds, gone) if strategy == "only_first" else (firsts, kept, gone)


def _shares(first: int, second: int, excess: int) -> tuple[int, int]:
    """How many ids each of two texts of these lengths loses, the longer one first of all."""
    alone = min(abs(first - second), excess)
    rest = excess - alone
    if first > second:
        return alone + rest // 2, rest - rest // 2
    return rest // 2, alone + rest - rest // 2


def _cut(ids: list[int], count: int, left: bool) -> list[int]:
    return ids[count:] if left else ids[: len(ids) - count]
