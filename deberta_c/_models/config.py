"""config.json: read, completed with defaults, checked, and handed to the core."""

import json
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.checks import is_integer
from deberta_c._base.errors import short
from deberta_c._files.adapters import refuse_adapter
from deberta_c._files.atomic import new_files
from deberta_c._files.hub import CONFIG, hub_options, resolve
from deberta_c._files.json import read_json

OUTPUTS = ("output_hidden_states", "output_attentions", "return_dict")  # defaults for the arguments of a call
_COMMON: dict[str, Any] = {
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "initializer_range": 0.02,
    "pad_token_id": 0,
    "tie_word_embeddings": True,
    "problem_type": None,
    "output_hidden_states": False,
    "output_attentions": False,
    "return_dict": True,
}
_DEBERTA: dict[str, Any] = {
    **_COMMON,
    "type_vocab_size": 0,
    "layer_norm_eps": 1e-7,
    "relative_attention": False,
    "max_relative_positions": -1,
    "position_biased_input": True,
    "pos_att_type": None,
    "pooler_dropout": 0.0,
    "pooler_hidden_act": "gelu",
    "legacy": True,
}
# Optional keys; without them the value follows from other keys.
_OPTIONAL = frozenset({"embedding_size", "attention_head_size", "pooler_hidden_size", "cls_dropout", "talking_head"})
_TERMS = frozenset({"c2p", "p2c", "p2p", "none", ""})  # the last three add no term
_LABELS = frozenset({"num_labels", "id2label", "label2id"})
_POSITIVE = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
_INTEGERS = {"max_position_embeddings": 0, "type_vocab_size": 0, "max_relative_positions": None}
_BOOLEANS = ("relative_attention", "position_biased_input", "legacy", "tie_word_embeddings", *OUTPUTS)
_STRINGS = ("hidden_act", "pooler_hidden_act")
_PROBLEMS = (None, "regression", "single_label_classification", "multi_label_classification")
C = TypeVar("C", bound="PreTrainedConfig")


class _Names(dict[Any, Any]):
    """Labels to numbers or back; a KeyError lists the keys that exist."""

    def __missing__(self, key: Any) -> Any:
        raise KeyError(f"{short(key)} is not a label; the labels are {short(dict(self))}")


