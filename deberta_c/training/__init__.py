"""Fine-tuning and pre-training: what deberta_c offers for it is imported when it is used."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deberta_c.training.pretraining import pretrain as pretrain
    from deberta_c.training.vocabulary import train_tokenizer as train_tokenizer
else:

    def __getattr__(name: str) -> object:
        if name in ("pretrain", "train_tokenizer"):
            import deberta_c

            return getattr(deberta_c, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
