"""From a checkpoint directory to a pipeline: which tokenizer class it names and which of its files are read."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._base.errors import warn_caller
from deberta_c._files.json import read_json
from deberta_c._tokenizers.classes import BY_MODEL_TYPE, file_options, is_rebuilt, kind_of
from deberta_c._tokenizers.recipes import (
    BERT,
    FAST,
    OPTIONS,
    SPECIAL,
    V1,
    V2,
    as_sentencepiece,
    charsmap_text,
    options_of,
    own_model,
    recipe,
    template,
    with_options,
)
from deberta_c._tokenizers.recipes import (
    KINDS as KINDS,
)
from deberta_c._tokenizers.settings import EXTRA, Settings, content_of, errors_name_file
from deberta_c._tokenizers.settings import SPECIAL_NAMES as SPECIAL_NAMES
from deberta_c._tokenizers.settings import check_limit as check_limit
from deberta_c._tokenizers.settings import check_side as check_side
from deberta_c._tokenizers.tokenizer_json import FIRST as FIRST
from deberta_c._tokenizers.tokenizer_json import SECOND as SECOND
from deberta_c._tokenizers.tokenizer_json import AddedToken as AddedToken
from deberta_c._tokenizers.tokenizer_json import Pipeline, added_tokens, stages_of, templates, translate
from deberta_c._tokenizers.vocabularies import (
    WHITE_SPACE,
    SpmIds,
    errors_name_spm,
    read_bpe_encoder,
    read_spm,
    read_vocab_json,
    read_vocab_txt,
    spm_model,
)

_BLANKS = "Ġ" + WHITE_SPACE
_FILES = {
    V2: "tokenizer.json or spm.model",
    V1: "tokenizer.json, vocab.json and merges.txt, or bpe_encoder.bin",
    BERT: "tokenizer.json or vocab.txt",
    FAST: "tokenizer.json",
}
_NOT_SAVED = (
    *EXTRA, "tokenizer_file", "vocab_file", "merges_file", "special_tokens_map_file", "name_or_path", "byte_fallback",
    "compatibility", "pipeline", "slow_tokenizer_class",
)  # fmt: skip


@dataclass(frozen=True)
class TokenizerFiles:
    """What a directory says about its tokenizer, and the tokenizer made of it."""

    directory: Path
    kind: str
    """One of KINDS: the class, without "Fast"."""
    rule: str
    """The reading of the files that `compatibility` chose: "HF4", "HF5" or "SPM"."""
    core: _core.Tokenizer
    special: Mapping[str, str]
    """bos_token, ..., mask_token to the file's own names; a key that is missing is None in the library."""
    extra: tuple[str, ...]
    """Contents of additional_special_tokens (extra_special_tokens)."""
    single: tuple[tuple[int, int], ...]
    """The template of one text: (id or FIRST, type) each."""
    pair: tuple[tuple[int, int], ...]
    """The template of two texts: (id, FIRST or SECOND, type) each."""
    decoders: tuple[Mapping[str, Any], ...]
    """The decoder as a tokenizer.json names it, or none: tokens are joined by spaces. Type "Spm" stands for
    sentencepiece's own: as Metaspace, but neighbouring byte pieces become the characters that they spell."""
    options: Mapping[str, Any]
    """model_max_length (int, or None: no limit), padding_side, truncation_side, clean_up_tokenization_spaces,
    split_special_tokens (bool), model_input_names (tuple of str), pad_token_type_id; and what made the pipeline, where
    the kind knows it: do_lower_case, split_by_punct, tokenize_chinese_chars, strip_accents, add_prefix_space."""
    model_type: str
    """"Unigram", "WordPiece" or "BPE"."""
    trim_offsets: bool | None
    """Not None: the post-processor takes white space off the spans; see `trimmed_spans`, whose prefix_space it is."""
    config: Mapping[str, Any] = field(repr=False)
    """tokenizer_config.json as it is."""
    content: Callable[[], dict[str, Any]] = field(repr=False)
    """Reads the vocabulary again and builds a tokenizer.json of everything, except for SPM."""
    _known: Callable[[], tuple[tuple[AddedToken, ...], int]] = field(repr=False)

    @cached_property
    def added(self) -> tuple[AddedToken, ...]:
        """The added tokens in the order of their ids; also those that the model's vocabulary has, such as [CLS]."""
        return self._known()[0]

    @cached_property
    def base_size(self) -> int:
        """`vocab_size` of the library: tokens of the model's vocabulary, those that only `added` holds not counted."""
        return self._known()[1]

    def with_added(self, tokens: Iterable[AddedToken]) -> "TokenizerFiles":
        """The same with more added tokens: for add_tokens and add_special_tokens.

        A token that is there already keeps its id and gets the flags of the new one. Reads the vocabulary again.
        """
        if self.rule == "SPM":
            raise ValueError('tokens cannot be added with compatibility="sentencepiece"; add them with "transformers4"')
        new, before = [_section(token) for token in tokens], self.content

        def content() -> dict[str, Any]:
            old = before()
            return {**old, "added_tokens": [*old["added_tokens"], *new]}

        pipeline = _translate(self.directory, content())
        added, base_size = pipeline.added, pipeline.base_size
        return replace(
            self,
            core=_make_core(self.directory, pipeline),
            content=lambda: {**content(), "added_tokens": [_section(token) for token in added]},
            _known=lambda: (added, base_size),
        )


