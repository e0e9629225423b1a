"""Answers to figures: every strategy under every condition, and what the issue of trust demands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros import metrics
from emostress_ros.affect import EMOTIONS, MODALITIES
from emostress_ros.training.fusion.evaluate import ALONE, EVERYTHING, Answers, name_of
from emostress_ros.training.fusion.pairs import SUBSETS

STRESS_LABELS = ("calm", "stressed")
Figures = dict[str, Any]
_SPEAK = {"emotion": ("face", "voice", "text"), "stress": ("physiology", "text")}


def figures_of(answers: Answers, question: str) -> Figures:
    """Return strategy to condition to figures, over all folds.

    Args:
        answers: of all folds.
        question: ``emotion`` or ``stress``.
    """
    truth, person = np.concatenate(answers.truth), np.concatenate(answers.person)
    table: Figures = {}
    for strategy, condition in answers.said:
        rows = answers.of(strategy, condition)
        table.setdefault(strategy, {})[condition] = _figures(question, truth, rows, person)
    return table


def _figures(
    question: str,
    truth: npt.NDArray[np.int64],
    rows: npt.NDArray[np.floating],
    person: npt.NDArray[np.str_],
) -> Figures:
    labels = EMOTIONS if question == "emotion" else STRESS_LABELS
    score = metrics.score_predictions(labels, truth, rows, person)
    found: Figures = {
        "n": score.n,
        "persons": score.extra["persons"],
        "uar": score.uar,
        "accuracy": score.accuracy,
        "ece": score.ece,
        "ci95": {name: list(score.extra["ci95"][name]) for name in ("uar", "accuracy")},
    }
    if question == "stress":
        found["auroc"] = metrics.auroc(truth, rows[:, 1])
    return found


def checks(answers: Answers, question: str, strategy: str) -> list[Figures]:
    """Return what must hold of a strategy, with the paired interval of each difference.

    Three kinds: everything against the best single modality, every subset against its best
    member, and noise in place of a modality against the subset without it.  The best is the best
    of what the encoder says alone and what the strategy makes of it alone.
    """
    speak = _SPEAK[question]
    table = [("gain", name_of(EVERYTHING), _best(answers, question, strategy, MODALITIES))]
    for subset in SUBSETS:
        members = [m for m in subset if m in speak]
        if members and name_of(subset) != name_of(EVERYTHING):
            best = _best(answers, question, strategy, members, single=len(subset) > 1)
            table.append(("subset", name_of(subset), best))
    for modality in MODALITIES:
        without = (strategy, name_of([m for m in MODALITIES if m != modality]))
        table += [("noise", f"{modality} {kind}noise", without) for kind in ("", "forged ")]
    return [
        {"kind": kind, "condition": condition, "against": " ".join(other).strip(),
         **difference(answers, question, (strategy, condition), other)}
        for kind, condition, other in table
    ]  # fmt: skip


def _best(
    answers: Answers, question: str, strategy: str, members: tuple[str, ...] | list[str],
    single: bool = True,
) -> tuple[str, str]:  # fmt: skip
    """Return (strategy, modality) of the best member; a single one meets its encoder alone."""
    candidates = [(ALONE, m) for m in members if (ALONE, m) in answers.said]
    if single:
        candidates += [(strategy, m) for m in members if (strategy, m) in answers.said]
    truth = np.concatenate(answers.truth)
    return max(candidates, key=lambda key: _uar(answers, question, key, truth))


def _uar(
    answers: Answers, question: str, key: tuple[str, str], truth: npt.NDArray[np.int64]
) -> float:
    classes = len(EMOTIONS) if question == "emotion" else 2
    return metrics.uar(metrics.confusion_matrix(truth, answers.of(*key).argmax(1), classes))


def difference(
    answers: Answers, question: str, one: tuple[str, str], other: tuple[str, str]
) -> Figures:
    """Return how much more UAR one (strategy, condition) has than another, paired over persons."""
    truth, person = np.concatenate(answers.truth), np.concatenate(answers.person)
    classes = len(EMOTIONS) if question == "emotion" else 2
    said = [answers.of(*key).argmax(axis=1) for key in (one, other)]

    def gap(index: npt.NDArray[np.integer]) -> float:
        both = [
            metrics.uar(metrics.confusion_matrix(truth[index], rows[index], classes))
            for rows in said
        ]
        return both[0] - both[1]

    low, high = metrics.bootstrap_interval(gap, person, repetitions=300)
    return {"difference": gap(np.arange(len(truth))), "ci95": [low, high]}


def lines(question: str, table: Mapping[str, Figures]) -> list[str]:
    """Return the 15 subsets under all strategies as rows of a Markdown table."""
    strategies = [name for name in table if name != ALONE]
    head = ["what is there", ALONE, *strategies]
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for subset in SUBSETS:
        name = name_of(subset)
        cells = [table.get(s, {}).get(name) for s in (ALONE, *strategies)]
        if any(cells):
            rows.append("| " + " | ".join([name, *(_cell(question, c) for c in cells)]) + " |")
    return rows


def _cell(question: str, figures: Figures | None) -> str:
    if not figures:
        return ""
    low, high = figures["ci95"]["uar"]
    more = f", AUROC {100 * figures['auroc']:.1f}" if question == "stress" else ""
    return f"{100 * figures['uar']:.1f} [{100 * low:.1f}, {100 * high:.1f}]{more}"


def check_lines(found: list[Figures]) -> list[str]:
    """Return the checks as rows of a Markdown table."""
    rows = [
        "| what | condition | against | difference in points of UAR | holds |",
        "|---|---|---|---|---|",
    ]
    for item in found:
        low, high = item["ci95"]
        rows.append(
            f"| {item['kind']} | {item['condition']} | {item['against']} | "
            f"{100 * item['difference']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}] | "
            f"{'yes' if holds(item) else '**no**'} |"
        )
    return rows


def holds(item: Figures) -> bool:
    """Return whether a check holds.

    A gain must be 5 points, a subset at least as good as its best member within the interval, and
    noise at most 2 points under the subset without the modality.
    """
    if item["kind"] == "gain":
        return bool(item["difference"] >= 0.05)
    if item["kind"] == "subset":
        return bool(item["ci95"][1] >= 0.0)
    return bool(item["difference"] >= -0.02)
