"""Reports of a `Trainer`: metrics that are printed, or written as JSON, as scripts for transformers do it."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from deberta_c._files.atomic import new_files
from deberta_c.training.arguments import TrainingArguments


class Reports:
    """Methods of a `Trainer` with the names of transformers; `args.output_dir` is where files go."""

    args: TrainingArguments

    def is_local_process_zero(self) -> bool:
        """True: a training is one process."""
        return True

    is_world_process_zero = is_local_process_zero

    def log_metrics(self, split: str, metrics: Mapping[str, Any]) -> None:
        """Prints metrics, of "train", "eval" or another `split`, as a table sorted by their names.

        >>> Reports().log_metrics("eval", {"eval_runtime": 61.5, "eval_loss": 0.12345, "epoch": 2.0})
        ***** eval metrics *****
          epoch        =        2.0
          eval_loss    =     0.1235
          eval_runtime = 0:01:01.50
        """
        rows = {name: str(_formatted(name, metrics[name])) for name in sorted(metrics)}
        left, right = (max(map(len, part), default=0) for part in (rows, rows.values()))
        print(f"***** {split} metrics *****")
        for name, value in rows.items():
            print(f"  {name:<{left}} = {value:>{right}}")

    def save_metrics(self, split: str, metrics: Mapping[str, Any], combined: bool = True) -> None:
        """Writes metrics into SPLIT_results.json and, with `combined`, adds them to all_results.json.

        Errors: OSError when they cannot be written.
        """
        with new_files(self._output()) as place:
            _write(place(f"{split}_results.json"), metrics)
            if combined:
                before = self._output() / "all_results.json"
                every = json.loads(before.read_text(encoding="utf-8")) if before.is_file() else {}
                _write(place(before.name), {**every, **metrics})

    def _output(self) -> Path:
        return Path(str(self.args.output_dir))


def _formatted(name: str, value: Any) -> Any:
    if name.endswith("_runtime"):
        whole, _, part = str(timedelta(seconds=value)).partition(".")
        return f"{whole}.{part[:2] or '00'}"
    if name == "total_flos":
        return f"{int(value) >> 30}GF"
    return round(value, 4) if isinstance(value, float) else value


def _write(path: Path, metrics: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(dict(metrics), indent=4, sort_keys=True) + "\n", encoding="utf-8")
