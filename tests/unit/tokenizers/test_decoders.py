"""Tokens to text: every decoder of a tokenizer.json, on tokens made up for it."""

import pytest

from deberta_c._tokenizers.decoders import clean_up, make_decoder

METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
NEVER = {**METASPACE, "prepend_scheme": "never"}
FALLBACK = {"type": "ByteFallback"}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


@pytest.mark.parametrize(
    ("decoders", "tokens", "text"),
    [
        ([], ["so", "far"], "so far"),
        ([METASPACE], ["▁so", "▁far", "away", "[SEP]"], "so faraway[SEP]"),
        ([METASPACE], ["[CLS]", "▁so", "▁", "▁far"], "[CLS] so  far"),
        ([METASPACE], ["▁so▁so", "▁far▁far"], "soso far far"),
        ([NEVER], ["▁so", "▁far"], " so far"),
        ([{"type": "Metaspace", "replacement": "▁", "add_prefix_space": False}], ["▁so"], " so"),
        ([{**METASPACE, "replacement": "_"}], ["_so", "_far▁"], "so far▁"),
        ([METASPACE], ["▁", "<0x41>"], "<0x41>"),
        ([FALLBACK], ["a", "<0xC3>", "<0xA9>", "b", "<0x41>"], "aébA"),
        ([FALLBACK], ["<0xC3>", "<0x41>", "<0xc3>"], "\ufffd\ufffd\ufffd"),
        ([FALLBACK], ["<0xZZ>", "<0x412>"], "<0xZZ><0x412>"),
        ([{**METASPACE, "type": "Spm"}], ["▁", "<0xF0>", "<0x9F>", "<0xA7>", "<0xBF>", "▁a"], "🧿 a"),
        ([{**METASPACE, "type": "Spm"}], ["▁a", "<0xC3>", "<0x41>", "<0xF0>", "<0x9F>"], "a\ufffdA\ufffd\ufffd"),
        ([BYTES], ["Ġso", "Ġf", "ar", "Ċ"], " so far\n"),
        ([BYTES], ["Ã", "©", "Ã"], "é\ufffd"),
        ([BYTES], ["[MASK]", "▁", "ĠĠ"], "[MASK]▁  "),
        ([{"type": "WordPiece"}], ["##so", "far", "##away", "."], "##so faraway."),
        ([{"type": "WordPiece"}], ["don", "'", "t", "do", "n't", "he", "'s"], "don ' t don't he's"),
        ([{"type": "WordPiece", "cleanup": False}], ["so", "."], "so ."),
        ([{"type": "WordPiece", "prefix": "@@"}], ["so", "@@far", "##x"], "sofar ##x"),
        ([{"type": "BPEDecoder", "suffix": "</w>"}], ["so</w>", "f", "ar</w>"], "so far"),
        ([{"type": "Replace", "pattern": {"String": "_"}, "content": " "}], ["a_b", "_"], "a b "),
        ([{"type": "Strip", "content": "_", "start": 1, "stop": 0}], ["__a_", "b"], "_a_b"),
        ([{"type": "Strip", "content": "_", "start": 1, "stop": 2}], ["_", "", "_a___"], "a_"),
        (
            [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                FALLBACK,
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
            ["▁so", "▁", "<0xC3>", "<0xA9>"],
            "so é",
        ),
        ([{"type": "Sequence", "decoders": [FALLBACK, METASPACE]}], ["▁", "<0x41>", "▁b"], "A b"),
        ([METASPACE], [], ""),
        ([BYTES], [], ""),
        ([{"type": "BPEDecoder"}], [], ""),
    ],
)
def test_decoders(decoders, tokens, text):
    before = list(tokens)
    assert make_decoder(decoders)(tokens) == text
    assert tokens == before


def test_cleaning_up():
    assert clean_up("so . far ? it 's n't , ' a ' we 've !") == "so. far? it'sn't,'a'we've!"


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        ({"type": "CTC"}, "the decoder 'CTC' is not known; known are BPEDecoder, ByteFallback"),
        ({"type": ["Fuse"]}, "is not known"),
        ({}, "the decoder {} is not known"),
        ("Fuse", "the decoder 'Fuse' is not known"),
        ({"type": "Sequence", "decoders": [{"type": "Other"}]}, "the decoder 'Other' is not known"),
        ({"type": "Sequence", "decoders": "Fuse"}, "the decoder Sequence has decoders 'Fuse'"),
        ({"type": "Metaspace", "replacement": 3}, "the decoder Metaspace has replacement 3"),
        ({"type": "Replace", "pattern": {"Regex": "a+"}, "content": ""}, "the decoder Replace has the pattern .*a+"),
        ({"type": "Replace", "pattern": {"String": ""}, "content": ""}, "the decoder Replace has the pattern"),
        ({"type": "Replace", "pattern": None}, "the decoder Replace has the pattern None"),
        ({"type": "Strip", "content": "ab"}, "the decoder Strip has content 'ab'; it must be one character"),
        ({"type": "Strip", "start": -1}, "the decoder Strip has start -1"),
        ({"type": "Strip", "start": True}, "the decoder Strip has start True"),
        ({"type": "WordPiece", "cleanup": "no"}, "the decoder WordPiece has cleanup 'no'"),
    ],
)
def test_decoders_that_are_refused(decoder, message):
    with pytest.raises(ValueError, match=message):
        make_decoder([decoder])