def open_tokenizer(directory: Path, kind: str | None, options: Mapping[str, Any]) -> TokenizerFiles:
    """Chooses class and files (the class asked for is `kind`, None: whatever the directory names) and reads them.

    `options` are those of from_pretrained and win over the files. A tokenizer.json is executed as it is, but with
    compatibility="transformers5", where a class of transformers 5 takes its vocabulary only, and with "sentencepiece",
    which needs spm.model. Its sections truncation and padding are ignored.

    Errors: OSError when a file is missing, ValueError for a broken file or a part that this version does not know,
    TypeError for an option that there is not.
    """
    settings = Settings(directory, options)
    settings.class_name = kind or _choose_class(settings)
    kind = kind_of(settings.class_name)
    settings.check(kind)
    rule = settings.rule()
    if rule == "SPM" and kind != V2:
        raise ValueError(
            f'compatibility is "sentencepiece", which {V2} has, but this is a {kind}; give "transformers4"'
        )
    json_path = directory / "tokenizer.json"
    if json_path.is_file() and rule != "SPM":
        if is_rebuilt(settings.class_name, rule):
            return _open_rebuilt(settings, kind, rule, json_path)
        return _open_literal(settings, kind, rule, json_path)
    if kind == V2:
        return _open_spm(settings, rule, _require(settings, kind, "spm.model"))
    path, model = _read_model(settings, kind)
    settings.fallback["clean_up_tokenization_spaces"] = kind == BERT and rule == "HF4"
    return _open_recipe(settings, kind, rule, path, model, [], None)


# ---- which class ----


def _choose_class(settings: Settings) -> str:
    """The class that tokenizer_config.json or config.json names, without "Fast", else the one of the files."""
    config = settings.model_config()
    declared = settings.file.get("tokenizer_class") or config.get("tokenizer_class")
    if declared is not None:
        if not isinstance(declared, str):
            raise ValueError(f"{str(settings.path)!r}: tokenizer_class is {declared!r}; it must be a str")
        name = declared.removesuffix("Fast")
        name = FAST if name in ("PreTrainedTokenizer", "") else name
        return _readable(settings, name, f"tokenizer_class is {declared!r}", KINDS)
    if (model_type := config.get("model_type")) is not None:
        name = BY_MODEL_TYPE.get(str(model_type), str(model_type))
        return _readable(settings, name, f"model_type is {model_type!r}", BY_MODEL_TYPE)
    holders = {"tokenizer.json": FAST, "spm.model": V2, "vocab.json": V1, "bpe_encoder.bin": V1, "vocab.txt": BERT}
    for file, kind in holders.items():
        if (settings.directory / file).is_file():
            return kind
    raise FileNotFoundError(
        f"{str(settings.directory)!r} has no file with a vocabulary: no {', no '.join(holders)}; copy it there, from "
        "the model that this one was trained from if need be"
    )


def _readable(settings: Settings, name: str, what: str, known: Iterable[str]) -> str:
    """The class; of one that is not known a tokenizer.json says everything."""
    if kind_of(name) != FAST or name == FAST or (settings.directory / "tokenizer.json").is_file():
        return name
    raise ValueError(
        f"{str(settings.directory)!r}: {what}; without a tokenizer.json this version knows {', '.join(known)} only: "
        "save it once with transformers, AutoTokenizer.from_pretrained(DIR).save_pretrained(OUT)"
    )


