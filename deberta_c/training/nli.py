"""Entailment pairs out of labelled texts, to fine-tune a model for zero-shot classification."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import short
from deberta_c._columns.texts import is_missing, texts_of, values_of
from deberta_c._pipelines.zero_shot import TEMPLATE, hypothesis


def nli_pairs(
    texts: Iterable[Any],
    labels: Iterable[Any],
    hypothesis_template: str | Mapping[str, str | Sequence[str]] = TEMPLATE,
    *,
    names: Mapping[int, str] | Sequence[str] | None = None,
    negatives: float = 1.0,
    max_per_label: int | None = None,
    label_names: tuple[str, str] = ("entailment", "not_entailment"),
    seed: int = 42,
) -> dict[str, list[str]]:
    """A table of premise, hypothesis and label, out of a column of texts and one of their labels.

    Each text is paired with the hypothesis of its label, which it entails. As many texts of other labels, times
    `negatives`, are drawn without replacement for the same hypothesis, which they do not entail: with 1, a balanced
    set of two pairs a text; with infinity, every text with every hypothesis. The pairs are shuffled. This is the recipe
    of Laurer and others, "Building efficient universal classifiers with natural language inference" (2023).

    `hypothesis_template` has {} in place of the label; or it maps each label to its hypothesis, or to several, of which
    one is drawn for each pair. `labels` are str, or numbers that `names`, such as `config.id2label`, turns into str.
    `max_per_label` draws at most that many texts of a label to entail its hypothesis. `label_names` are what a pair is
    called: take those of the model that is to be fine-tuned. The same arguments give the same table.

    Returns a dict of three lists of str, which `pandas.DataFrame` takes.

    Errors: TypeError and ValueError name the row or the argument: fewer than two labels, a missing text, a template
    without {}, a label without a hypothesis or name.

    >>> table = nli_pairs(["Great!", "Awful."], ["praise", "blame"], "This is {}.")
    >>> for row in sorted(zip(*table.values(), strict=True)):
    ...     print(*row, sep=" | ")
    Awful. | This is blame. | entailment
    Awful. | This is praise. | not_entailment
    Great! | This is blame. | not_entailment
    Great! | This is praise. | entailment
    """
    premises, _ = texts_of(texts, "texts")
    named = _named(values_of(labels, "labels"), names)
    if len(named) != len(premises):
        raise ValueError(f"texts has {len(premises)} rows, but labels {len(named)}; give two of equal length")
    known = list(dict.fromkeys(named))
    if len(known) < 2:
        what = f"is {known[0]!r} in all rows" if known else "is empty"
        raise ValueError(
            f"labels {what}; give texts of two labels at least, so that there are pairs which do not agree"
        )
    _check_counts(negatives, max_per_label, label_names)
    hypotheses = _hypotheses(hypothesis_template, known)
    random = np.random.default_rng(seed)
    table: list[tuple[str, str, str]] = []
    numbers = {label: number for number, label in enumerate(known)}
    places = np.array([numbers[label] for label in named])
    for number, label in enumerate(known):
        for entails, rows in zip(label_names, _drawn(places == number, negatives, max_per_label, random), strict=True):
            choices = random.choice(hypotheses[label], len(rows)).tolist()
            table += [(premises[row], said, entails) for row, said in zip(rows, choices, strict=True)]
    order = random.permutation(len(table))
    columns = zip(*(table[row] for row in order), strict=True)
    return dict(zip(("premise", "hypothesis", "label"), map(list, columns), strict=True))


def _drawn(
    own: NDArray[np.bool_], negatives: float, most: int | None, random: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows that entail a hypothesis and those that do not, out of all rows, where `own` have its label."""
    positive, other = np.flatnonzero(own), np.flatnonzero(~own)
    if most is not None and most < len(positive):
        positive = random.choice(positive, most, replace=False)
    count = min(len(other), round(min(negatives * len(positive), len(other))))
    return positive, random.choice(other, count, replace=False)


def _named(labels: list[Any], names: Mapping[int, str] | Sequence[str] | None) -> list[str]:
    """Labels as str."""
    known = dict(names if isinstance(names, Mapping) else enumerate(names or ()))
    named = []
    for row, label in enumerate(labels):
        if is_missing(label):
            raise ValueError(f"labels[{row}] is missing ({label!r}); drop such rows")
        if isinstance(label, str):
            named.append(str.__str__(label))
        elif isinstance(label, (int, np.integer)) and int(label) in known:
            named.append(known[int(label)])
        elif isinstance(label, (int, np.integer)):
            remedy = f"names has {short(known)}" if known else "give names=config.id2label, or labels of str"
            raise ValueError(f"labels[{row}] is {label}, a number without a name; {remedy}")
        else:
            raise TypeError(
                f"labels[{row}] is {short(label)} of type {type(label).__name__}; it must be a str or an int"
            )
    return named


def _hypotheses(template: str | Mapping[str, str | Sequence[str]], labels: list[str]) -> dict[str, list[str]]:
    """What may be said of each label."""
    if isinstance(template, str):
        return {label: [hypothesis(template, label)] for label in labels}
    lacking = [label for label in labels if not template.get(label)]
    if lacking:
        raise ValueError(f"hypothesis_template has no hypothesis for {lacking[0]!r}; map each label to one or several")
    return {label: [said] if isinstance(said := template[label], str) else list(said) for label in labels}


def _check_counts(negatives: float, max_per_label: int | None, label_names: tuple[str, str]) -> None:
    if not negatives >= 0:
        raise ValueError(f"negatives is {negatives!r}; it must be a number of at least 0, such as 1")
    if max_per_label is not None and max_per_label < 1:
        raise ValueError(f"max_per_label is {max_per_label}; it must be at least 1, or None")
    if isinstance(label_names, str) or len(label_names) != 2:
        raise ValueError(f"label_names is {label_names!r}; give two, such as ('entailment', 'not_entailment')")
