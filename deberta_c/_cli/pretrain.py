"""`pretrain`: trains a model on plain text, with masked or replaced tokens."""

import argparse
import sys
from pathlib import Path
from typing import Any

from deberta_c._cli.results import add_overwrite_option, check_new_model
from deberta_c._cli.training import BF16, OPTIMIZERS, add_teacher_options, teacher_options
from deberta_c._files.json import read_json
from deberta_c._models.auto import AutoModelForMaskedLM, AutoModelForPreTraining
from deberta_c._models.config import AutoConfig
from deberta_c._tokenizers.tokenizer import AutoTokenizer

EXAMPLES = """\
examples:
  %(prog)s texts.txt --config config.json --vocab-size 8000 --out NEW
  %(prog)s texts.txt more.txt.gz --model DIR --out NEW --steps 1000"""


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    command.add_argument("files", type=Path, nargs="+", metavar="FILE", help="plain text in UTF-8, or one with .gz")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="the directory of the trained model")
    add_overwrite_option(command)
    command.add_argument("--config", type=Path, metavar="PATH", help="a config.json, or its directory: a new model")
    command.add_argument("--tokenizer", metavar="DIR", help="the directory of the tokenizer (default: that of --model)")
    command.add_argument(
        "--vocab-size", type=int, metavar="N", help="learn a tokenizer of N tokens from the files; needs sentencepiece"
    )
    command.add_argument(
        "--objective",
        choices=("masked-lm", "replaced-tokens"),
        default="masked-lm",
        help="what the model learns: masked tokens, or which tokens a generator replaced, as DeBERTa v3 (default: "
        "masked-lm)",
    )
    command.add_argument(
        "--decoder",
        choices=("enhanced", "plain"),
        help="predict masked tokens with the enhanced mask decoder of DeBERTa, or without (default: enhanced where the "
        "configuration allows it)",
    )
    command.add_argument("--paragraphs", action="store_true", help="documents end at empty lines, not at every line")
    command.add_argument(
        "--validation", type=float, default=0.0, metavar="SHARE", help="the share of the rows to validate with"
    )
    command.add_argument("--max-length", type=int, default=512, help="tokens of a row (default: 512)")
    command.add_argument("--steps", type=int, help="updates of the weights (default: those of --epochs)")
    command.add_argument("--epochs", type=float, default=1.0, help="how often every text is read (default: 1)")
    command.add_argument("--batch-size", type=int, default=32, help="rows of a batch (default: 32)")
    command.add_argument("--accumulation", type=int, default=1, help="batches of an update (default: 1)")
    command.add_argument("--learning-rate", type=float, default=1e-4, help="the largest learning rate (default: 1e-4)")
    command.add_argument(
        "--warmup", type=float, default=0.1, help="how long it rises: a share of all steps, or steps (default: 0.1)"
    )
    command.add_argument("--weight-decay", type=float, default=0.01, help="decoupled weight decay (default: 0.01)")
    command.add_argument(
        "--optimizer", choices=tuple(OPTIMIZERS), default="adamw", help="xadam is that of the DeBERTa paper"
    )
    add_teacher_options(command, "a masked language model of the same vocabulary, whose logits the model is to follow")
    command.add_argument("--bf16", action="store_true", help=BF16)
    command.add_argument("--save-steps", type=int, default=500, help="updates between checkpoints (default: 500)")
    command.add_argument("--save-limit", type=int, default=2, help="checkpoints that are kept (default: 2)")
    command.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    command.add_argument("--seed", type=int, default=42, help="of weights, masks, order and dropout (default: 42)")
    command.add_argument("--quiet", action="store_true", help="show no progress")


def run(options: argparse.Namespace) -> None:
    """Trains, saves and prints the losses."""
    from deberta_c.training.pretraining import pretrain

    check_new_model(options.out, options.overwrite or options.resume)
    for path in options.files:
        _require("FILE", path)
    detects = options.objective == "replaced-tokens"
    result = pretrain(
        options.files,
        _model(options, detects),
        _tokenizer(options),
        options.out,
        objective="replaced_tokens" if detects else "masked_lm",
        documents="paragraph" if options.paragraphs else "line",
        validation=options.validation or None,
        max_length=options.max_length,
        steps=options.steps,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup=options.warmup,
        weight_decay=options.weight_decay,
        enhanced_mask_decoder=None if options.decoder is None else options.decoder == "enhanced",
        seed=options.seed,
        progress=not options.quiet,
        resume=options.resume,
        optim=OPTIMIZERS[options.optimizer],
        gradient_accumulation_steps=options.accumulation,
        bf16=options.bf16,
        **teacher_options(options),
        save_steps=options.save_steps,
        save_total_limit=options.save_limit,
    )
    losses = [entry for entry in result.history if "eval_loss" in entry or "train_loss" in entry]
    for entry in losses:
        name = "eval_loss" if "eval_loss" in entry else "train_loss"
        print(f"step {entry['step']}  {name} {entry[name]:.4f}")
    print(f"wrote {str(options.out)!r}", file=sys.stderr)


def _model(options: argparse.Namespace, detects: bool) -> Any:
    """A configuration, or the model to go on with."""
    if (options.model is None) == (options.config is None):
        raise ValueError("give one of --config, for a new model, and --model, for one to go on with")
    if options.config is not None:
        if options.config.suffix == ".json" or options.config.is_file():
            _require("--config", options.config)
            return AutoConfig.from_dict(read_json(options.config))
        return AutoConfig.from_pretrained(options.config)
    opener: Any = AutoModelForPreTraining if detects else AutoModelForMaskedLM
    return opener.from_pretrained(options.model)


def _require(name: str, path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"{name} is {str(path)!r}, but there is no such file")


def _tokenizer(options: argparse.Namespace) -> Any:
    if options.vocab_size is not None:
        from deberta_c.training.vocabulary import train_tokenizer

        if options.tokenizer is not None:
            raise ValueError("--vocab-size learns a tokenizer; leave out --tokenizer")
        if options.resume and (options.out / "spm.model").is_file():
            return AutoTokenizer.from_pretrained(options.out)
        return train_tokenizer(options.files, options.vocab_size, options.out)
    if options.tokenizer is None and options.model is None:
        raise ValueError("give --tokenizer DIR, or --vocab-size N to learn one from the files")
    return AutoTokenizer.from_pretrained(options.tokenizer or options.model)
