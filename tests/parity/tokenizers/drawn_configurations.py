"""Random model directories of tokenizers: classes, stages of a tokenizer.json or the files of a vocabulary alone, the
files beside it, options of from_pretrained, and texts.

`python -m tests.parity.tokenizers.drawn_configurations --minutes 5 --library 4` compares as long and prints what
differs; DEBERTA_C_TRANSFORMERS4 names the folder of transformers 4.
"""

import argparse
import json
import os
import random
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from deberta_c import AutoTokenizer
from deberta_c._core import SpmModel
from tests.parity.tokenizers.tokenizer_peer import Peer, described
from tests.support.tiny_models import spm_bytes

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "<unk>", "<pad>", "<mask>"]
WORDS = [
    "hello",
    "world",
    "##s",
    "##lo",
    "he",
    "hel",
    "caf",
    "##é",
    "##e",
    "中",
    "▁hello",
    "▁",
    "▁w",
    "Ġ",
    "Ġhello",
    "!",
]
LETTERS = [*map(chr, (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x144))), "中"]  # every byte, and one more
CONTROL = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]  # pieces of the spm.model
MERGES = [["h", "e"], ["Ġ", "hello"]]
PARTS = [
    "hello", "HELLO", "world", "héllo", "he\u0301llo", "café", "CAFÉ", "中文", "x中y", "[MASK]", "[mask]", "[SEP]",
    "<s>", "</s>", "<pad>", "<two>", "new", "hello world", "Ent", "<end>", "<END>", "▁", "▁hello", "Ġhello",
    "##s", "##", " ", "  ", "\t", "\n", "\r\n", "\x00", "\x7f", "\x85", "\xa0", "\xad", "\u200b", "\u200d",
    "\u2028", "\u202e", "\u3000", "\ufeff", "\ufffd", "\u0345", "\u0130", "\u0131", "ß", "ẞ", "ﬁ", "ǅ", "Σς",
    "\uff46\uff55", "²½", "한국", "\u1112\u1161\u11ab", "ไทย", "हिन्दी", "שָׁלוֹם", "سلام",
    "\U0001f469\u200d\U0001f467", "🇩🇪", "☎\ufe0f", "\U0001d518", "\U00020000", "\ue000", "\U000e0041", "...",
    "don't", "'s", "$1,000.00", "a_b", "«»", "“q”", "!?", "h" * 120, "e\u0301" * 30,
]  # fmt: skip
NEW = ["<two>", "new", "hello world", "Ent", "<end>"]
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
TEXTS = [
    "Hello  WORLD! café 中x",
    " hello [MASK] <two> world</s>new",
    "[UNK] hello world hello world <mask>hello Ent world",
    "",
    "É <end>\thello\n[SEP]x  ",
    "[mask]<S> newhello new! ▁hello",
]
PAIRS = ["hello [MASK] x", "b", "hello hello hello hello hello world", "a", " hello", "new"]
# By the library: the classes whose reading is compared.
LIKE_BERT = [
    "BertTokenizer", "ElectraTokenizer", "DistilBertTokenizer", "LayoutLMTokenizer", "LxmertTokenizer",
    "MobileBertTokenizer", "SqueezeBertTokenizer",
]  # fmt: skip
CLASSES = {
    4: [
        *LIKE_BERT, "ConvBertTokenizer", "DebertaTokenizer", "DebertaV2Tokenizer", "PreTrainedTokenizerFast",
        "RobertaTokenizer", "AlbertTokenizer", "BartTokenizer", "BigBirdTokenizer", "CamembertTokenizer",
        "FNetTokenizer", "FunnelTokenizer", "GPT2Tokenizer", "HerbertTokenizer", "MPNetTokenizer",
        "XLMRobertaTokenizer", "XLNetTokenizer",
    ],
    5: [*LIKE_BERT, "DebertaTokenizer", "DebertaV2Tokenizer", "PreTrainedTokenizerFast"],
}  # fmt: skip


# Classes that open the files of a vocabulary without a tokenizer.json, and the type of their model.
VOCABULARIES = {
    **dict.fromkeys(LIKE_BERT, "WordPiece"), "DebertaTokenizer": "BPE", "DebertaV2Tokenizer": "Unigram",
}  # fmt: skip


