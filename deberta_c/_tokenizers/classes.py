"""What a tokenizer class of transformers 4 or 5 applies on top of a tokenizer.json, and what its calls return.

Source: transformers 4.57.6, tokenization_utils_fast.py and models/*/tokenization_*_fast.py; transformers 5.24.0.
"""

from collections.abc import Mapping
from typing import Any

from deberta_c._tokenizers.recipes import BERT, FAST, KINDS, OPTIONS, SPECIAL, V1, V2

SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
BACKEND = "TokenizersBackend"  # what transformers 5 calls FAST; transformers 4 does not have it

BY_MODEL_TYPE = {
    "deberta-v2": V2, "deberta": V1, "bert": BERT, "convbert": "ConvBertTokenizer", "distilbert": "DistilBertTokenizer",
    "electra": "ElectraTokenizer", "ernie": BERT, "layoutlm": "LayoutLMTokenizer", "lxmert": "LxmertTokenizer",
    "megatron-bert": BERT, "mobilebert": "MobileBertTokenizer", "mpnet": "MPNetTokenizer", "nezha": BERT,
    "roberta": "RobertaTokenizer", "roformer": "RoFormerTokenizer", "squeezebert": "SqueezeBertTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
}  # fmt: skip
_LIKE_BERT = frozenset((
    "ConvBertTokenizer", "DPRContextEncoderTokenizer", "DPRQuestionEncoderTokenizer", "DPRReaderTokenizer",
    "DistilBertTokenizer", "ElectraTokenizer", "LayoutLMTokenizer", "LxmertTokenizer", "MobileBertTokenizer",
    "RealmTokenizer", "RetriBertTokenizer", "SqueezeBertTokenizer",
))  # fmt: skip
# Classes of transformers 5 without a constructor of their own execute a tokenizer.json as written.
_AS_WRITTEN_IN_5 = frozenset(("ConvBertTokenizer",))
_LOWERED = {"do_lower_case": True, "strip_accents": None}
_NORMALIZED: dict[str, Mapping[str, Any]] = {
    BERT: OPTIONS[BERT],
    "FunnelTokenizer": OPTIONS[BERT],
    "LayoutLMv2Tokenizer": _LOWERED,
    "MPNetTokenizer": _LOWERED,
    "RoFormerTokenizer": _LOWERED,
    "SplinterTokenizer": _LOWERED,
}
_WITHOUT_TYPES = frozenset((
    "BartTokenizer", "BarthezTokenizer", "BigBirdTokenizer", "BlenderbotTokenizer", "BloomTokenizer", "CLIPTokenizer",
    "CamembertTokenizer", "CodeGenTokenizer", "CodeLlamaTokenizer", "CohereTokenizer", "DPRReaderTokenizer",
    "DistilBertTokenizer", "GPT2Tokenizer", "GPTNeoXTokenizer", "GemmaTokenizer", "LEDTokenizer", "LlamaTokenizer",
    "LongformerTokenizer", "MBart50Tokenizer", "MBartTokenizer", "MPNetTokenizer", "MT5Tokenizer", "MvpTokenizer",
    "NllbTokenizer", "NougatTokenizer", "OpenAIGPTTokenizer", "PegasusTokenizer", "Qwen2Tokenizer",
    "ReformerTokenizer", "RetriBertTokenizer", "RobertaTokenizer", "SeamlessM4TTokenizer", "T5Tokenizer",
    "UdopTokenizer", "WhisperTokenizer", "XGLMTokenizer", "XLMRobertaTokenizer", BACKEND,
))  # fmt: skip
# bos, eos, unk, sep, pad, cls and mask token of classes that a tokenizer.json is executed for; - is none.
_ROBERTA = "<s> </s> <unk> </s> <pad> <s> <mask>"
_LIKE_ROBERTA = (
    "BartTokenizer", "BarthezTokenizer", "BlenderbotTokenizer", "CamembertTokenizer", "LEDTokenizer",
    "LayoutLMv3Tokenizer", "LayoutXLMTokenizer", "LongformerTokenizer", "MarkupLMTokenizer", "MvpTokenizer",
    "RobertaTokenizer", "XLMRobertaTokenizer",
)  # fmt: skip
_TOKENS = {
    **dict.fromkeys(_LIKE_ROBERTA, _ROBERTA),
    **dict.fromkeys(("AlbertTokenizer", "RemBertTokenizer"), "[CLS] [SEP] <unk> [SEP] <pad> [CLS] [MASK]"),
    **dict.fromkeys(("FunnelTokenizer", "XLNetTokenizer"), "<s> </s> <unk> <sep> <pad> <cls> <mask>"),
    **dict.fromkeys(
        ("LayoutLMv2Tokenizer", "RoFormerTokenizer", "SplinterTokenizer"), "- - [UNK] [SEP] [PAD] [CLS] [MASK]"
    ),
    **dict.fromkeys(
        ("CodeGenTokenizer", "GPT2Tokenizer", "GPTNeoXTokenizer"), "<|endoftext|> <|endoftext|> <|endoftext|> - - - -"
    ),
    "BigBirdTokenizer": "<s> </s> <unk> [SEP] <pad> [CLS] [MASK]",
    "FNetTokenizer": "- - <unk> [SEP] <pad> [CLS] [MASK]",
    "HerbertTokenizer": "- - <unk> </s> <pad> <s> <mask>",
    "MPNetTokenizer": "<s> </s> [UNK] </s> <pad> <s> <mask>",
}
_EXTRA = {
    "CamembertTokenizer": ("<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"),
    "XLNetTokenizer": ("<eop>", "<eod>"),
}
# Classes that give flags to a mask token that is a str: it takes the space before it.
_STRIPPING_MASK = frozenset((
    "AlbertTokenizer", "BartTokenizer", "BarthezTokenizer", "BigBirdTokenizer", "BlenderbotTokenizer",
    "CamembertTokenizer", "FNetTokenizer", "LEDTokenizer", "LayoutXLMTokenizer", "LongformerTokenizer",
    "MPNetTokenizer", "MarkupLMTokenizer", "MvpTokenizer", "RemBertTokenizer", "RobertaTokenizer",
    "XLMRobertaTokenizer", "XLNetTokenizer",
))  # fmt: skip
_MASK_NORMALIZED = {
    **dict.fromkeys(("AlbertTokenizer", "BlenderbotTokenizer", "CamembertTokenizer"), False),
    **dict.fromkeys(("LongformerTokenizer", "RobertaTokenizer"), False),
    **dict.fromkeys(("BartTokenizer", "LEDTokenizer"), True),
}
# Classes that give their flags, none, to the other special tokens, too.
_ALL_FLAGGED = frozenset(("BigBirdTokenizer", "MPNetTokenizer", "MarkupLMTokenizer", "MvpTokenizer"))
_SLOW_FLAGS: dict[str, dict[str, dict[str, bool]]] = {
    V1: {**{key: {"normalized": False} for key in SPECIAL_NAMES}, "mask_token": {"lstrip": True, "normalized": True}},
    V2: {"unk_token": {"normalized": True}},
}
_PADDED_LEFT = frozenset(
    ("CodeLlamaTokenizer", "CohereTokenizer", "GemmaTokenizer", "LlamaTokenizer", "XLNetTokenizer")
)


