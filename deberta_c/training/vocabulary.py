"""A vocabulary of one's own: a sentencepiece model as DeBERTa v3 has it, learnt from text files."""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deberta_c._base.checks import boolean
from deberta_c._files.atomic import new_files
from deberta_c._tokenizers.tokenizer import DebertaV2TokenizerFast

_SPECIAL = 4  # [PAD], [CLS], [SEP], [UNK] come first; [MASK] comes last
_BYTES = 256


def train_tokenizer(
    files: Iterable[str | Path] | str | Path,
    vocab_size: int,
    output_dir: str | Path,
    *,
    lower_case: bool = False,
    byte_fallback: bool = True,
    model_max_length: int = 512,
    **options: Any,
) -> DebertaV2TokenizerFast:
    """Learns a tokenizer of DeBERTa v2 and v3 from text files, a text per line, and writes it to a directory.

    `vocab_size` is the number of all tokens: [PAD], [CLS], [SEP], [UNK] with the ids 0 to 3, 256 bytes with
    `byte_fallback`, the pieces, and [MASK], the last. Further options are those of sentencepiece's trainer, for example
    `input_sentence_size=1_000_000`, which limits its memory: without it, sentencepiece holds all texts. The directory
    gets spm.model and tokenizer_config.json, which `AutoTokenizer` and transformers open.

    Errors: ImportError without sentencepiece, ValueError for a size that does not fit the texts.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "texts.txt").write_text("free entry in a competition\\n" * 20)
    ...     tokenizer = train_tokenizer(Path(folder, "texts.txt"), 300, folder, hard_vocab_limit=False)
    >>> tokenizer.convert_ids_to_tokens([0, 1, 2, 3]), tokenizer.mask_token_id == len(tokenizer) - 1
    (['[PAD]', '[CLS]', '[SEP]', '[UNK]'], True)
    """
    try:
        import sentencepiece
    except ImportError as error:
        raise ImportError("train_tokenizer needs sentencepiece; `pip install sentencepiece`") from error
    lower_case, byte_fallback = boolean("lower_case", lower_case), boolean("byte_fallback", byte_fallback)
    least = _SPECIAL + _BYTES * byte_fallback + 2
    if vocab_size < least:
        raise ValueError(f"vocab_size is {vocab_size}; it must be at least {least}, special tokens and bytes included")
    paths = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    settings = {
        "model_type": "unigram",
        "character_coverage": 0.999997,
        "max_sentencepiece_length": 32,
        "normalization_rule_name": "nmt_nfkc_cf" if lower_case else "nmt_nfkc",
        "minloglevel": 2,
        **options,
    }
    directory = Path(output_dir)
    with new_files(directory) as place:
        model = place("spm.model")
        try:
            with model.open("wb") as writer:
                sentencepiece.SentencePieceTrainer.train(
                    input=[str(Path(path)) for path in paths],
                    model_writer=writer,
                    vocab_size=vocab_size - 1,
                    byte_fallback=byte_fallback,
                    pad_id=0, bos_id=1, eos_id=2, unk_id=3,
                    pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]",
                    **settings,
                )  # fmt: skip
        except RuntimeError as error:
            if most := re.search(r"Vocabulary size too high .*<= (\d+)", str(error)):
                raise ValueError(
                    f"vocab_size is {vocab_size}, but the texts have pieces for {int(most[1]) + 1} tokens; give that, "
                    "more text, or hard_vocab_limit=False for fewer tokens"
                ) from error
            raise ValueError(f"sentencepiece refuses vocab_size={vocab_size} or the texts: {error}") from error
        config = {
            "tokenizer_class": "DebertaV2Tokenizer", "vocab_type": "spm", "do_lower_case": lower_case,
            "model_max_length": model_max_length, "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]",
            "bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "[UNK]", "mask_token": "[MASK]",
        }  # fmt: skip
        place("tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return DebertaV2TokenizerFast.from_pretrained(directory)