def _require(settings: Settings, kind: str, *names: str) -> Path:
    """The first of some files, all of which must be there."""
    folder = settings.directory
    for name in names:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{str(folder)!r} has no {name}, which holds the vocabulary; a {kind} is made of {_FILES[kind]}: copy "
                "that there, from the model that this one was trained from if need be, or save it there with "
                "tokenizer.save_pretrained"
            )
    return folder / names[0]


def _read_model(settings: Settings, kind: str) -> tuple[Path, dict[str, Any]]:
    """The vocabulary of a class without tokenizer.json, and its file."""
    folder = settings.directory
    if kind == FAST:
        _require(settings, kind, "tokenizer.json")
    if kind == BERT:
        path = _require(settings, kind, "vocab.txt")
        return path, {**read_vocab_txt(path), "unk_token": content_of(settings.named()["unk_token"])}
    legacy = folder / "bpe_encoder.bin"
    if legacy.is_file() and not (folder / "vocab.json").is_file():
        return legacy, read_bpe_encoder(legacy)
    path = _require(settings, kind, "vocab.json", "merges.txt")
    return path, read_vocab_json(path, folder / "merges.txt")


# ---- a tokenizer of what was read ----


def _open_literal(settings: Settings, kind: str, rule: str, path: Path) -> TokenizerFiles:
    """tokenizer.json, with what the class and the caller change."""

    def content() -> dict[str, Any]:
        return errors_name_file(path, lambda: with_options(read_json(path), given))

    whole = read_json(path)
    given = {**settings.stages(file_options(settings.class_name, whole, rule)), **settings.given_stages()}
    whole = errors_name_file(path, lambda: with_options(whole, given))
    own = errors_name_file(path, lambda: added_tokens(whole))
    settings.read_sections(whole)
    found = {name: value for name, value in options_of(whole).items() if kind == FAST or name in OPTIONS[kind]}
    return _finish(settings, kind, rule, path, whole, content, own, {**OPTIONS[kind], **found}, literal=True)


def _open_rebuilt(settings: Settings, kind: str, rule: str, path: Path) -> TokenizerFiles:
    """What a class of transformers 5 makes of a tokenizer.json: it keeps the vocabulary and the added tokens."""
    unknown = content_of(settings.named()["unk_token"])
    unk_id = settings.file.get("unk_id", 1)
    whole = read_json(path)
    settings.read_sections(whole)

    def model(content: dict[str, Any]) -> dict[str, Any]:
        return errors_name_file(path, lambda: own_model(kind, content.get("model"), unknown, unk_id))

    own = [] if "added_tokens_decoder" in settings.file else errors_name_file(path, lambda: added_tokens(whole))
    return _open_recipe(settings, kind, rule, path, model(whole), own, lambda: model(read_json(path)))


def _open_recipe(
    settings: Settings,
    kind: str,
    rule: str,
    path: Path,
    model: dict[str, Any],
    own: list[AddedToken],
    again: Callable[[], dict[str, Any]] | None,
) -> TokenizerFiles:
    """A vocabulary in the pipeline of its class; `again` reads it once more."""
    options = settings.stages(OPTIONS[kind])
    again = again or (lambda: _read_model(settings, kind)[1])
    whole = recipe(kind, rule, model, options)
    return _finish(settings, kind, rule, path, whole, lambda: recipe(kind, rule, again(), options), own, options)


def _open_spm(settings: Settings, rule: str, path: Path) -> TokenizerFiles:
    """spm.model in the stages of its class."""
    options = settings.stages(OPTIONS[V2])
    if rule == "HF4" and "add_prefix_space" not in settings.given:  # transformers 4 does not read it from the files
        options["add_prefix_space"] = True
    spm = read_spm(path)
    own = [] if rule == "SPM" else [AddedToken(piece, special=control) for piece, _, control in spm.added_pieces()]
    usual = options["add_prefix_space"] and _named_as_usual(settings, spm, rule)
    if usual or rule == "SPM":
        errors_name_spm(path, lambda: _check_names(spm))
    if rule == "SPM" and not usual:
        raise ValueError(
            f"{str(settings.path)!r} or a file beside it adds or renames tokens, or the option add_prefix_space is "
            'false, which compatibility="sentencepiece" does not have; give "transformers4"'
        )

    def content(spm: _core.SpmModel, vocab: Any) -> dict[str, Any]:
        return recipe(V2, rule, spm_model(spm, vocab), options, charsmap_text(spm.charsmap))

    def again() -> dict[str, Any]:
        spm = read_spm(path)
        return content(spm, spm.vocab())

    whole = content(spm, spm)
    return _finish(settings, V2, rule, path, whole, again, own, options)


