"""The ids of spm.model files of all kinds, against the `tokenizers` and `sentencepiece` libraries, live.

Models are trained by sentencepiece in these tests; the published one of DeBERTa-v3 is in DEBERTA_C_TEST_DATA.
"""

import io
import itertools
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.tokenization.reference_tokenizers import v3 as fast_tokenizer
from deberta_c import AutoTokenizer
from deberta_c._tokenizers.directory import open_tokenizer
from tests.parity.tokenizers.tokenizer_live import (
    SlowTokenizer,
    charsmap_keys,
    code_points,
    data_folder,
    generate,
    read_model,
    sentencepiece,
)

PIPELINES = {
    "hf4": {},
    "hf4_lower": {"lower_case": True},
    "hf4_punct": {"split_by_punct": True},
    "hf4_both": {"lower_case": True, "split_by_punct": True},
    "spm": {"compatibility": "sentencepiece"},
    "spm_both": {"compatibility": "sentencepiece", "lower_case": True, "split_by_punct": True},
}
CONTEXTS = ["{}", "a{}b", " {} ", "{}\u0301", "e {}"]
RULES = {  # invented charsmaps: source -> target
    "spaces": {
        "\u2003": " ",
        " \u0301": "\u00b4",
        " \u0301\u0302": "x",
        "e\u0301": "\u00e9",
        "\u0600": "no",
        "\u0602 ": "y",
    },
    "ascii": {"k": "q", "to": "no", "  ": "_", "[": "\u00bf", "\u00e9": "  e", "a\u0301": " "},
    "unk": {"U": " ", "\uff35": "U", "N": "", "\uff2e": "N", "\u00df": "ss"},
}
SYLLABLES = [
    "ka",
    "to",
    "mi",
    "re",
    "su",
    "no",
    "the",
    "ing",
    "qu",
    "é",
    "ß",
    "да",
    "नि",
    "한",
    "日",
    "1",
    "20",
    "\u2019s",
]


def words(count=4000, seed=3):
    draw = random.Random(seed)
    return ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) for _ in range(count)]


def train(name, folder):
    """An spm.model with the special pieces where DeBERTa has them."""
    options = dict(MODELS[name])
    if name in RULES:
        lines = [
            " ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target)
            for source, target in RULES[name].items()
        ]
        (folder / "rules.tsv").write_text("\n".join(lines) + "\n")
        options["normalization_rule_tsv"] = str(folder / "rules.tsv")
    draw, vocabulary = random.Random(5), words()
    lines = [" ".join(draw.choices(vocabulary, k=12)) + draw.choice([".", "!", ", ab", ""]) for _ in range(2000)]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, model_type="unigram", pad_id=0, bos_id=1, eos_id=2,
        unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]", minloglevel=2,
        hard_vocab_limit=False,
        **{"vocab_size": 700, "character_coverage": 0.99, **options},
    )  # fmt: skip
    return model.getvalue()


MODELS = {
    "small": {},
    "bytes": {"byte_fallback": True, "vocab_size": 900},
    "identity": {"normalization_rule_name": "identity"},
    "casefold": {"normalization_rule_name": "nmt_nfkc_cf"},
    "loose": {"remove_extra_whitespaces": False},
    "no_prefix": {"add_dummy_prefix": False},
    "suffix": {"treat_whitespace_as_suffix": True},
    "across": {"split_by_whitespace": False},
    "spaces": {},
    "ascii": {},
    "unk": {},
    "user": {"user_defined_symbols": ["<sep>", "日1", "x y", "[MASK]", "no"], "control_symbols": ["<ctl>"]},
}
trained = {}


@pytest.fixture(params=["v3", *MODELS])
def spm(request, tmp_path):
    if request.param == "v3":
        return (data_folder() / "tokenizers" / "deberta-v3" / "spm.model").read_bytes()
    if request.param not in trained:
        trained[request.param] = train(request.param, tmp_path)
    return trained[request.param]


def rows(tokenizer, texts, pairs=None, **options):
    ids, _, offsets, *_ = tokenizer.encode(texts, pairs, **options)
    ids, offsets = ids.tolist(), offsets.tolist()
    return [ids[start:end] for start, end in itertools.pairwise(offsets)]


