#!/usr/bin/env python3
"""Writes csrc/text/unicode_tables.h by asking the `tokenizers` library about every code point.

Case mappings and punctuation change from one Unicode version to the next, and the ids of a text change with them.
What counts is the version inside the library that models are trained with, so that library is measured: nothing is
copied from a Unicode data file.

    python scripts/measure_unicode.py           # writes the header
    python scripts/measure_unicode.py --check   # fails if the header is not what would be written
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import tokenizers
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Punctuation

HEADER = Path(__file__).parents[1] / "csrc" / "text" / "unicode_tables.h"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def measure_punctuation() -> list[int]:
    """Code points that `Punctuation` cuts out of a word."""
    splitter = Punctuation(behavior="isolated")
    return [c for c in CODE_POINTS if len(splitter.pre_tokenize_str(f"a{chr(c)}a")) == 3]


def measure_lower() -> dict[int, int]:
    """Code points that `Lowercase` changes into one other; the only one that becomes two is U+0130."""
    lower = Lowercase()
    changed = {c: lower.normalize_str(chr(c)) for c in CODE_POINTS}
    changed = {c: text for c, text in changed.items() if text != chr(c)}
    longer = {c: text for c, text in changed.items() if len(text) != 1}
    if longer != {0x130: "i\u0307"}:
        sys.exit(f"unicode_lower knows one mapping to two code points, U+0130; the library has {longer}")
    return {c: ord(text) for c, text in changed.items() if len(text) == 1}


def ranges(points: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for point in points:
        if last is not None and point == last + 1:
            last = point
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = point
    if first is not None and last is not None:
        yield first, last


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
    punctuation = [f"{{0x{a:X}, 0x{b:X}}}" for a, b in ranges(measure_punctuation())]
    lower = [f"{{0x{a:X}, 0x{b:X}, {s}, {d}}}" for a, b, s, d in lower_ranges(measure_lower())]
    return f"""/* SPDX-License-Identifier: Apache-2.0 */
/* Written by scripts/measure_unicode.py, which asked tokenizers {tokenizers.__version__}. Do not edit. */
/* clang-format off */

/* Code points that are words of their own when words are split at punctuation. */
static const struct {{
    uint32_t first, last;
}} punctuation_ranges[] = {{
{lines(punctuation)}
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
