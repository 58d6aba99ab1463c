"""The fast tokenizer that transformers 4 made of a DeBERTa-v3 spm.model: the reference for ids.

transformers 5 builds a tokenizer of other normal form from the same file, so the pipeline is assembled here.
"""

import pytest

tokenizers = pytest.importorskip("tokenizers", reason="the reference ids need tokenizers")
spm_format = pytest.importorskip(
    "sentencepiece.sentencepiece_model_pb2", reason="the reference ids need sentencepiece and protobuf"
)

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

CONTROL, USER_DEFINED = 3, 4  # types of a piece
SPECIAL = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}


def reference_tokenizer(spm_path, max_length=512):
    """A tokenizer of transformers with the ids of transformers 4."""
    spm = spm_format.ModelProto.FromString(spm_path.read_bytes())
    scored = [(entry.piece, entry.score) for entry in spm.pieces]
    core = tokenizers.Tokenizer(models.Unigram(scored, unk_id=spm.trainer_spec.unk_id, byte_fallback=False))
    core.add_tokens(
        [
            AddedToken(entry.piece, normalized=False, special=entry.type == CONTROL)
            for entry in spm.pieces
            if entry.type in (CONTROL, USER_DEFINED)
        ]
    )
    charsmap = spm.normalizer_spec.precompiled_charsmap
    blanks = normalizers.Replace(Regex(" {2,}"), " ")
    core.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.Precompiled(charsmap), blanks])
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    core.decoder = decoders.Metaspace(prepend_scheme="always")
    core.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(name, core.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )  # fmt: skip
    core.add_special_tokens([AddedToken("[UNK]", normalized=True, special=True)])
    core.add_special_tokens([AddedToken("[MASK]", normalized=False, special=True)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, model_max_length=max_length, mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"], **SPECIAL,
    )  # fmt: skip