def check(texts, ours, theirs):
    """Asserts that every text has the same ids; shows the first few that do not."""
    assert len(ours) == len(theirs) == len(texts)
    different = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
    shown = [f"{texts[i]!a}: {ours[i]}, expected {theirs[i]}" for i in different[:5]]
    assert not different, f"{len(different)} of {len(texts)} texts differ:\n" + "\n".join(shown)


def core(spm, folder, compatibility="transformers4", lower_case=False, split_by_punct=False):
    """The core's tokenizer of a directory with this spm.model."""
    (folder / "spm.model").write_bytes(spm)
    (folder / "config.json").write_text('{"model_type": "deberta-v2"}')
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": lower_case, "split_by_punct": split_by_punct})
    )
    return open_tokenizer(folder, None, {"compatibility": compatibility}).core


def compare(spm, folder, texts):
    for given in PIPELINES.values():
        options = dict(given)
        ours = core(spm, folder, **options)
        if options.pop("compatibility", None):
            slow = SlowTokenizer(spm, **options)
            check(texts, rows(ours, texts, add_special_tokens=False), [slow.encode(text) for text in texts])
        else:
            fast = fast_tokenizer(spm, **options)
            check(texts, rows(ours, texts), [encoding.ids for encoding in fast.encode_batch_fast(texts)])


def test_generated_texts(spm, tmp_path):
    extra = [piece.piece for piece in read_model(spm).pieces if piece.type == 4] + ["<ctl>", "<ctl", "日1no"]
    extra += [" \u0301", " \u0301\u0302", "\u0602 ", "\u0600 ", "a\u0301", "é ", "[U", "NK]"]
    compare(spm, tmp_path, list(generate(1500, 11, charsmap_keys(spm), words(300) + extra)))


@pytest.mark.parametrize("name", ["hf4", "hf4_lower", "hf4_punct", "hf4_both"])
def test_tokenizer_json_of_transformers_4_decides(spm, tmp_path, name):
    """Its lower case and punctuation win over the configuration."""
    fast = fast_tokenizer(spm, **PIPELINES[name])
    fast.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "spm.model").write_bytes(spm)
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false, "split_by_punct": false}')
    (tmp_path / "config.json").write_text('{"model_type": "deberta-v2"}')
    texts = [*generate(200, 3, charsmap_keys(spm), words(200)), "Hello, World!", "A.B c"]
    check(texts, AutoTokenizer.from_pretrained(tmp_path)(texts).input_ids, [e.ids for e in fast.encode_batch(texts)])


def test_every_low_code_point(spm, tmp_path):
    compare(spm, tmp_path, [text for context in CONTEXTS for text in code_points(context, 0x3FF)])


def test_unicode_tables_are_what_the_library_does():
    script = Path(__file__).parents[3] / "tools" / "measure_unicode.py"
    checked = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("strategy", ["longest_first", "only_first", "only_second"])
@pytest.mark.parametrize("special", [True, False])
def test_truncation(spm, tmp_path, strategy, special):
    ours, theirs = core(spm, tmp_path), fast_tokenizer(spm)
    draw, vocabulary = random.Random(2), words(50)
    for max_length in range(3, 14):
        theirs.enable_truncation(max_length, strategy=strategy)
        for paired in (True, False):
            first, second = (" ".join(draw.choices(vocabulary, k=draw.randint(0, 6))) for _ in range(2))
            pairs = [second] if paired else None
            options = {"add_special_tokens": special, "truncation": strategy, "max_length": max_length}
            try:
                encoding = theirs.encode(first, *(pairs or []), add_special_tokens=special)
            except Exception:  # the library has no class for it: deberta_c must raise, too
                with pytest.raises(ValueError, match=strategy):
                    ours.encode([first], pairs, **options)
                continue
            ids, types, _, cut, _ = ours.encode([first], pairs, **options)
            assert ids.tolist() == encoding.ids
            assert types.tolist() == encoding.type_ids
            whole = ours.encode([first], pairs, add_special_tokens=special)[0]
            assert cut == (len(whole) > len(ids))
