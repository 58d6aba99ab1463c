"""config.json: read, completed with defaults, checked, and handed to the core."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_DEFAULTS: dict[str, Any] = {
    "vocab_size": 128100,
    "hidden_size": 1536,
    "num_hidden_layers": 24,
    "num_attention_heads": 24,
    "intermediate_size": 6144,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 0,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-7,
    "relative_attention": False,
    "max_relative_positions": -1,
    "pad_token_id": 0,
    "position_biased_input": True,
    "pos_att_type": None,
    "pooler_dropout": 0.0,
    "pooler_hidden_act": "gelu",
    "problem_type": None,
    # What the network reads although the reference does not declare it.
    "position_buckets": -1,
    "share_att_key": False,
    "norm_rel_ebd": "none",
    "conv_kernel_size": 0,
}
# Read when present; without them another field decides.
_OPTIONAL = frozenset({"embedding_size", "attention_head_size", "pooler_hidden_size", "cls_dropout", "talking_head"})
_NULL_IS_ABSENT = ("position_buckets", "share_att_key", "norm_rel_ebd", "conv_kernel_size")
_TERMS = frozenset({"c2p", "p2c", "p2p", "none", ""})  # the last three change nothing
_LABELS = frozenset({"num_labels", "id2label", "label2id"})
_POSITIVE = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
_PROBLEMS = (None, "regression", "single_label_classification", "multi_label_classification")


class DebertaV2Config:
    """The configuration of a network: every key of config.json is an attribute, also those that nobody declares.

    `id2label` has int keys, `label2id` str keys; without them labels are called LABEL_0, LABEL_1, ...
    `num_labels` is the number of labels. Unknown keys are kept and ignored. Once a model is open, its labels and
    `problem_type` may still be set; what else is set then changes nothing.

    Errors: ValueError names the key, its value and what to do; TypeError when a value has the wrong type.

    >>> import deberta_c
    >>> config = deberta_c.AutoConfig.from_pretrained(deberta_c.default_model())
    >>> config.model_type, config.id2label
    ('deberta-v2', {0: 'ham', 1: 'spam'})
    """

    model_type = "deberta-v2"

    def __init__(self, **values: Any) -> None:
        self._values: dict[str, Any] = {**_DEFAULTS, **values}
        for key in _NULL_IS_ABSENT:
            if self._values[key] is None:
                self._values[key] = _DEFAULTS[key]
        self._values["model_type"] = values.get("model_type", self.model_type)
        self._values["id2label"], self._values["label2id"] = _labels(values)
        self._values.pop("num_labels", None)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **overrides: Any) -> "DebertaV2Config":
        """A configuration from the content of a config.json; `overrides` replace keys, as in transformers."""
        values = dict(values)
        if overrides.get("id2label") is not None:
            values.pop("num_labels", None)
            values.pop("label2id", None)
        return cls(**{**values, **overrides})

    @classmethod
    def from_pretrained(cls, directory: str | Path, **overrides: Any) -> "DebertaV2Config":
        """Reads DIRECTORY/config.json.

        Errors: OSError when the directory or the file is missing, ValueError when it is not a JSON object, when
        `model_type` is not deberta-v2, or when a value makes no sense.
        """
        config = cls.from_dict(_read_config(require_directory(directory)), **overrides)
        config.check()
        return config

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(
                f"this configuration has no {name!r}; its keys are {', '.join(sorted(self._values))}"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        elif name in _LABELS:
            kept = {"id2label": self._values["id2label"]} if name == "label2id" else {}
            self._values["id2label"], self._values["label2id"] = _labels({**kept, name: value})
        else:
            if name == "problem_type":
                _check_problem(value)
            self._values[name] = value

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"

    @property
    def num_labels(self) -> int:
        """How many labels the classifier tells apart."""
        return len(self._values["id2label"])

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a key, or `default`."""
        return self._values.get(name, default)

    def to_dict(self) -> dict[str, Any]:
        """All keys and values, defaults included."""
        return dict(self._values)

    def to_json_string(self) -> str:
        """The configuration as the text of a config.json."""
        return json.dumps(self._values, indent=2, sort_keys=True, default=str)

    def check(self) -> None:
        """Refuses what makes no sense and what this version cannot run."""
        values = self._values
        _check_family(values)
        for key in _POSITIVE:
            _integer(values, key, least=1)
        for key in ("max_position_embeddings", "type_vocab_size"):
            _integer(values, key, least=0)
        for key in ("max_relative_positions", "position_buckets"):
            _integer(values, key, least=None)
        for key in ("relative_attention", "position_biased_input", "share_att_key"):
            if not isinstance(values[key], bool):
                raise TypeError(f"config key {key} is {values[key]!r}; it must be true or false")
        for key in ("hidden_act", "pooler_hidden_act", "norm_rel_ebd"):
            if not isinstance(values[key], str):
                raise TypeError(f"config key {key} is {values[key]!r}; it must be a string")
        epsilon = values["layer_norm_eps"]
        if isinstance(epsilon, bool) or not isinstance(epsilon, (int, float)) or not 0 < epsilon < 1:
            raise ValueError(f"config key layer_norm_eps is {epsilon!r}; it must lie between 0 and 1, such as 1e-7")
        _check_problem(values["problem_type"])
        self._check_sizes()
        self.position_terms()

    def _check_sizes(self) -> None:
        values = self._values
        hidden, heads = values["hidden_size"], values["num_attention_heads"]
        if hidden % heads:
            raise ValueError(
                f"config key hidden_size is {hidden}, not a multiple of num_attention_heads, which is {heads}; "
                "one of them does not belong to these weights"
            )
        for key, expected in (("attention_head_size", hidden // heads), ("pooler_hidden_size", hidden)):
            if values.get(key) is not None and values[key] != expected:
                raise ValueError(
                    f"config key {key} is {values[key]!r}; with hidden_size {hidden} it must be {expected}"
                )
        if values.get("embedding_size") is not None:
            _integer(values, "embedding_size", least=1)

    def position_terms(self) -> list[str]:
        """`pos_att_type` as a list, whether the file has "p2c|c2p" or ["p2c", "c2p"]."""
        terms = self._values["pos_att_type"]
        if terms is None:
            return []
        if isinstance(terms, str):
            terms = [term.strip() for term in terms.lower().split("|")]
        if not isinstance(terms, list) or not all(isinstance(term, str) for term in terms):
            raise TypeError(f'config key pos_att_type is {terms!r}; it must be a string such as "p2c|c2p" or a list')
        for term in terms:
            if term not in _TERMS:
                raise ValueError(f'config key pos_att_type has {term!r}; known are "c2p", "p2c", "p2p" and "none"')
        return terms

    def for_core(self) -> dict[str, Any]:
        """The fields of `struct deberta_config`, every default resolved."""
        values, terms = self._values, self.position_terms()
        c2p, p2c = "c2p" in terms, "p2c" in terms
        norms = [name.strip() for name in values["norm_rel_ebd"].lower().split("|")]
        reach = values["max_relative_positions"]
        return {
            "vocab_size": values["vocab_size"],
            "embedding_size": values.get("embedding_size") or values["hidden_size"],
            "hidden_size": values["hidden_size"],
            "layers": values["num_hidden_layers"],
            "heads": values["num_attention_heads"],
            "intermediate_size": values["intermediate_size"],
            "max_positions": values["max_position_embeddings"],
            "type_vocab_size": values["type_vocab_size"],
            "num_labels": self.num_labels,
            "position_buckets": max(values["position_buckets"], 0),
            "max_relative_positions": reach if reach >= 1 else values["max_position_embeddings"],
            "relative_attention": values["relative_attention"],
            "c2p": c2p,
            "p2c": p2c,
            "share_att_key": values["share_att_key"],
            "norm_rel_ebd": "layer_norm" in norms,
            "position_biased_input": values["position_biased_input"],
            "attention_terms": 1 + c2p + p2c,
            "layer_norm_eps": float(values["layer_norm_eps"]),
            "hidden_act": values["hidden_act"],
            "pooler_hidden_act": values["pooler_hidden_act"],
        }

    @classmethod
    def declares(cls, key: str) -> bool:
        """Whether a key changes the network or its labels, so that it may be given to `from_pretrained`."""
        return key in _DEFAULTS or key in _OPTIONAL or key in _LABELS


class AutoConfig:
    """Reads the configuration of a model directory."""

    @staticmethod
    def from_pretrained(directory: str | Path, **overrides: Any) -> DebertaV2Config:
        """See `DebertaV2Config.from_pretrained`."""
        return DebertaV2Config.from_pretrained(directory, **overrides)


def require_directory(value: object) -> Path:
    """The path of a directory; OSError, with the remedy, unless there is one, TypeError unless `value` is a path."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"directory is {value!r}; give the path of a model directory, a str or a Path")
    if value == "":
        raise ValueError("directory is ''; give the path of a model directory, '.' for the current one")
    directory = Path(value).expanduser()
    if directory.is_dir():
        return directory
    if directory.exists():
        raise NotADirectoryError(f"{str(directory)!r} is a file; give the directory that holds config.json")
    raise FileNotFoundError(
        f"there is no directory {str(directory)!r}; models are read from local directories, so download a model of the "
        "Hugging Face hub first, for example with `hf download NAME --local-dir DIR`"
    )


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; ValueError when it holds anything else."""
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is not JSON ({error}); copy it again from where the model came") from error
    if not isinstance(content, dict):
        raise ValueError(f"{str(path)!r} holds a JSON {type(content).__name__}, not an object; copy it again")
    return content


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{str(directory)!r} has no config.json; it is not a model directory")
    values = read_json(path)
    if "model_type" not in values:
        raise ValueError(f'{str(path)!r} has no model_type; add "model_type": "deberta-v2" if it is such a model')
    return values


def _check_family(values: Mapping[str, Any]) -> None:
    family = values["model_type"]
    if family != "deberta-v2":
        raise ValueError(
            f"config key model_type is {family!r}; this version runs deberta-v2 (DeBERTa v2, v3 and mDeBERTa) only"
        )
    if values["conv_kernel_size"]:
        raise ValueError(
            f"config key conv_kernel_size is {values['conv_kernel_size']!r}; this version runs networks without a "
            "convolution only, which deberta-v2-xlarge and -xxlarge have"
        )
    if values.get("talking_head"):
        raise ValueError("config key talking_head is true; this version runs networks without talking heads only")


def _check_problem(value: Any) -> None:
    if value not in _PROBLEMS:
        names = ", ".join(repr(name) for name in _PROBLEMS[1:])
        raise ValueError(f"config key problem_type is {value!r}; it must be null, {names}")


def _integer(values: Mapping[str, Any], key: str, least: int | None) -> None:
    value = values[key]
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"config key {key} is {value!r}; it must be an integer")
    if least is not None and value < least:
        raise ValueError(f"config key {key} is {value}; it must be at least {least}")
    if value >= 2**31:
        raise ValueError(f"config key {key} is {value}; it must be below 2147483648")


def _labels(values: Mapping[str, Any]) -> tuple[dict[int, str], dict[str, int]]:
    """id2label with int keys and label2id, from whichever of the three label keys there are."""
    names, count = values.get("id2label"), values.get("num_labels")
    if isinstance(names, (list, tuple)):
        names = dict(enumerate(names))
    if names is not None:
        try:
            labels = {int(key): str(names[key]) for key in names}
        except (TypeError, ValueError) as error:
            raise ValueError(f"config key id2label is {names!r}; it must map 0, 1, 2, ... to names") from error
        if sorted(labels) != list(range(len(labels))) or not labels:
            raise ValueError(f"config key id2label has the keys {sorted(labels)}; they must be 0, 1, 2, ...")
        if count in (None, len(labels)):
            given = values.get("label2id") or {name: key for key, name in labels.items()}
            try:
                inverse = {str(key): int(given[key]) for key in given}
            except (TypeError, ValueError) as error:
                raise ValueError(f"config key label2id is {given!r}; it must map names to 0, 1, 2, ...") from error
            return dict(sorted(labels.items())), inverse
    if count is None:
        count = 2
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 1_000_000:
        raise ValueError(f"config key num_labels is {count!r}; it must be an integer from 1 to 1000000")
    labels = {index: f"LABEL_{index}" for index in range(count)}
    return labels, {name: index for index, name in labels.items()}
