# SPDX-License-Identifier: Apache-2.0
"""The tokenizers of DeBERTa v3, v1 and BERT as transformers 4 builds them, stage by stage, with `tokenizers`."""

from pathlib import Path

from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SPECIAL = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
CONTROL, USER_DEFINED = 3, 4
FOLDERS = {"v3": "deberta-v3", "v1": "deberta-v1", "bert": "bert-base-uncased"}  # in DEBERTA_C_TEST_DATA/tokenizers


def template(tokenizer: Tokenizer) -> processors.TemplateProcessing:
    return processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )


def read_model(spm: bytes) -> sentencepiece_model_pb2.ModelProto:
    return sentencepiece_model_pb2.ModelProto.FromString(spm)


def v3(spm: bytes, *, lower_case: bool = False, split_by_punct: bool = False) -> Tokenizer:
    """The tokenizer of an spm.model of DeBERTa v2 or v3."""
    model = read_model(spm)
    vocabulary = [(piece.piece, piece.score) for piece in model.pieces]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=model.trainer_spec.unk_id, byte_fallback=False))
    for piece in model.pieces:
        if piece.type in (CONTROL, USER_DEFINED):
            tokenizer.add_tokens([AddedToken(piece.piece, normalized=False, special=piece.type == CONTROL)])
    stages = [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    if model.normalizer_spec.precompiled_charsmap:
        stages.insert(1, normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap))
    if lower_case:
        stages.insert(0, normalizers.Lowercase())
    tokenizer.normalizer = normalizers.Sequence(stages)
    cuts = [pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    if split_by_punct:
        cuts.insert(0, pre_tokenizers.Punctuation("isolated"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = template(tokenizer)
    tokenizer.add_special_tokens([AddedToken("[UNK]", normalized=True), AddedToken("[MASK]", normalized=False)])
    return tokenizer


def v1(folder: Path) -> Tokenizer:
    """The tokenizer of vocab.json and merges.txt."""
    vocabulary, merges = str(folder / "vocab.json"), str(folder / "merges.txt")
    tokenizer = Tokenizer(models.BPE.from_file(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = template(tokenizer)
    tokenizer.add_special_tokens([AddedToken(name, lstrip=name == "[MASK]", normalized=False) for name in SPECIAL])
    return tokenizer


def bert(folder: Path, *, lower_case: bool = True) -> Tokenizer:
    """The tokenizer of vocab.txt."""
    tokenizer = Tokenizer(models.WordPiece.from_file(str(folder / "vocab.txt"), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower_case)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.post_processor = template(tokenizer)
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in SPECIAL])
    return tokenizer


def build(name: str, tokenizers: Path) -> Tokenizer:
    """v3, v1 or bert, from the folder of published tokenizers."""
    folder = tokenizers / FOLDERS[name]
    return v3((folder / "spm.model").read_bytes()) if name == "v3" else {"v1": v1, "bert": bert}[name](folder)
