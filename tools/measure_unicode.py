#!/usr/bin/env python3
"""Writes csrc/text/unicode/unicode_tables.h by asking the `tokenizers` library about every code point.

Classes of characters and case mappings differ between Unicode versions, and the ids of a text depend on them. Models
are trained with the version inside this library, so the library is measured, and no Unicode data file is used.

    python -m tools.measure_unicode           # writes the header
    python -m tools.measure_unicode --check   # fails if the header differs
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import tokenizers
from tokenizers.normalizers import NFC, NFD, NFKC, NFKD, BertNormalizer, Lowercase, Normalizer, StripAccents
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Punctuation, Whitespace

HEADER = Path(__file__).parents[1] / "csrc" / "text" / "unicode" / "unicode_tables.h"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

Property = Callable[[str], bool]


def falls(splitter: PreTokenizer, text: str, pieces: int) -> Property:
    """Whether the text around a character is split into this number of pieces."""
    return lambda character: len(splitter.pre_tokenize_str(text.format(character))) == pieces


def becomes(text: str, wanted: str, normalizer: Normalizer) -> Property:
    return lambda character: normalizer.normalize_str(text.format(character)) == wanted.format(character)


def changes(normalizer: Normalizer) -> Property:
    return lambda character: normalizer.normalize_str(character) != character


def bert(**switched_on: bool) -> BertNormalizer:
    off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return BertNormalizer(**{**off, **switched_on})


@cache
def seconds() -> set[str]:
    """Characters that are composed with the previous one."""
    nfc, nfd = NFC(), NFD()
    parts = ((chr(c), nfd.normalize_str(chr(c))) for c in CODE_POINTS)
    return {text[-1] for character, text in parts if text != character == nfc.normalize_str(character)}


def joins(character: str) -> bool:
    """Whether it begins with a character that is composed with others, or reordered among other marks."""
    first = NFKD().normalize_str(character)[0]
    text = f"a\u0345{first}\u0334"  # marks of the last class and of the first one
    return first in seconds() or NFD().normalize_str(text) != text


PROPERTIES: dict[str, Property] = {
    "LETTER": falls(ByteLevel(add_prefix_space=False), "a{}a", 1),
    "NUMBER": falls(ByteLevel(add_prefix_space=False), "1{}1", 1),
    "DIGIT": falls(Digits(individual_digits=True), "a{}a", 3),
    "WORD": falls(Whitespace(), "a{}a", 1),
    "PUNCTUATION": falls(Punctuation(behavior="isolated"), "a{}a", 3),
    "MARK": becomes("a{}a", "aa", StripAccents()),
    "ACCENT": becomes("a{}a", "aa", bert(strip_accents=True)),
    "CONTROL": becomes("a{}a", "aa", bert(clean_text=True)),
    "CHINESE": becomes("{}", " {} ", bert(handle_chinese_chars=True)),
    "UPPER": changes(Lowercase()),
    "JOINS": joins,
    "CHANGED_BY_NFC": changes(NFC()),
    "CHANGED_BY_NFD": changes(NFD()),
    "CHANGED_BY_NFKC": changes(NFKC()),
    "CHANGED_BY_NFKD": changes(NFKD()),
}


def property_tables() -> tuple[list[str], list[str], list[str]]:
    """A bit per property and code point, in blocks of 64 code points and pages of 64 blocks; equal ones are shared."""
    bits = [[0] * (0x110000 // 64) for _ in PROPERTIES]
    for words, name in zip(bits, PROPERTIES, strict=True):
        for c in CODE_POINTS:
            words[c // 64] |= PROPERTIES[name](chr(c)) << c % 64
    blocks: dict[tuple[int, ...], int] = {}
    pages: dict[tuple[int, ...], int] = {}
    numbers = [blocks.setdefault(block, len(blocks)) for block in zip(*bits, strict=True)]
    book = [pages.setdefault(tuple(numbers[i : i + 64]), len(pages)) for i in range(0, len(numbers), 64)]
    return (
        ["{" + ", ".join(f"0x{word:X}" if word else "0" for word in block) + "}" for block in blocks],
        [str(number) for page in pages for number in page],
        [str(page) for page in book],
    )


def measure_lower() -> dict[int, int]:
    """Code points that `Lowercase` maps to one other; only U+0130 is mapped to two."""
    lower = Lowercase()
    changed = {c: lower.normalize_str(chr(c)) for c in CODE_POINTS}
    changed = {c: text for c, text in changed.items() if text != chr(c)}
    longer = {c: text for c, text in changed.items() if len(text) != 1}
    if longer != {0x130: "i\u0307"}:
        sys.exit(f"unicode_lower knows one mapping to two code points, U+0130; the library has {longer}")
    return {c: ord(text) for c, text in changed.items() if len(text) == 1}


def lower_ranges(lower: dict[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Runs (first, last, step, difference) of equal difference, whose members lie `step` apart."""
    points = sorted(lower)
    i = 0
    while i < len(points):
        first, difference = points[i], lower[points[i]] - points[i]
        step = points[i + 1] - first if i + 1 < len(points) else 1
        if step > 2 or (step and lower.get(first + step, -1) - first - step != difference):
            step = 1
        last = first
        while lower.get(last + step, -1) - last - step == difference:
            last += step
            i += 1
        yield first, last, step, difference
        i += 1


def lines(cells: list[str], width: int = 110) -> str:
    out, line = [], "   "
    for cell in cells:
        if len(line) + len(cell) + 2 > width:
            out.append(line)
            line = "   "
        line += f" {cell},"
    return "\n".join([*out, line])


def header() -> str:
    bits, blocks, pages = property_tables()
    lower = [f"{{0x{a:X}, 0x{b:X}, {s}, {d}}}" for a, b, s, d in lower_ranges(measure_lower())]
    return f"""/* SPDX-License-Identifier: Apache-2.0 */
/* Written by tools/measure_unicode.py, which asked tokenizers {tokenizers.__version__}. Do not edit. */
/* clang-format off */

/* The properties of a character: property_bits[property_blocks[64 * property_pages[code >> 12] + (code >> 6 & 63)]]
 * has a word for each of them, with a bit for each of 64 code points. */
enum property {{ {", ".join(PROPERTIES)} }};
static const uint64_t property_bits[][{len(PROPERTIES)}] = {{
{lines(bits)}
}};
static const uint16_t property_blocks[] = {{
{lines(blocks)}
}};
static const uint8_t property_pages[] = {{
{lines(pages)}
}};

/* Code points first, first + step, ... last become lower case by adding the difference. U+0130 is not among them. */
static const struct {{
    uint32_t first, last;
    uint8_t step;
    int32_t difference;
}} lower_ranges[] = {{
{lines(lower)}
}};
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    wanted = header()
    if parser.parse_args().check:
        sys.exit(0 if HEADER.read_text() == wanted else f"{HEADER} is not what this script would write")
    HEADER.write_text(wanted)


if __name__ == "__main__":
    main()
