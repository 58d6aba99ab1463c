"""Plain English in everything that a person reads: prose, docstrings, messages and comments.

`tests/repo/english_not_mended.txt` lists sources that do not follow yet. It may only become shorter: after a file
is mended or moved, `python -m tests.repo.test_english` writes the list again.
"""

import io
import json
import re
import shutil
import subprocess
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_MENDED = ROOT / "tests" / "repo" / "english_not_mended.txt"

# What is discouraged, and what to write instead.
DISCOURAGED = {
    r"\btold\b": "says, names, warns, raises",
    r"\btells? (?:of|what|how|where|which|that|whose)\b": "says, shows, prints",
    r"\b(?:what|that|which|it|this) is no (?!longer\b)": "is not a",
    r"\bbut for\b": "except for",
    r"\brefused by name\b": "raises an error that says it is unsupported",
    r"\b(?:nobody|somebody|whoever)\b": "nothing, no one, a caller",
    r"\bever after\b": "from then on",
    r"\b(?:those|than|as|what is|comes out) there\b": "transformers, by name",
    r"\bthere (?:it|they|a|an|its|one)\b|; there\b(?! (?:is|are|was|were)\b)": "transformers, by name",
    r"\b(?:heed(?:s|ed)?|lest|hence|thus|thereof|whereof|wherein|wherefore)\b": "a plain word",
    r"\b(?:anew|aught|naught|upon|whilst)\b": "a plain word",
    r", for (?:it|they|he|she|there) ": "because",
    r"\bas it lies\b|\bwhere (?:it|they) lies?\b": "in place, where it is",
    r"\bwhat (?:stands|lies|came|comes) \w+": "the text between, the rest",
    r"\bin one go\b": "at once",
    r"\bmakes? (?:it|them|itself) again\b": "opens it again",
    r"\bput together\b": "combined, built",
    r"\bso (?:many|much) (?:tokens|texts|rows|bytes)\b": "this many tokens",
    r"\bonly that\b": "that alone",
    r"\b(?:by|in) turns\b": "alternately",
    r"\bwhat else\b": "other keys, anything else",
    r"\bfinds? (?:it|them) out\b": "computes",
    r"\bmakes? no sense\b": "is invalid",
    r"\blikelie(?:r|st)\b|\bdearest\b": "more likely, most likely, most expensive",
    r"\bprocess of its own\b": "a separate process",
}
PATTERN = re.compile("|".join(f"({pattern})" for pattern in DISCOURAGED), re.IGNORECASE)
PROSE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/", "notebooks/")  # these are never on the list
SKIPPED = ("LICENSE", "NOTICE", "tests/golden/", "tests/fuzz/corpus/", "tests/repo/test_english.py")


def files() -> list[str]:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in listed if name and not name.startswith(SKIPPED) and (ROOT / name).is_file()]


def of_python(text: str) -> str:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return "\n".join(token.string for token in tokens if tokenize.tok_name[token.type] in READ_TOKENS)


READ_TOKENS = ("STRING", "COMMENT", "FSTRING_MIDDLE")


def of_c(text: str) -> str:
    return "\n".join(re.findall(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"', text, re.DOTALL))


def of_markdown(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def of_notebook(text: str) -> str:
    cells = json.loads(text)["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


READERS = {".py": of_python, ".c": of_c, ".h": of_c, ".md": of_markdown, ".ipynb": of_notebook, ".sh": str, "": str}


def findings(name: str) -> list[str]:
    """Discouraged phrases of a file, each with what to write instead."""
    path = ROOT / name
    if path.suffix not in READERS:
        return []
    text = re.sub(r"\s*\n[\s*#/]*", " ", READERS[path.suffix](path.read_text(encoding="utf-8")))  # across line ends
    return [f"{name}: {found[0]!r} in {_around(text, found)!r}: {_advice(found)}" for found in PATTERN.finditer(text)]


def _around(text: str, found: re.Match[str]) -> str:
    return text[max(0, found.start() - 30) : found.end() + 30]


def _advice(found: re.Match[str]) -> str:
    return f"write {list(DISCOURAGED.values())[(found.lastindex or 1) - 1]}"


def not_mended() -> list[str]:
    return NOT_MENDED.read_text(encoding="utf-8").split()


def test_plain_english() -> None:
    listed = set(not_mended())
    assert [line for name in files() if name not in listed for line in findings(name)] == []


def test_the_list_of_files_to_mend_only_shrinks() -> None:
    mended = [name for name in not_mended() if not (ROOT / name).is_file() or not findings(name)]
    assert mended == [], "run `python -m tests.repo.test_english` to take them off the list"
    assert [name for name in not_mended() if name.startswith(PROSE)] == []


def test_the_lint_finds_what_it_looks_for() -> None:
    for sentence in (
        "What does not fit is told.",
        "NaN is a ValueError; there it comes out as NaN.",
        "They are refused by name.",
        "loses the position table and decodes so ever after",
        "is accepted, for it changes nothing",
        "TypeError for what is no text",
        "ValueError for options that make no sense.",
    ):
        assert PATTERN.search(sentence), sentence
    for sentence in ("There is no limit.", "It is no longer used.", "if there are none", "raises ValueError"):
        assert not PATTERN.search(sentence), sentence


if __name__ == "__main__":
    names = [name for name in files() if not name.startswith(PROSE) and findings(name)]
    NOT_MENDED.write_text("\n".join(names) + "\n", encoding="utf-8")
