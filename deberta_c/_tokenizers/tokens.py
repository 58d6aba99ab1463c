"""The tokens of a tokenizer: ids and texts of them, special ones, and those that are added."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from deberta_c._base.errors import warn_caller
from deberta_c._base.suggest import names_options
from deberta_c._columns.texts import content_of_str
from deberta_c._tokenizers.added_token import AddedToken as PublicToken
from deberta_c._tokenizers.added_token import token_section
from deberta_c._tokenizers.decoders import clean_up, make_decoder
from deberta_c._tokenizers.directory import (
    SPECIAL_NAMES,
    AddedToken,
    TokenizerFiles,
    token_flags,
)
from deberta_c._tokenizers.legacy import LegacyCalls
from deberta_c._tokenizers.padding import as_lists
from deberta_c._tokenizers.rows import encode_trimmed
from deberta_c._tokenizers.settings import EXTRA, errors_name_file


class _Special:
    """An attribute such as `cls_token` or `cls_token_id`; None if the tokenizer has no such token."""

    def __set_name__(self, _: type, name: str) -> None:
        self.name = name.removesuffix("_id")
        self.is_id = name != self.name

    def __get__(self, tokenizer: Any, _: type | None = None) -> Any:
        if tokenizer is None:
            return self
        token = tokenizer._special.get(self.name)
        return tokenizer.convert_tokens_to_ids(token) if self.is_id and token is not None else token

    def __set__(self, tokenizer: Any, value: Any) -> None:
        if self.is_id and value is not None:
            value = tokenizer.convert_ids_to_tokens(value)
        tokenizer._name_special(self.name, value)


class Vocabulary(LegacyCalls):
    """The tokens of a tokenizer; see `PreTrainedTokenizerFast`."""

    bos_token, bos_token_id = _Special(), _Special()
    eos_token, eos_token_id = _Special(), _Special()
    unk_token, unk_token_id = _Special(), _Special()
    sep_token, sep_token_id = _Special(), _Special()
    pad_token, pad_token_id = _Special(), _Special()
    cls_token, cls_token_id = _Special(), _Special()
    mask_token, mask_token_id = _Special(), _Special()

    def _set_up(self, files: TokenizerFiles, name: str, again: tuple[Any, ...]) -> None:
        options = files.options
        self.name_or_path = name
        self._again = again  # the function and its arguments that unpickling calls
        self._grown: tuple[AddedToken, ...] = ()  # tokens added after opening
        # Copies share the following values: they are replaced, never changed in place.
        self._special: dict[str, str | None] = dict(files.special)
        self._extra = tuple(files.extra)
        self._model_max_length: int | None = options["model_max_length"]
        self._padding_side: str = options["padding_side"]
        self._truncation_side: str = options["truncation_side"]
        self.clean_up_tokenization_spaces: bool = options["clean_up_tokenization_spaces"]
        self.split_special_tokens: bool = options["split_special_tokens"]
        self.model_input_names: list[str] = list(options["model_input_names"])
        self.pad_token_type_id: int = options["pad_token_type_id"]
        self._decoded = errors_name_file(files.directory / "tokenizer.json", lambda: make_decoder(files.decoders))
        self._opened = files  # without the tokens of `_grown`
        self._adopt(files)

    def _adopt(self, files: TokenizerFiles) -> None:
        self._files, self._core = files, files.core
        self._encode: Callable[..., tuple[Any, ...]] = files.core.encode
        if files.trim_offsets is not None:
            self._encode = partial(encode_trimmed, files.core, files.trim_offsets)
        self._added = {token.content: token.id for token in files.added}
        self._hidden = {token.id for token in files.added if token.special}  # what skip_special_tokens skips
        self._vocabulary: dict[str, int] | None = None
        self._places = [sum(part >= 0 for part, _ in template) for template in (files.single, files.pair)]

    @names_options("decode")
    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        *,
        spaces_between_special_tokens: bool = True,
    ) -> Any:
        """The text of ids, or a list of texts for a list of rows; ids beyond the vocabulary are left out.

        `clean_up_tokenization_spaces` removes spaces before punctuation; its default is the attribute of that name.
        With compatibility="transformers5" BPE keeps spaces as they were: True is then ignored with a warning.
        `spaces_between_special_tokens` is ignored, as by fast tokenizers of transformers.

        Errors: ValueError for a negative id, TypeError for a value that is not an id.
        """
        ids = as_lists(token_ids["input_ids"] if isinstance(token_ids, Mapping) else token_ids)
        cleans = clean_up_tokenization_spaces
        if cleans is None:
            cleans = self.clean_up_tokenization_spaces
        if cleans and self._files.rule == "HF5" and self._files.model_type == "BPE":
            if clean_up_tokenization_spaces:
                warn_caller(UserWarning("clean_up_tokenization_spaces is ignored: transformers 5 keeps spaces of BPE"))
            cleans = False
        if isinstance(ids, list) and ids and isinstance(ids[0], list):
            return [self._text(row, skip_special_tokens, cleans) for row in ids]
        return self._text(ids if isinstance(ids, list) else [ids], skip_special_tokens, cleans)

    @names_options("batch_decode")
    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        *,
        spaces_between_special_tokens: bool = True,
    ) -> list[str]:
        """The texts of rows of ids; see `decode`."""
        sequences = as_lists(sequences)
        if sequences == []:
            return []
        texts = self.decode(sequences, skip_special_tokens, clean_up_tokenization_spaces)
        return [texts] if isinstance(texts, str) else list(texts)

    def _text(self, ids: list[int], skips: bool, cleans: bool) -> str:
        if not all(type(id) is int for id in ids):
            raise TypeError(f"token_ids holds {next(id for id in ids if type(id) is not int)!r}; give a row of ids")
        size, piece, hidden = len(self), self._core.piece, self._hidden if skips else ()
        if ids and min(ids) < 0:
            raise ValueError(
                f"id {min(ids)} is negative, so no token has it; leave out ids that mark ignored places, such as -100"
            )
        text = self._decoded([token for id in ids if id < size and id not in hidden and (token := piece(id))])
        return clean_up(text) if cleans else text

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """The text of tokens."""
        return self._decoded(list(tokens))

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """The token of an id, or the list of tokens of several ids; None for an id that no token has.

        Errors: ValueError for an id outside [0, len(tokenizer)), TypeError for a value that is not an id.
        """
        ids = as_lists(ids)
        if isinstance(ids, int):
            if not 0 <= ids < len(self):
                raise ValueError(f"id {ids} is not in [0, {len(self)}), the ids of this tokenizer")
            return self._core.piece(ids) or None
        if not isinstance(ids, list):
            raise TypeError(f"ids is {ids!r}; give an id or a list of ids")
        skipped = set(self.all_special_ids) if skip_special_tokens else ()
        return [self.convert_ids_to_tokens(id) for id in ids if id not in skipped]

    def __len__(self) -> int:
        """The number of ids, added tokens included."""
        return len(self._core)

    @property
    def vocab_size(self) -> int:
        """The number of tokens in the vocabulary of the model; tokens that were added to it are not counted."""
        return self._files.base_size

    @property
    def vocab(self) -> dict[str, int]:
        """Every token with its id."""
        return self.get_vocab()

    def get_vocab(self) -> dict[str, int]:
        """Every token with its id, in the order of the ids."""
        return dict(self._all_ids())

    def get_added_vocab(self) -> dict[str, int]:
        """The added tokens with their ids, including those that are also in the vocabulary of the model."""
        return dict(self._added)

    @property
    def added_tokens_decoder(self) -> dict[int, PublicToken]:
        """The added tokens by their ids."""
        return {token.id: PublicToken(**token_flags(token)) for token in self._files.added}

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """The id of a token, or the list of ids of several; unknown tokens have the id of the unknown token."""
        if not isinstance(tokens, str):
            return [self.convert_tokens_to_ids(token) for token in tokens]
        found = self._id_of(tokens)
        if found is None and (unknown := self.unk_token) is not None:
            found = self._id_of(unknown)
        return found

    def _id_of(self, token: str) -> int | None:
        token = content_of_str(token)
        found = self._added.get(token)
        return self._all_ids().get(token) if found is None else found

    def _all_ids(self) -> dict[str, int]:
        if self._vocabulary is None:
            piece = self._core.piece
            ids = {piece(id): id for id in reversed(range(len(self)))}
            ids.pop("", None)  # of an id that no token has
            self._vocabulary = dict(sorted((ids | self._added).items(), key=itemgetter(1)))
        return self._vocabulary

    def add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:
        """Adds tokens that are found in a text before the model splits it; returns how many of them are new.

        A token is a str, or has the attributes or keys of an AddedToken: `content`, `single_word`, `lstrip`, `rstrip`,
        `normalized`, `special`. New tokens get the next free ids; the embeddings of the model need a row for each, see
        `resize_token_embeddings`.
        """
        several = isinstance(new_tokens, (list, tuple)) and not isinstance(new_tokens, AddedToken)
        return self._grow([_added_token(token, special_tokens) for token in (new_tokens if several else [new_tokens])])

    def add_special_tokens(
        self, special_tokens_dict: Mapping[str, Any], replace_extra_special_tokens: bool = True
    ) -> int:
        """Adds special tokens by their names, such as {"pad_token": "<pad>"}; returns how many of them are new.

        "extra_special_tokens" (or "additional_special_tokens") is a list. It replaces the former list, or extends it
        with `replace_extra_special_tokens=False`.

        Errors: ValueError for an unknown name, TypeError for a value that is not a token, or not a list of tokens.
        """
        named = dict(special_tokens_dict)
        for name in EXTRA:
            if isinstance(tokens := named.get(name, ()), AddedToken) or not isinstance(tokens, (list, tuple)):
                raise TypeError(f"{name} is {tokens!r}; it must be a list of tokens")
        extra = [_added_token(token, True) for name in reversed(EXTRA) for token in named.pop(name, ())]
        for name in named:
            if name not in SPECIAL_NAMES:
                raise ValueError(f"{name!r} is not the name of a special token; known are {', '.join(SPECIAL_NAMES)} "
                                 "and a list of extra_special_tokens")  # fmt: skip
        special = {name: _added_token(token, True) for name, token in named.items()}
        count = self._grow([*extra, *special.values()])
        self._special = {**self._special, **{name: token.content for name, token in special.items()}}
        if extra:
            before = () if replace_extra_special_tokens else self._extra
            self._extra = tuple(dict.fromkeys((*before, *(token.content for token in extra))))
        return count

    def _grow(self, tokens: list[AddedToken]) -> int:
        known = {token._replace(id=-1) for token in self._files.added}
        special = {token.content for token in known if token.special}  # it stays special, as in tokenizers
        tokens = [token._replace(special=token.special or token.content in special) for token in tokens]
        new = list(dict.fromkeys(token for token in tokens if token.content and token not in known))
        if new:
            grown = (*self._grown, *new)
            self._adopt(self._opened.with_added(grown))
            self._grown = grown
        return len(new)

    def _name_special(self, name: str, value: Any) -> None:
        content = None if value is None else self._known_token(name, value, value)
        self._special = {**self._special, name: content}

    def _known_token(self, name: str, value: Any, shown: Any) -> str:
        content = _added_token(value, True).content
        if self._id_of(content) is None:
            raise ValueError(
                f"{name} is {shown!r}, which the vocabulary does not have; add it with "
                f"tokenizer.add_special_tokens({{{name!r}: {shown!r}}})"
            )
        return content

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The special tokens by their names."""
        return {name: token for name in SPECIAL_NAMES if (token := self._special.get(name)) is not None}

    @property
    def extra_special_tokens(self) -> list[str]:
        """The special tokens without a name.

        Errors when set: TypeError unless it is a list of tokens, ValueError for a token that the vocabulary lacks.
        """
        return list(self._extra)

    @extra_special_tokens.setter
    def extra_special_tokens(self, tokens: Any) -> None:
        self._extra = tuple(self._known_token("extra_special_tokens", token, [token]) for token in _tokens(tokens))

    @property
    def additional_special_tokens(self) -> list[str]:
        """`extra_special_tokens`, by its name in transformers 4."""
        return self.extra_special_tokens

    @additional_special_tokens.setter
    def additional_special_tokens(self, tokens: Any) -> None:
        self.extra_special_tokens = tokens

    @property
    def all_special_tokens(self) -> list[str]:
        """The special tokens, each once."""
        return list(dict.fromkeys((*self.special_tokens_map.values(), *self._extra)))

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of `all_special_tokens`."""
        return [self.convert_tokens_to_ids(token) for token in self.all_special_tokens]


def _added_token(token: Any, special: bool) -> AddedToken:
    """A token of the arguments of add_tokens, which has no id yet."""
    if isinstance(token, str):
        return AddedToken(content_of_str(token), normalized=not special, special=special)
    section = token_section(token)
    if section is None:
        raise TypeError(f"a token is {token!r}; it must be a str, an AddedToken or a mapping with `content`")
    content = section.pop("content")
    flags = {name: bool(value) for name, value in section.items()}
    flags["special"] = flags.get("special", False) or special
    return AddedToken(content, **{"normalized": not flags["special"], **flags})


def _tokens(tokens: Any) -> Any:
    if isinstance(tokens, AddedToken) or not isinstance(tokens, (list, tuple)):
        raise TypeError(f"extra_special_tokens is {tokens!r}; it must be a list of tokens")
    return tokens
