# SPDX-License-Identifier: Apache-2.0
"""Masked language modelling with the enhanced mask decoder and without it: held-out losses of small models.

    python -m benchmarks.training.pretraining TEXT  # into benchmarks/results/ISA/pretraining.json
    python -m benchmarks.training.pretraining --table  # prints the committed results

TEXT is a file of plain text, a document per line; its tokens are a vocabulary of its own. For each seed both models are
trained with the same rows, steps and hyperparameters, and evaluated on the same rows with the same masks. Seeds that
are run later (--seeds 4) join those in the file, if nothing else differs.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import deberta_c
from benchmarks import common
from deberta_c.training.pretraining import pretrain
from deberta_c.training.vocabulary import train_tokenizer

KINDS = {"enhanced mask decoder": True, "without": False}
ROW = 64  # tokens


def config_of(vocabulary: int, layers: int, width: int) -> deberta_c.DebertaV2Config:
    """The network of v3, small."""
    return deberta_c.DebertaV2Config(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        intermediate_size=4 * width,
        relative_attention=True,
        position_buckets=32,
        max_position_embeddings=ROW,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        type_vocab_size=0,
    )


def run(text: Path, tokenizer: Any, settings: dict[str, Any], enhanced: bool, seed: int) -> dict[str, Any]:
    """The held-out losses of a training, with their steps, and how long it took."""
    config = config_of(len(tokenizer), settings["layers"], settings["width"])
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        result = pretrain(
            text, config, tokenizer, folder,
            enhanced_mask_decoder=enhanced, seed=seed, max_length=ROW, validation=0.02, steps=settings["steps"],
            batch_size=settings["batch"], learning_rate=settings["learning_rate"], warmup=0.1, progress=False,
            save_strategy="no", eval_strategy="steps", eval_steps=0.25,
        )  # fmt: skip
    losses = {entry["step"]: entry["eval_loss"] for entry in result.history if "eval_loss" in entry}
    return {"seed": seed, "losses": losses, "seconds": time.perf_counter() - began}


def table(results: dict[str, Any]) -> str:
    """The last held-out loss of each seed, and the mean."""
    seeds = [found["seed"] for found in results["runs"]["without"]]
    lasts = {kind: [list(found["losses"].values())[-1] for found in results["runs"][kind]] for kind in KINDS}
    rows = [
        [kind, *(f"{loss:.4f}" for loss in losses), f"{statistics.mean(losses):.4f}"] for kind, losses in lasts.items()
    ]
    pairs = [one - other for one, other in zip(*lasts.values(), strict=True)]
    rows.append(["difference", *(f"{pair:+.4f}" for pair in pairs), f"{statistics.mean(pairs):+.4f}"])
    settings = results["settings"]
    return (
        common.markdown(["held-out loss", *(f"seed {seed}" for seed in seeds), "mean"], rows)
        + f"\n\n{settings['layers']} layers of {settings['width']}, a vocabulary of {settings['vocabulary']}, "
        + f"{settings['steps']} steps of {settings['batch']} rows of {ROW} tokens, {settings['tokens']:,} tokens of "
        + f"{settings['text']}; {common.described(results['machine'], 'deberta_c', 'numpy')}"
    )


def main() -> None:
    parser = common.parser_of(__doc__)
    parser.add_argument("text", type=Path, nargs="?")
    parser.add_argument("--about", default="text", help="what the text is, for the table")
    for name, value in (("steps", 900), ("batch", 16), ("vocabulary", 4000), ("layers", 4), ("width", 128)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    if options.table:
        print(common.tables("pretraining", table))
        return
    if options.text is None:
        parser.error("give the file of text")
    deberta_c.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = train_tokenizer(options.text, options.vocabulary, folder)
        lines = options.text.read_text(encoding="utf-8").splitlines()
        tokens = sum(map(len, tokenizer(lines, add_special_tokens=False, verbose=False)["input_ids"]))
        names = ("steps", "batch", "vocabulary", "layers", "width", "learning_rate")
        settings = {name: getattr(options, name) for name in names} | {"tokens": tokens, "text": options.about}
        before = common.read("pretraining", common.isa())
        same = before.get("settings") == settings
        runs: dict[str, list[dict[str, Any]]] = before["runs"] if same else {kind: [] for kind in KINDS}
        for seed in options.seeds:
            for kind, enhanced in KINDS.items():
                runs[kind].append(run(options.text, tokenizer, settings, enhanced, seed))
                print(kind, runs[kind][-1], flush=True)
            machine = common.machine(common.isa(), cpus=common.cpus(), **common.versions("deberta_c", "numpy"))
            results = {"machine": machine, "settings": settings, "runs": runs}
            common.write("pretraining", common.isa(), results, indent=1)
    print(table(common.read("pretraining", common.isa())))


if __name__ == "__main__":
    main()