def kind_of(name: str) -> str:
    """Which of KINDS a class is read as; FAST where a tokenizer.json says all but what `file_options` gives."""
    if name in _LIKE_BERT:
        return BERT
    return name if name in KINDS else FAST


def input_names(name: str, rule: str) -> tuple[str, ...]:
    """`model_input_names` of a class in transformers 4, or with `rule` HF5 in transformers 5."""
    if name == V1 or (name == V2 and rule == "HF5"):
        return ("input_ids", "attention_mask", "token_type_ids")
    if name == "FNetTokenizer":
        return ("input_ids", "token_type_ids")
    types = kind_of(name) != FAST if rule == "HF5" else True
    if name in _WITHOUT_TYPES or not types:
        return ("input_ids", "attention_mask")
    return ("input_ids", "token_type_ids", "attention_mask")


def usual_side(name: str) -> str:
    """Where a class pads unless a file says otherwise."""
    return "left" if name in _PADDED_LEFT else "right"


def usual_pad_type(name: str) -> int:
    """The token type of padding; no file says otherwise."""
    return 3 if name == "XLNetTokenizer" else 0


def default_tokens(name: str) -> Mapping[str, str]:
    """The special tokens of a class by their names, where no file names others."""
    if name not in _TOKENS:
        return SPECIAL[kind_of(name)]
    return {key: token for key, token in zip(SPECIAL_NAMES, _TOKENS[name].split(), strict=True) if token != "-"}


def default_extra(name: str) -> tuple[str, ...]:
    """The special tokens without a name, where no file has any."""
    return _EXTRA.get(name, ())


def special_flags(name: str, rule: str, key: str, from_json: bool) -> dict[str, bool] | None:
    """The flags that a class gives to the special token `key` that is a str, whatever the files say of it.

    None: it keeps those of the files. Without a tokenizer.json transformers 4 has other classes, with other flags.
    """
    if rule == "HF5":
        return None
    if not from_json:
        return _SLOW_FLAGS.get(name, {}).get(key)
    if key == "mask_token" and name in _STRIPPING_MASK:
        return {"lstrip": True} | ({"normalized": _MASK_NORMALIZED[name]} if name in _MASK_NORMALIZED else {})
    flagged = name in _ALL_FLAGGED or (name == "FNetTokenizer" and key in ("cls_token", "sep_token"))
    return {} if flagged else None


def is_rebuilt(name: str, rule: str) -> bool:
    """Whether a class takes only the vocabulary of a tokenizer.json, as most classes of transformers 5 do."""
    return rule == "HF5" and kind_of(name) != FAST and name not in _AS_WRITTEN_IN_5


def file_options(name: str, content: Mapping[str, Any], rule: str) -> dict[str, Any]:
    """The options that a class applies to the stages of a tokenizer.json, with their defaults.

    They concern a stage that stands alone: transformers does not look into a Sequence. With `rule` HF5 the class FAST
    keeps the `add_prefix_space` of the file, as in transformers 5, where BACKEND replaces it.
    """
    normalizer, cuts = content.get("normalizer"), content.get("pre_tokenizer")
    options: dict[str, Any] = {}
    as_written = rule == "HF5" and name in _AS_WRITTEN_IN_5
    if isinstance(normalizer, dict) and normalizer.get("type") == "BertNormalizer" and not as_written:
        options |= _NORMALIZED.get(BERT if kind_of(name) == BERT else name, {})
    keeps_space = name == BACKEND or (name == FAST and rule == "HF5")
    if isinstance(cuts, dict) and "add_prefix_space" in cuts and cuts.get("type") == "ByteLevel" and not keeps_space:
        options["add_prefix_space"] = False
    return options
