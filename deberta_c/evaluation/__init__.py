"""How good a model is, with intervals, tables, pictures and comparisons; imported when it is used."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deberta_c.evaluation.assertions import assert_accuracy as assert_accuracy
    from deberta_c.evaluation.assertions import assert_logits_close as assert_logits_close
    from deberta_c.evaluation.attributions import Attribution as Attribution
    from deberta_c.evaluation.attributions import explain as explain
    from deberta_c.evaluation.attributions import plot_attention as plot_attention
    from deberta_c.evaluation.comparing import Comparison as Comparison
    from deberta_c.evaluation.comparing import compare as compare
    from deberta_c.evaluation.evaluating import Evaluation as Evaluation
    from deberta_c.evaluation.evaluating import evaluate as evaluate
    from deberta_c.evaluation.precision_check import PrecisionCheck as PrecisionCheck

_MODULES = {
    "Attribution": "attributions",
    "Comparison": "comparing",
    "Evaluation": "evaluating",
    "PrecisionCheck": "precision_check",
    "assert_accuracy": "assertions",
    "assert_logits_close": "assertions",
    "compare": "comparing",
    "evaluate": "evaluating",
    "explain": "attributions",
    "plot_attention": "attributions",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