class PreTrainedConfig:
    """The configuration of a network: every key of config.json is an attribute, known or not.

    `id2label` has int keys, `label2id` str keys; without them labels are called LABEL_0, LABEL_1, ...
    `num_labels` is the number of labels. Results are named by `id2label`; a `label2id` that contradicts it is kept, as
    in transformers. Unknown keys are kept and ignored. The labels and `problem_type` of an open model may be changed;
    changing any other key after loading has no effect.

    Errors: ValueError names the key, its value and the remedy; TypeError for a value of the wrong type.

    >>> import deberta_c
    >>> config = deberta_c.AutoConfig.from_dict({"model_type": "bert", "num_labels": 3, "anything": "else"})
    >>> isinstance(config, PreTrainedConfig), config.label2id, config.anything
    (True, {'LABEL_0': 0, 'LABEL_1': 1, 'LABEL_2': 2}, 'else')
    """

    model_type: str = ""
    name_or_path: str = ""  # the directory or name that it was read from
    _defaults: ClassVar[dict[str, Any]] = {}
    _optional: ClassVar[frozenset[str]] = frozenset()
    _null_is_absent: ClassVar[tuple[str, ...]] = ()

    def __init__(self, /, **values: Any) -> None:
        self._values: dict[str, Any] = {**self._defaults, **values}
        for key in self._null_is_absent:
            if self._values[key] is None:
                self._values[key] = self._defaults[key]
        self._values["model_type"] = values.get("model_type", self.model_type)
        self._values["id2label"], self._values["label2id"] = _labels(values)
        self._values.pop("num_labels", None)

    @classmethod
    def from_dict(cls: type[C], values: Mapping[str, Any], /, **overrides: Any) -> C:
        """A configuration from the content of a config.json; `overrides` replace keys, as in transformers."""
        values = dict(values)
        if overrides.get("id2label") is not None:
            values.pop("num_labels", None)
            values.pop("label2id", None)
        return cls(**{**values, **overrides})

    @classmethod
    def from_pretrained(cls: type[C], pretrained_model_name_or_path: str | Path, **options: Any) -> C:
        """Reads config.json of a directory, or of a model of the Hugging Face hub.

        Options: `revision`, `cache_dir`, `token`, `local_files_only`, `subfolder` choose the files, keys of config.json
        replace those of the file.

        Errors: OSError if the directory or the file is missing; ValueError if the file is not a JSON object, if
        `model_type` is another family, or for an invalid value.
        """
        where, overrides = hub_options(options)
        found = resolve(pretrained_model_name_or_path, files=CONFIG, **where)
        config = cls.from_dict(read_config(found), **overrides)
        config._check()
        config.name_or_path = str(pretrained_model_name_or_path)
        return config

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(
                f"this configuration has no {name!r}; its keys are {', '.join(sorted(self._values))[:2000]}"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or name == "name_or_path":
            object.__setattr__(self, name, value)
        elif name in _LABELS:
            kept = {"id2label": self._values["id2label"]} if name == "label2id" else {}
            self._values["id2label"], self._values["label2id"] = _labels({**kept, name: value})
        else:
            if name == "problem_type":
                check_problem(value)
            self._values[name] = value

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, PreTrainedConfig) and self._values == other._values

    __hash__ = None  # type: ignore[assignment]  # it is mutable

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"

    @property
    def use_return_dict(self) -> bool:
        """Whether calls without `return_dict` return an output with names, not a tuple: the key `return_dict`."""
        return bool(self._values["return_dict"])

    @property
    def num_labels(self) -> int:
        """The number of labels."""
        return len(self._values["id2label"])

    @property
    def classes_(self) -> NDArray[np.object_]:
        """The names of the labels, an array (num_labels) in the order of their ids, under the name of scikit-learn."""
        names = self._values["id2label"]
        return np.array([names[id] for id in sorted(names)], np.object_)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a key, or `default`."""
        return self._values.get(name, default)

    def to_dict(self) -> dict[str, Any]:
        """All keys and values, defaults included."""
        return dict(self._values)

    def update(self, config_dict: Mapping[str, Any]) -> None:
        """Sets several keys.

        >>> config = BertConfig()
        >>> config.update({"num_labels": 3, "problem_type": "regression"})
        >>> config.num_labels, config.problem_type
        (3, 'regression')
        """
        for name, value in config_dict.items():
            setattr(self, name, value)

    def to_json_string(self) -> str:
        """The configuration as the text of a config.json."""
        return json.dumps(self._values, indent=2, sort_keys=True, default=str)

    def to_json_file(self, json_file_path: str | Path) -> None:
        """Writes the configuration to a file; OSError if it cannot be written."""
        Path(json_file_path).expanduser().write_text(self.to_json_string() + "\n", encoding="utf-8")

    @classmethod
    def from_json_file(cls: type[C], json_file: str | Path) -> C:
        """Reads a file that `to_json_file` or `save_pretrained` wrote; ValueError for any other file.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     BertConfig(num_labels=3).to_json_file(f"{directory}/bert.json")
        ...     BertConfig.from_json_file(f"{directory}/bert.json") == BertConfig(num_labels=3)
        True
        """
        config = cls.from_dict(read_json(Path(json_file).expanduser()))
        config._check()
        return config

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Writes config.json to a directory, which is created; OSError if it cannot be written."""
        with new_files(save_directory) as place:
            place("config.json").write_text(self.to_json_string() + "\n", encoding="utf-8")

    def _check(self) -> None:
        """TypeError or ValueError for a value that is invalid or that this version cannot run."""
        values = self._values
        _check_family(values["model_type"], self.model_type)
        for key in _POSITIVE:
            _integer(values, key, least=1)
        for key, least in _INTEGERS.items():
            if key in self._defaults:
                _integer(values, key, least)
        for key in _BOOLEANS:
            if key in self._defaults:
                _require(values, key, bool, "true or false")
        for key in _STRINGS:
            if key in self._defaults:
                _require(values, key, str, "a string")
        epsilon = values["layer_norm_eps"]
        if isinstance(epsilon, bool) or not isinstance(epsilon, (int, float)) or not 0 < epsilon < 1:
            raise ValueError(f"config key layer_norm_eps is {short(epsilon)}; it must be between 0 and 1, such as 1e-7")
        _check_drawing(values)
        self._check_sizes()

    def _check_sizes(self) -> None:
        values = self._values
        hidden, heads = values["hidden_size"], values["num_attention_heads"]
        if hidden % heads:
            raise ValueError(
                f"config key hidden_size is {hidden}, not a multiple of num_attention_heads, which is {heads}; "
                "one of them is of another model"
            )

    def _for_core(self, head: str = "sequence", *, enhanced_mask_decoder: bool = False) -> dict[str, Any]:
        """The fields of `struct deberta_config` for a head of the core, every default resolved."""
        values = self._values
        outputs = {"masked_lm": values["vocab_size"], "replaced_tokens": 1}.get(head, self.num_labels)
        return {
            "vocab_size": values["vocab_size"],
            "embedding_size": values["hidden_size"],
            "hidden_size": values["hidden_size"],
            "layers": values["num_hidden_layers"],
            "heads": values["num_attention_heads"],
            "intermediate_size": values["intermediate_size"],
            "max_positions": values["max_position_embeddings"],
            "type_vocab_size": values["type_vocab_size"],
            "num_labels": outputs,
            "position_buckets": 0,
            "max_relative_positions": values["max_position_embeddings"],
            "relative_attention": False,
            "c2p": False,
            "p2c": False,
            "share_att_key": False,
            "norm_rel_ebd": False,
            "key_bias": True,
            "position_biased_input": True,
            "attention_terms": 1,
            "conv_kernel_size": 0,
            "conv_act": "tanh",
            "layer_norm_eps": float(values["layer_norm_eps"]),
            "hidden_act": values["hidden_act"],
            "head": head,
            "head_act": self._pooler_act() if head in ("pooler", "sequence") else values["hidden_act"],
            "head_size": values["hidden_size"],
            "enhanced_mask_decoder": enhanced_mask_decoder,
        }

    def _pooler_act(self) -> str:
        raise NotImplementedError

    @classmethod
    def _declares(cls, key: str) -> bool:
        """Whether a key changes the network or its labels, so that it may be given to `from_pretrained`."""
        return key in cls._names()

    @classmethod
    def _names(cls) -> set[str]:
        return {*cls._defaults, *cls._optional, *_LABELS}


