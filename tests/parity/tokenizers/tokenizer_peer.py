"""The results of AutoTokenizer of any version of transformers for a directory, in a separate process.

Requests and responses are lines of JSON. The class `Peer` starts the process and sends requests.
"""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
SETTINGS = ("padding_side", "truncation_side", "clean_up_tokenization_spaces", "split_special_tokens")


class Peer:
    """A process with the transformers of the Python path, or with that of a folder."""

    def __init__(self, folder: str | None = None) -> None:
        paths = [path for path in (folder, os.environ.get("PYTHONPATH")) if path]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, __file__], env=environment, text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, directory: Path, texts: list[str], pairs: list[str], **options: Any) -> dict[str, Any]:
        """The result of `described` in the process; it has `error` instead if opening failed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(directory), texts, pairs, options]) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        """Ends the process."""
        self.process.communicate()


def described(tokenizer: Any, texts: list[str], pairs: list[str]) -> dict[str, Any]:
    """All results of a tokenizer, as JSON."""
    found: dict[str, Any] = {name: getattr(tokenizer, name) for name in (*SETTINGS, *SPECIAL_NAMES)}
    limit = tokenizer.model_max_length
    found["model_max_length"] = limit if limit is not None and limit < 1e20 else None
    found["model_input_names"] = list(tokenizer.model_input_names)
    found["size"] = len(tokenizer)
    flags = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    added = sorted(tokenizer.added_tokens_decoder.items())
    found["added"] = [[id, *(getattr(token, flag) for flag in flags)] for id, token in added]
    found["all_special"] = sorted(set(tokenizer.all_special_tokens))
    pads = tokenizer.pad_token is not None
    for name, second in (("single", None), ("pair", pairs)):
        options: dict[str, Any] = {"padding": pads, "truncation": True, "max_length": 12}
        rows = tokenizer(texts, second, return_offsets_mapping=True, **options)
        found[name] = {key: _plain(value) for key, value in rows.items()}
        found[name + " tokens"] = [rows.tokens(row) for row in range(len(texts))]
    ids = tokenizer(texts)["input_ids"]
    found["decoded"] = [tokenizer.batch_decode(ids, skip_special_tokens=skip) for skip in (False, True)]
    return found


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def _serve() -> None:
    import transformers

    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        directory, texts, pairs, options = json.loads(line)
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(directory, **options)
            answer = {"class": type(tokenizer).__name__, **described(tokenizer, texts, pairs)}
        except BaseException as error:  # panics of the library are not an Exception
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