def _named_as_usual(settings: Settings, spm: _core.SpmModel, rule: str) -> bool:
    """Whether the added tokens are those of every DeBERTa v2 and v3, with the ids that the files claim."""
    added = settings.added(rule, [])
    names = {name: content_of(token) for name, token in settings.named().items()}
    if rule == "SPM":
        added = [token._replace(normalized=False) for token in added]  # sentencepiece ignores it
    usual = {
        token: AddedToken(token, normalized=rule == "HF4" and token == "[UNK]", special=True)
        for token in names.values()
    }
    ids = SpmIds(spm)
    return names == SPECIAL[V2] and all(
        token._replace(id=-1) == usual.get(token.content) and token.id in (-1, ids.get(token.content, len(spm)))
        for token in added
    )


def _check_names(spm: _core.SpmModel) -> None:
    """Raises ValueError for an spm.model of another network. [MASK] may be missing; it gets the next id."""
    for name in ("[PAD]", "[CLS]", "[SEP]", "[UNK]"):
        if spm.find(name) < 0:
            raise ValueError(f"spm.model has no piece {name}: it does not belong to a DeBERTa v2 or v3")
    if (unknown := spm.piece(spm.unknown)) != "[UNK]":
        raise ValueError(f"the piece of type UNKNOWN is '{unknown[:100]}', not [UNK]")


def _finish(
    settings: Settings,
    kind: str,
    rule: str,
    path: Path,
    whole: dict[str, Any],
    again: Callable[[], dict[str, Any]],
    own: list[AddedToken],
    options: Mapping[str, Any],
    literal: bool = False,
) -> TokenizerFiles:
    """The tokenizer of a tokenizer.json, or of what is as good as one; `again` makes it once more."""
    special = {name: content_of(token) for name, token in settings.named().items()}
    claimed = settings.added(rule, own, from_json=path.name == "tokenizer.json")
    pipeline = _translate(path, {**whole, "added_tokens": [_section(token) for token in claimed]})
    ids = {token.content: token.id for token in pipeline.added}
    sections: dict[str, Any] = {"added_tokens": [_section(token) for token in pipeline.added]}
    if not literal:  # the class places its special tokens
        ends = [(special[name], ids[special[name]]) for name in ("cls_token", "sep_token")]
        sections["post_processor"] = template(kind, rule, *ends)
        single, pair, _ = templates(sections["post_processor"])
        pipeline = pipeline._replace(single=single, pair=pair)
    _warn_of_ids(path, claimed, ids)
    known = pipeline.added, pipeline.base_size
    if rule == "SPM":
        pipeline = as_sentencepiece(pipeline, options)
    return TokenizerFiles(
        directory=settings.directory,
        kind=kind,
        rule=rule,
        core=_make_core(path, pipeline),
        special=special,
        extra=tuple(content_of(token) for token in settings.extra()),
        single=pipeline.single,
        pair=pipeline.pair,
        decoders=() if pipeline.decoder is None else (pipeline.decoder,),
        options={**options, **settings.for_calls(rule)},
        model_type=pipeline.model["type"],
        trim_offsets=pipeline.trim_offsets,
        config=settings.file,
        content=lambda: {**again(), **sections},
        _known=lambda: known,
    )


def _translate(path: Path, content: Mapping[str, Any]) -> Pipeline:
    return errors_name_file(path, lambda: translate(content))


def _make_core(path: Path, pipeline: Pipeline) -> _core.Tokenizer:
    complete = errors_name_spm if "spm" in pipeline.model else errors_name_file
    return complete(path, lambda: _core.Tokenizer(**pipeline.for_core()))


def _section(token: AddedToken) -> dict[str, Any]:
    """An added token as a tokenizer.json has it."""
    return {"id": token.id, **token_flags(token)}