PretrainedConfig = PreTrainedConfig  # as transformers 4 calls it


class DebertaConfig(PreTrainedConfig):
    """The configuration of DeBERTa v1. Absent keys have the values of deberta-base, without relative positions.

    >>> config = DebertaConfig(relative_attention=True, pos_att_type="c2p|p2c", position_biased_input=False)
    >>> config.model_type, config.hidden_size, config.vocab_size
    ('deberta', 768, 50265)
    """

    model_type = "deberta"
    _defaults: ClassVar[dict[str, Any]] = {
        **_DEBERTA,
        "vocab_size": 50265,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    }
    _optional = _OPTIONAL

    def _check(self) -> None:
        """TypeError or ValueError for a value that is invalid or that this version cannot run."""
        super()._check()
        if self._values.get("talking_head"):
            raise ValueError("config key talking_head is true; talking heads are not supported")
        self._position_terms()

    def _check_sizes(self) -> None:
        super()._check_sizes()
        values = self._values
        hidden, heads = values["hidden_size"], values["num_attention_heads"]
        for key, expected in (("attention_head_size", hidden // heads), ("pooler_hidden_size", hidden)):
            if values.get(key) is not None and values[key] != expected:
                raise ValueError(
                    f"config key {key} is {short(values[key])}; with hidden_size {hidden} it must be {expected}"
                )
        if values.get("embedding_size") is not None:
            _integer(values, "embedding_size", least=1)

    def _position_terms(self) -> list[str]:
        """`pos_att_type` as a list: files have "p2c|c2p" or ["p2c", "c2p"]."""
        terms = self._values["pos_att_type"]
        if terms is None:
            return []
        if isinstance(terms, str):
            terms = [term.strip() for term in terms.lower().split("|")]
        if not isinstance(terms, list) or not all(isinstance(term, str) for term in terms):
            raise TypeError(
                f'config key pos_att_type is {short(terms)}; it must be a string such as "p2c|c2p" or a list'
            )
        for term in terms:
            if term not in _TERMS:
                raise ValueError(f'config key pos_att_type has {short(term)}; it must be "c2p", "p2c", "p2p" or "none"')
        return terms

    def _for_core(self, head: str = "sequence", *, enhanced_mask_decoder: bool = False) -> dict[str, Any]:
        """The fields of `struct deberta_config` for a head of the core, every default resolved."""
        values, terms = self._values, self._position_terms()
        reach = values["max_relative_positions"]
        settings = {
            **super()._for_core(head, enhanced_mask_decoder=enhanced_mask_decoder),
            "embedding_size": values.get("embedding_size") or values["hidden_size"],
            "max_relative_positions": reach if reach >= 1 else values["max_position_embeddings"],
            "relative_attention": values["relative_attention"],
            "c2p": "c2p" in terms,
            "p2c": "p2c" in terms,
            "key_bias": False,
            "position_biased_input": values["position_biased_input"],
            "attention_terms": 1 + len(terms),
        }
        if head == "masked_lm" and values["legacy"]:
            settings["head_size"] = settings["embedding_size"]
        return settings

    def _pooler_act(self) -> str:
        return str(self._values["pooler_hidden_act"])


class DebertaV2Config(DebertaConfig):
    """The configuration of DeBERTa v2, v3 and mDeBERTa. Absent keys have the values of deberta-v2-xlarge, without
    relative positions and without convolution.

    >>> import deberta_c
    >>> config = deberta_c.AutoConfig.from_pretrained(deberta_c.default_model())
    >>> config.model_type, config.id2label
    ('deberta-v2', {0: 'ham', 1: 'spam'})
    """

    model_type = "deberta-v2"
    _defaults: ClassVar[dict[str, Any]] = {
        **_DEBERTA,
        "vocab_size": 128100,
        "hidden_size": 1536,
        "num_hidden_layers": 24,
        "num_attention_heads": 24,
        "intermediate_size": 6144,
        # Keys that transformers reads but does not declare.
        "position_buckets": -1,
        "share_att_key": False,
        "norm_rel_ebd": "none",
        "conv_kernel_size": 0,
        "conv_act": "tanh",
        "conv_groups": 1,
    }
    _null_is_absent = (
        "position_buckets",
        "share_att_key",
        "norm_rel_ebd",
        "conv_kernel_size",
        "conv_act",
        "conv_groups",
    )

    def _check(self) -> None:
        """TypeError or ValueError for a value that is invalid or that this version cannot run."""
        super()._check()
        values = self._values
        _integer(values, "position_buckets", least=None)
        _require(values, "share_att_key", bool, "true or false")
        _require(values, "norm_rel_ebd", str, "a string")
        _require(values, "conv_act", str, "a string")
        _integer(values, "conv_kernel_size", least=None)
        _integer(values, "conv_groups", least=1)
        kernel, groups, hidden = values["conv_kernel_size"], values["conv_groups"], values["hidden_size"]
        if kernel > 0 and kernel % 2 == 0:
            raise ValueError(f"config key conv_kernel_size is {kernel}; it must be odd, such as 3, or 0 for none")
        if kernel > 0 and hidden % groups:
            raise ValueError(f"config key conv_groups is {groups}; it must divide hidden_size, which is {hidden}")

    def _for_core(self, head: str = "sequence", *, enhanced_mask_decoder: bool = False) -> dict[str, Any]:
        """The fields of `struct deberta_config` for a head of the core, every default resolved."""
        values = self._values
        settings = super()._for_core(head, enhanced_mask_decoder=enhanced_mask_decoder)
        norms = [name.strip() for name in values["norm_rel_ebd"].lower().split("|")]
        return {
            **settings,
            "position_buckets": max(values["position_buckets"], 0),
            "share_att_key": values["share_att_key"],
            "norm_rel_ebd": "layer_norm" in norms,
            "key_bias": True,
            "attention_terms": 1 + settings["c2p"] + settings["p2c"],
            "conv_kernel_size": max(values["conv_kernel_size"], 0),
            "conv_act": values["conv_act"],
        }


class BertConfig(PreTrainedConfig):
    """The configuration of BERT. Absent keys have the values of bert-base-uncased.

    >>> config = BertConfig(num_hidden_layers=6)
    >>> config.model_type, config.num_hidden_layers, config.type_vocab_size, config.layer_norm_eps
    ('bert', 6, 2, 1e-12)
    """

    model_type = "bert"
    _defaults: ClassVar[dict[str, Any]] = {
        **_COMMON,
        "vocab_size": 30522,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "classifier_dropout": None,
        "is_decoder": False,
        "add_cross_attention": False,
    }
    _optional = frozenset({"position_embedding_type"})

    def _check(self) -> None:
        """TypeError or ValueError for a value that is invalid or that this version cannot run."""
        super()._check()
        for key in ("is_decoder", "add_cross_attention"):
            if self._values[key]:
                raise ValueError(f"config key {key} is {short(self._values[key])}; this version runs encoders only")
        kind = self._values.get("position_embedding_type") or "absolute"
        if kind != "absolute":
            raise ValueError(f'config key position_embedding_type is {short(kind)}; this version runs "absolute" only')

    def _pooler_act(self) -> str:
        return "tanh"


CONFIGS: dict[str, type[PreTrainedConfig]] = {
    cls.model_type: cls for cls in (DebertaConfig, DebertaV2Config, BertConfig)
}


class AutoConfig:
    """Reads the configuration of a model directory, whatever its family.

    >>> AutoConfig.from_dict({"model_type": "bert", "num_hidden_layers": 6}).num_hidden_layers
    6
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        raise TypeError(
            "AutoConfig has no instances; call AutoConfig.from_pretrained(DIR), or create one, such as BertConfig()"
        )

    @staticmethod
    def from_dict(values: Mapping[str, Any], /, **overrides: Any) -> PreTrainedConfig:
        """The configuration of the family that the key `model_type` names; `overrides` replace keys."""
        return config_class(values.get("model_type")).from_dict(values, **overrides)

    @staticmethod
    def from_pretrained(pretrained_model_name_or_path: str | Path, **options: Any) -> PreTrainedConfig:
        """A DebertaConfig, DebertaV2Config or BertConfig, as `model_type` says; see `PreTrainedConfig.from_pretrained`.

        >>> import deberta_c
        >>> type(AutoConfig.from_pretrained(deberta_c.default_model())).__name__
        'DebertaV2Config'
        """
        where, overrides = hub_options(options)
        found = resolve(pretrained_model_name_or_path, files=CONFIG, **where)
        config = AutoConfig.from_dict(read_config(found), **overrides)
        config._check()
        config.name_or_path = str(pretrained_model_name_or_path)
        return config


def config_class(model_type: Any) -> type[PreTrainedConfig]:
    """The configuration class of a family; ValueError for one that is not supported."""
    if not isinstance(model_type, str) or model_type not in CONFIGS:
        raise ValueError(
            f"config key model_type is {short(model_type)}; this version runs deberta, deberta-v2 (DeBERTa v2, v3 and "
            "mDeBERTa) and bert"
        )
    return CONFIGS[model_type]


def read_config(directory: Path) -> dict[str, Any]:
    """The content of config.json in a directory.

    Errors: OSError if it is missing, ValueError for an adapter, or without a `model_type`.
    """
    path = directory / "config.json"
    if not path.is_file():
        refuse_adapter(directory)
        raise FileNotFoundError(f"{str(directory)!r} has no config.json; it is not a model directory")
    values = read_json(path)
    if "model_type" not in values:
        raise ValueError(f'{str(path)!r} has no model_type; add it, such as "model_type": "deberta-v2"')
    return values


def _check_family(found: Any, expected: str) -> None:
    if found != expected:
        other = config_class(found).__name__
        raise ValueError(f"config key model_type is {short(found)}, not {expected!r}; take {other} or an Auto class")


def check_problem(value: Any) -> None:
    """ValueError for an unknown `problem_type`: one in a file is accepted, but one that is set must be known."""
    if not (value is None or isinstance(value, str)) or value not in _PROBLEMS:
        names = ", ".join(repr(name) for name in _PROBLEMS[1:])
        raise ValueError(f"config key problem_type is {short(value)}; it must be null, {names}")


def _check_drawing(values: Mapping[str, Any]) -> None:
    """Checks keys for initial weights; as in torch, a negative `pad_token_id` counts from the end of the vocabulary."""
    deviation, padding, words = values["initializer_range"], values["pad_token_id"], values["vocab_size"]
    if deviation is not None:
        if isinstance(deviation, bool) or not isinstance(deviation, (int, float)):
            raise TypeError(
                f"config key initializer_range is {short(deviation)}; it must be null or a number, such as 0.02"
            )
        if not 0 <= deviation < inf:
            raise ValueError(f"config key initializer_range is {short(deviation)}; it must be 0 or more, such as 0.02")
    if padding is not None:
        if isinstance(padding, bool) or not isinstance(padding, int):
            raise TypeError(f"config key pad_token_id is {short(padding)}; it must be null or an integer")
        if not -words <= padding < words:
            raise ValueError(
                f"config key pad_token_id is {padding}; it must be null or from {-words} to {words - 1}, because "
                f"vocab_size is {words}"
            )


def _require(values: Mapping[str, Any], key: str, kind: type, what: str) -> None:
    if not isinstance(values[key], kind):
        raise TypeError(f"config key {key} is {short(values[key])}; it must be {what}")


def _integer(values: Mapping[str, Any], key: str, least: int | None) -> None:
    value = values[key]
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"config key {key} is {short(value)}; it must be an integer")
    if least is not None and value < least:
        raise ValueError(f"config key {key} is {value}; it must be at least {least}")
    if value >= 2**31:
        raise ValueError(f"config key {key} is {value}; it must be below 2147483648")


def _labels(values: Mapping[str, Any]) -> tuple[dict[int, str], dict[str, int]]:
    """id2label with int keys, and label2id, from any of the three keys of labels."""
    names, count = values.get("id2label"), values.get("num_labels")
    if isinstance(names, (list, tuple)):
        names = dict(enumerate(names))
    if names is not None:
        try:
            labels = {int(key): str(names[key]) for key in names}
        except (TypeError, ValueError) as error:
            raise ValueError(f"config key id2label is {short(names)}; it must map 0, 1, 2, ... to names") from error
        if len(labels) != len(names) or not labels:
            raise ValueError(f"config key id2label has the keys {short(list(names))}; they must be 0, 1, 2, ...")
        if count in (None, len(labels)):
            given = values.get("label2id") or {name: key for key, name in labels.items()}
            try:
                inverse = {str(key): int(value) for key, value in given.items()}
            except (AttributeError, TypeError, ValueError) as error:
                raise ValueError(f"config key label2id is {short(given)}; it must map names to 0, 1, 2, ...") from error
            return _Names(sorted(labels.items())), _Names(inverse)
    if count is None:
        count = 2
    if not is_integer(count) or not 1 <= count <= 1_000_000:
        raise ValueError(f"config key num_labels is {short(count)}; it must be an integer from 1 to 1000000")
    labels = {index: f"LABEL_{index}" for index in range(int(count))}
    return _Names(labels), _Names((name, index) for index, name in labels.items())
