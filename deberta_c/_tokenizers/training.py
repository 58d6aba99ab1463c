"""A new vocabulary for the stages of a tokenizer, which the library `tokenizers` learns from texts."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from deberta_c._tokenizers.directory import TokenizerFiles

_TRAINERS = {"BPE": "BpeTrainer", "Unigram": "UnigramTrainer", "WordPiece": "WordPieceTrainer"}

Rename = Callable[[str], str]


def train(
    files: TokenizerFiles,
    texts: Iterable[Any],
    size: int,
    length: int | None,
    new_special: Iterable[Any],
    rename: Rename,
    options: Mapping[str, Any],
) -> str:
    """A tokenizer.json of the same stages, with `size` tokens learnt from texts; `options` are the trainer's.

    Source: train_new_from_iterator of transformers. Errors: ImportError without the library, ValueError for a special
    token of the template that the vocabulary does not have, and for compatibility="sentencepiece".
    """
    try:
        import tokenizers
    except ImportError as error:
        raise ImportError("training a vocabulary needs the tokenizers library; `pip install tokenizers`") from error
    if files.rule == "SPM":
        raise ValueError(
            'a vocabulary cannot be trained with compatibility="sentencepiece"; open the tokenizer with "transformers4"'
        )
    content = json.loads(tokenizers.Tokenizer.from_str(json.dumps(files.content())).to_str())
    model, unknown = _emptied(content["model"], rename)
    bare = {**content, "added_tokens": [], "post_processor": None, "model": model}
    trained = tokenizers.Tokenizer.from_str(json.dumps(bare))
    kept = [token for token in content["added_tokens"] if token["special"] or model["type"] == "Unigram"]
    special = [tokenizers.AddedToken(**_flags(token, rename)) for token in kept]
    trainer = getattr(tokenizers.trainers, _TRAINERS[model["type"]])(
        vocab_size=size,
        special_tokens=[*special, *new_special],
        **{**_trainer_options(content, unknown, tokenizers), **options},
    )
    trained.train_from_iterator(texts, length=length, trainer=trainer)
    _renumber(content["post_processor"], trained.token_to_id, rename)
    return json.dumps({**json.loads(trained.to_str()), "post_processor": content["post_processor"]})


def _emptied(model: dict[str, Any], rename: Rename) -> tuple[dict[str, Any], str | None]:
    """The model without its tokens, and the unknown token of one that numbers it."""
    if model["type"] == "Unigram" and model["unk_id"] is not None:
        unknown = rename(model["vocab"][model["unk_id"]][0])
        return {**model, "unk_id": 0, "vocab": [[unknown, 0.0]]}, unknown
    emptied = {**model, "vocab": {}} | ({"merges": []} if model["type"] == "BPE" else {})
    if isinstance(model.get("unk_token"), str):
        emptied["unk_token"] = rename(model["unk_token"])
    return emptied, None


def _flags(token: dict[str, Any], rename: Rename) -> dict[str, Any]:
    flags = {name: value for name, value in token.items() if name not in ("id", "special", "content")}
    return {**flags, "content": rename(token["content"])}


def _trainer_options(content: dict[str, Any], unknown: str | None, tokenizers: Any) -> dict[str, Any]:
    """What a trainer must know of the stages."""
    model, options = content["model"], {}
    if model["type"] == "BPE":
        names = ("continuing_subword_prefix", "end_of_word_suffix")
        options = {name: model[name] for name in names if model[name] is not None}
    if unknown is not None:
        options["unk_token"] = unknown
    cuts = content["pre_tokenizer"] or {}
    if any(stage["type"] == "ByteLevel" for stage in (cuts, *cuts.get("pretokenizers", ())) if stage):
        options["initial_alphabet"] = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    return options


def _renumber(section: dict[str, Any] | None, id_of: Callable[[str], int | None], rename: Rename) -> None:
    """Gives the special tokens of a post_processor the ids that they have now."""
    if section is None:
        return

    def known(token: str) -> int:
        if (id := id_of(token)) is None:
            raise ValueError(f"the post_processor places {token!r}, which the new vocabulary does not have; give it in "
                             "new_special_tokens or special_tokens_map")  # fmt: skip
        return id

    for part in section.get("processors", ()):
        _renumber(part, id_of, rename)
    for entry in section.get("special_tokens", {}).values():
        entry["tokens"] = [rename(token) for token in entry["tokens"]]
        entry["ids"] = [known(token) for token in entry["tokens"]]
    for name in ("cls", "sep"):
        if name in section:
            token = rename(section[name][0])
            section[name] = [token, known(token)]