def _warn_of_ids(path: Path, claimed: Iterable[AddedToken], ids: Mapping[str, int]) -> None:
    """The library honours no id that a file claims for an added token; it only warns, and so does this."""
    others = [token for token in claimed if token.id >= 0 and token.content and token.id != ids[token.content]]
    if others:
        token = others[0]
        more = f" (and so {len(others) - 1} more)" if others[1:] else ""
        warn_caller(
            UserWarning(
                f"{str(path.parent)!r}: the added token {token.content!r} claims the id {token.id}, but gets "
                f"{ids[token.content]}, as in the library, for ids follow from the vocabulary{more}; correct the files "
                "to silence this"
            )
        )


def trimmed_spans(spans: NDArray[np.int32], strings: list[str], prefix_space: bool) -> NDArray[np.int32]:
    """Spans (T, 2) of one text, or of one row of a pair, without the white space at the ends of their tokens.

    Source: pre_tokenizers/byte_level.rs of huggingface/tokenizers. `strings` are the tokens, and `prefix_space` says
    that the first one may begin with a space that the text does not have.
    """
    trimmed = []
    for index, (token, (begin, end)) in enumerate(zip(strings, spans.tolist(), strict=True)):
        leading = len(token) - len(token.lstrip(_BLANKS))
        trailing = len(token) - len(token.rstrip(_BLANKS))
        if leading == 1 and prefix_space and (index == 0 or begin == 0):
            leading = 0
        begin = min(begin + leading, end)
        if end >= trailing:
            end = max(end - trailing, begin)
        trimmed.append((begin, end))
    return np.array(trimmed, np.int32).reshape(-1, 2)


# ---- writing ----


def write_tokenizer(files: TokenizerFiles, place: Callable[[str], Path]) -> tuple[str, ...]:
    """Writes tokenizer.json and tokenizer_config.json where `place` says, and returns their names.

    Read back, here or with transformers, they give the same ids: tokenizer_class is PreTrainedTokenizerFast wherever
    a class of transformers 5 would make another pipeline of the vocabulary. With compatibility="sentencepiece", which
    no tokenizer.json can say, spm.model is copied, and transformers 5 makes its own pipeline of that.
    """
    config = {name: value for name, value in files.config.items() if name not in _NOT_SAVED}
    config.update(_call_section(files.options), **files.special)
    config["added_tokens_decoder"] = {str(token.id): token_flags(token) for token in files.added}
    if files.extra:
        config["additional_special_tokens"] = list(files.extra)
    if files.rule == "SPM":
        name, body = "spm.model", (files.directory / "spm.model").read_bytes()
        config.update(tokenizer_class=V2, compatibility="sentencepiece")
    else:
        content = {**files.content(), "truncation": None, "padding": None}
        name, body = "tokenizer.json", json.dumps(content, ensure_ascii=False).encode("utf-8")
        config["tokenizer_class"] = files.kind if _is_rebuilt(files, content) else FAST
        if files.kind == V2:
            config["unk_id"] = content["model"].get("unk_id")
    text = json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    place(name).write_bytes(body)
    place("tokenizer_config.json").write_bytes(text.encode("utf-8"))
    return name, "tokenizer_config.json"


def _call_section(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as tokenizer_config.json has them."""
    limit = options["model_max_length"]
    return {
        **{name: value for name, value in options.items() if name != "pad_token_type_id"},  # which no library reads
        "model_max_length": int(1e30) if limit is None else limit,
        "model_input_names": list(options["model_input_names"]),
    }


def token_flags(token: AddedToken) -> dict[str, Any]:
    """Content and flags, without the id."""
    return {key: value for key, value in token._asdict().items() if key != "id"}


def _is_rebuilt(files: TokenizerFiles, content: Mapping[str, Any]) -> bool:
    """Whether the class of transformers 5 makes this very pipeline of a tokenizer.json."""
    kind, options = files.kind, {**OPTIONS[files.kind], **files.options}
    if kind == FAST or not {"unk_token", "cls_token", "sep_token"} <= files.special.keys():
        return False
    ends = [(files.special[name], _id_of(files, files.special[name])) for name in ("cls_token", "sep_token")]
    try:
        model = own_model(kind, content["model"], files.special["unk_token"], content["model"].get("unk_id") or 1)
        rebuilt = {**recipe(kind, "HF5", model, options), "post_processor": template(kind, "HF5", *ends)}
        same_model = {**content["model"], "type": model["type"]} == model
        return same_model and stages_of(rebuilt) == stages_of(content) and rebuilt["decoder"] == content.get("decoder")
    except ValueError:
        return False


def _id_of(files: TokenizerFiles, content: str) -> int:
    return next((token.id for token in files.added if token.content == content), -1)