class Draw:
    """A model directory for each seed."""

    def __init__(self, seed: int, library: int) -> None:
        self.random = random.Random(seed)
        self.alone = self.often(0.25)  # without a tokenizer.json
        names = list(VOCABULARIES)[: len(VOCABULARIES) - (library == 5)]  # an spm.model: see docs/differences.md
        self.name = self.random.choice(names if self.alone else CLASSES[library])
        self.kind = self.random.choice(["WordPiece", "BPE", "Unigram"])
        if self.alone:
            self.kind = VOCABULARIES[self.name]
        elif library == 5:  # a class of transformers 5 takes a model of its own type alone
            own = {"DebertaTokenizer": "BPE", "DebertaV2Tokenizer": "Unigram", "PreTrainedTokenizerFast": self.kind}
            self.kind = own.get(self.name, "WordPiece")
        self.tokens = [*self.random.sample(SPECIAL, len(SPECIAL)), *WORDS, *LETTERS]
        self.tokens = list(dict.fromkeys(self.tokens))
        if self.alone and self.kind == "Unigram":
            self.tokens = [piece for piece, _ in SpmModel(spm_bytes()).vocab()]

    def often(self, chance: float = 0.5) -> bool:
        return self.random.random() < chance

    def files(self) -> dict[str, Any]:
        """The files by their names: JSON, texts or bytes."""
        content = {"added_tokens": self.added()} if self.alone else self.content()
        files = self.vocabulary() if self.alone else {"tokenizer.json": content}
        files["tokenizer_config.json"] = self.configuration(content)
        if self.often(0.7):
            files["config.json"] = {"model_type": self.random.choice(["bert", "deberta", "deberta-v2", "roberta"])}
        if self.often(0.2):
            files["special_tokens_map.json"] = self.named(0.3, {})
        return files

    def texts(self) -> tuple[list[str], list[str]]:
        """Texts and their pairs."""
        texts, pairs = (
            [self.random.choice(["", "", " "]).join(self.random.choices(PARTS, k=size)) for size in (1, 2, 3, 5, 8, 13)]
            for _ in range(2)
        )
        return [*TEXTS, *texts], [*PAIRS, *pairs]

    def options(self) -> dict[str, Any]:
        """Options of from_pretrained."""
        values: dict[str, list[Any]] = {
            "padding_side": ["left", "right"], "truncation_side": ["left", "right"], "model_max_length": [10],
            "split_special_tokens": [False, True], "mask_token": ["<two>", "hello"], "pad_token": ["[SEP]"],
            "model_input_names": [["input_ids"], ["input_ids", "token_type_ids", "attention_mask"]],
        }  # fmt: skip
        return {name: self.random.choice(of) for name, of in values.items() if self.often(0.07)}

    def vocabulary(self) -> dict[str, Any]:
        """The files of a vocabulary alone."""
        files: dict[str, Any] = {}
        if self.kind == "WordPiece":
            files["vocab.txt"] = "".join(token + "\n" for token in self.tokens)
        elif self.kind == "BPE":
            files["vocab.json"] = {token: id for id, token in enumerate(self.tokens)}
            files["merges.txt"] = "#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair in MERGES)
        else:
            files["spm.model"] = spm_bytes()
        if self.often(0.2):
            new = self.random.sample(NEW, 2)
            files["added_tokens.json"] = {token: len(self.tokens) + index for index, token in enumerate(new)}
        return files

    # ---- tokenizer.json ----

    def content(self) -> dict[str, Any]:
        return {
            "version": "1.0",
            "truncation": self.truncation(),
            "padding": self.padding(),
            "added_tokens": self.added(),
            "normalizer": self.stage(self.normalizer, "normalizers"),
            "pre_tokenizer": self.stage(self.cut, "pretokenizers"),
            "post_processor": self.post_processor(),
            "decoder": self.decoder(),
            "model": self.model(),
        }

    def stage(self, draw: Any, key: str) -> dict[str, Any] | None:
        stages = [draw() for _ in range(self.random.choice([0, 1, 1, 1, 2, 3]))]
        last = [stage for stage in stages if stage["type"] == "ByteLevel"][:1]  # a single one, at the end
        stages = [stage for stage in stages if stage["type"] != "ByteLevel"] + last
        if len(stages) == 1 and self.often(0.8):
            return dict(stages[0])
        return {"type": "Sequence", key: stages} if stages else None

    def flag(self) -> bool:
        return self.often()

    def normalizer(self) -> dict[str, Any]:
        accents = self.random.choice([None, False, True])
        bert = {"clean_text": self.flag(), "handle_chinese_chars": self.flag(), "strip_accents": accents}
        pattern = self.random.choice([{"String": "o"}, {"Regex": " {2,}"}])
        return self.random.choice(
            [
                {"type": "BertNormalizer", **bert, "lowercase": self.flag()},
                {"type": "BertNormalizer", **bert, "lowercase": self.flag()},
                *({"type": name} for name in ("Lowercase", "NFC", "NFD", "NFKC", "StripAccents")),
                {"type": "Strip", "strip_left": self.flag(), "strip_right": self.flag()},
                {"type": "Replace", "pattern": pattern, "content": "_"},
                {"type": "Prepend", "prepend": "▁"},
            ]
        )

    def cut(self) -> dict[str, Any]:
        if self.kind == "BPE" and self.often(0.6):
            return self.byte_level()
        scheme = self.random.choice(["always", "never", "first"])
        return self.random.choice(
            [
                *({"type": name} for name in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")),
                {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": self.flag()},
                {"type": "Punctuation", "behavior": self.random.choice(["Isolated", "Removed", "Contiguous"])},
            ]
        )

    def byte_level(self) -> dict[str, Any]:
        flags = {name: self.flag() for name in ("add_prefix_space", "trim_offsets", "use_regex")}
        return {"type": "ByteLevel", **flags}

    def model(self) -> dict[str, Any]:
        ids = {token: id for id, token in enumerate(self.tokens)}
        if self.kind == "WordPiece":
            unknown = self.random.choice(["[UNK]", "<unk>"])
            size = self.random.choice([100, 4])
            return {
                "type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": "##",
                "max_input_chars_per_word": size, "vocab": ids,
            }  # fmt: skip
        if self.kind == "Unigram":
            pieces = [[token, 0.0 if token in SPECIAL else -float(1 + len(token) % 3)] for token in self.tokens]
            return {"type": "Unigram", "unk_id": ids[self.random.choice(["[UNK]", "<unk>"])], "vocab": pieces,
                    "byte_fallback": False}  # fmt: skip
        return {
            "type": "BPE", "dropout": None, "unk_token": self.random.choice([None, "[UNK]", "<unk>"]),
            "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": self.flag(),
            "byte_fallback": False, "ignore_merges": self.flag(), "vocab": ids, "merges": MERGES,
        }  # fmt: skip

    def flags(self, content: str) -> dict[str, Any]:
        return {"content": content, **{flag: self.often(0.3) for flag in FLAGS}}

    def added(self) -> list[dict[str, Any]]:
        known = [token for token in SPECIAL if token in self.tokens]
        known = self.random.sample(known, self.random.randint(0, len(known)))
        new = self.random.sample(NEW, self.random.randint(0, 2))
        ids = [*sorted(map(self.tokens.index, known)), *range(len(self.tokens), len(self.tokens) + len(new))]
        names = [*sorted(known, key=self.tokens.index), *new]
        return [{"id": id, **self.flags(name)} for id, name in zip(ids, names, strict=True)]

    def post_processor(self) -> dict[str, Any] | None:
        first, last = self.random.choice([("[CLS]", "[SEP]"), ("<s>", "</s>")])
        ends = [[last, self.tokens.index(last)], [first, self.tokens.index(first)]]

        def special(token: str, kind: int = 0) -> dict[str, Any]:
            return {"SpecialToken": {"id": token, "type_id": kind}}

        single = [special(first), {"Sequence": {"id": "A", "type_id": 0}}, special(last)]
        pair = [*single, {"Sequence": {"id": "B", "type_id": 1}}, special(last, 1)]
        tokens = {token: {"id": token, "ids": [id], "tokens": [token]} for token, id in ends}
        template = {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens}
        choices: list[Any] = [template, template, None, {"type": "BertProcessing", "sep": ends[0], "cls": ends[1]}]
        return self.random.choice(choices)

    def decoder(self) -> dict[str, Any] | None:
        choices: dict[str, list[Any]] = {
            "WordPiece": [{"type": "WordPiece", "prefix": "##", "cleanup": self.flag()}],
            "BPE": [{"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}],
            "Unigram": [{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}],
        }
        return self.random.choice([*choices[self.kind], *choices[self.kind], None])

    def truncation(self) -> dict[str, Any] | None:
        side = self.random.choice(["Left", "Right"])
        section = {"direction": side, "max_length": 7, "strategy": "LongestFirst", "stride": 0}
        return section if self.often(0.2) else None

    def padding(self) -> dict[str, Any] | None:
        side, pad = self.random.choice(["Left", "Right"]), self.random.choice(["[PAD]", "<pad>"])
        section = {
            "strategy": "BatchLongest", "direction": side, "pad_to_multiple_of": None, "pad_id": self.tokens.index(pad),
            "pad_type_id": self.random.choice([0, 1]), "pad_token": pad,
        }  # fmt: skip
        return section if self.often(0.2) else None

    # ---- the files beside it ----

    def named(self, chance: float, mark: dict[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in NAMES:
            if self.often(chance):
                token = self.random.choice([*SPECIAL, *NEW])
                found[name] = {**mark, **self.flags(token)} if self.often(0.3) else token
        return found

    def configuration(self, content: dict[str, Any]) -> dict[str, Any]:
        values: dict[str, list[Any]] = {
            "do_lower_case": [False, True], "strip_accents": [None, False, True],
            "tokenize_chinese_chars": [False, True], "add_prefix_space": [False, True],
            "split_by_punct": [False, True], "padding_side": ["left", "right"], "truncation_side": ["left", "right"],
            "model_max_length": [8, 10**30], "max_len": [9], "split_special_tokens": [False, True],
            "clean_up_tokenization_spaces": [False, True], "pad_token_type_id": [0, 2],
            "model_input_names": [["input_ids", "attention_mask"], ["input_ids", "token_type_ids", "attention_mask"]],
            "additional_special_tokens": [["<two>"], ["[SEP]", "new"], []],
        }  # fmt: skip
        chosen = {name: self.random.choice(of) for name, of in values.items() if self.often(0.15)}
        config = {"tokenizer_class": self.name + self.random.choice(["", "Fast"]), **chosen}
        config |= self.named(0.25, {"__type": "AddedToken"})
        if self.name == "PreTrainedTokenizerFast":
            config["tokenizer_class"] = self.name
        if self.often(0.4):
            config["added_tokens_decoder"] = {
                str(token["id"]): {key: value for key, value in token.items() if key != "id"}
                if self.often(0.8)
                else self.flags(token["content"])
                for token in content["added_tokens"]
            }
        return config


def write(files: dict[str, Any], directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    for path in directory.iterdir():
        path.unlink()
    for name, content in files.items():
        text = content if isinstance(content, (bytes, str)) else json.dumps(content, ensure_ascii=False)
        (directory / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def contradict(files: dict[str, Any], added: list[list[Any]]) -> bool:
    """Whether tokens are searched for, or left out, in transformers otherwise than `added` says.

    A token that is listed with and without `normalized` is found both ways, one that was special once is left out when
    ids are decoded, and what a class replaces in a BertNormalizer does not concern the tokens that are normalized: see
    docs/differences.md. added_tokens.json lists a token that has flags elsewhere as normalized, an spm.model its
    control pieces as not normalized.
    """
    content, config = files.get("tokenizer.json", {}), files["tokenizer_config.json"]
    listed = [*content.get("added_tokens", []), *config.get("added_tokens_decoder", {}).values()]
    tables = [file for file in files.values() if isinstance(file, dict)]
    listed += [token for file in tables for token in file.values() if isinstance(token, dict) and FLAGS[1] in token]
    flagged = {token["content"] for token in listed}
    listed += [
        {"content": content, "normalized": True, "special": False}
        for content in files.get("added_tokens.json", {})
        if content in flagged
    ]
    if "spm.model" in files:
        listed += [{"content": content, "normalized": False, "special": False} for content in CONTROL]
    normalized = {token[1]: token[5] for token in added}
    special = {token[1]: token[6] for token in added}
    replaced = (content.get("normalizer") or {}).get("type") == "BertNormalizer" and any(normalized.values())
    return replaced or any(
        token["normalized"] != normalized.get(token["content"], token["normalized"])
        or token["special"] > special.get(token["content"], token["special"])
        for token in listed
    )


def differences(peer: Peer, library: int, seed: int, directory: Path) -> list[Any] | None:
    """What the two say differently of the directory of a seed; None where transformers does not open it."""
    draw = Draw(seed, library)
    files, options, texts = draw.files(), draw.options(), draw.texts()
    write(files, directory)
    theirs = peer.ask(directory, *texts, **options)
    if not theirs.pop("class", None):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenizer = AutoTokenizer.from_pretrained(directory, compatibility=f"transformers{library}", **options)
            ours = json.loads(json.dumps(described(tokenizer, *texts)))
    except Exception as error:
        return [("error", f"{type(error).__name__}: {error}", "")]
    ends = [theirs["cls_token"], theirs["sep_token"]]
    fixed_ends = library == 4 and draw.alone and draw.kind != "WordPiece" and ends != ["[CLS]", "[SEP]"]
    if fixed_ends or contradict(files, theirs["added"]):
        theirs = {key: value for key, value in theirs.items() if not key.startswith(("single", "pair", "decoded"))}
    if any(token[5] for token in theirs["added"]):  # their text in what is decoded is the normalized one
        theirs.pop("decoded", None)
    return [(key, ours[key], value) for key, value in theirs.items() if ours[key] != value]


def main() -> None:
    """Compares for some minutes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--library", type=int, choices=(4, 5), default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    peer = Peer(os.environ["DEBERTA_C_TRANSFORMERS4"] if arguments.library == 4 else None)
    counts = {"same": 0, "different": 0, "unopened": 0}
    end, seed = time.monotonic() + 60 * arguments.minutes, arguments.seed
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            found = differences(peer, arguments.library, seed, Path(folder) / "model")
            counts["unopened" if found is None else "different" if found else "same"] += 1
            for difference in (found or [])[:3]:
                print(seed, Draw(seed, arguments.library).name, *(str(part)[:300] for part in difference), sep=" | ")
            seed += 1
    peer.close()
    print(counts)


if __name__ == "__main__":
    main()
