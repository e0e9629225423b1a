"""The result of scoring one labelled set: a frozen ``Score`` and how it is made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emostress_ros.errors import MetricsError
from emostress_ros.metrics._arrays import FloatArray, IntArray, check_indices, check_probabilities
from emostress_ros.metrics.bootstrap import bootstrap_confusion_intervals
from emostress_ros.metrics.figures import (
    accuracy,
    confusion_matrix,
    expected_calibration_error,
    f1_per_class,
    macro_f1,
    recall_per_class,
    uar,
    weighted_f1,
)

if TYPE_CHECKING:
    from rich.console import Group


@dataclass(frozen=True)
class Predictions:
    """The items behind a score; they never leave the process with it.

    Attributes:
        truth: (N,) class indices.
        probabilities: (N, K) rows that sum to 1.
        persons: (N,) whom each item comes from, or ``None``.
    """

    truth: IntArray
    probabilities: FloatArray
    persons: NDArray[Any] | None


@dataclass(frozen=True)
class Score:
    """What a model reaches on one labelled set.

    Attributes:
        n: number of items scored.
        accuracy: share of right answers, [0, 1].
        uar: unweighted average recall, [0, 1].
        balanced_accuracy: the same figure under its other name.
        macro_f1: mean F1 over classes, [0, 1].
        weighted_f1: F1 weighted by class size, [0, 1].
        f1: F1 of the positive class of a binary set, else ``None``.
        ece: expected calibration error, [0, 1].
        labels: K class names.
        confusion: (K, K) counts, one row per true class.
        extra: what a set adds: ``ci95``, ``persons``, ``skipped``, ``split``, ``note``, ...
        predictions: the items, for reliability diagrams; ``None`` where they are not at hand.
    """

    n: int
    accuracy: float
    uar: float
    balanced_accuracy: float
    macro_f1: float
    weighted_f1: float
    f1: float | None
    ece: float
    labels: tuple[str, ...]
    confusion: IntArray
    extra: Mapping[str, Any] = field(default_factory=dict)
    predictions: Predictions | None = field(default=None, repr=False, compare=False)

    def with_extra(self, **extra: Any) -> Score:
        """Return a copy with entries added to ``extra``."""
        return replace(self, extra={**self.extra, **extra})

    def to_json_dict(self) -> dict[str, Any]:
        """Return plain JSON values under the documented keys; ``extra`` follows them."""
        figures = {name: getattr(self, name) for name in _JSON_FIGURES}
        figures |= {"labels": list(self.labels), "confusion": self.confusion.tolist()}
        added = {str(k): v for k, v in self.extra.items() if k not in figures}
        return {name: _plain(value) for name, value in {**figures, **added}.items()}

    def render(self) -> Group:
        """Return a rich renderable: the figures, then the confusion matrix with recalls."""
        from rich.console import Group
        from rich.table import Table

        figures = Table(title="score", show_header=False)
        for name in _JSON_FIGURES:
            value = getattr(self, name)
            if value is not None:
                figures.add_row(name, _shown(value), _interval(self.extra.get("ci95"), name))
        for name, value in self.extra.items():
            if name != "ci95":
                figures.add_row(str(name), _shown(value), "")
        matrix = Table(title="confusion (row: truth, column: answer)")
        for heading in ("", *self.labels, "recall"):
            matrix.add_column(heading, justify="right")
        recalls = recall_per_class(self.confusion)
        for label, row, recall in zip(self.labels, self.confusion, recalls, strict=True):
            matrix.add_row(label, *(str(int(count)) for count in row), f"{recall:.3f}")
        return Group(figures, matrix)


_JSON_FIGURES = (
    "n", "accuracy", "uar", "balanced_accuracy", "macro_f1", "weighted_f1", "f1", "ece",
)  # fmt: skip


def score_predictions(
    labels: Sequence[str],
    y_true: ArrayLike,
    probabilities: ArrayLike,
    persons: Sequence[Any] | NDArray[Any] | None = None,
    *,
    extra: Mapping[str, Any] | None = None,
) -> Score:
    """Score calibrated probabilities against single labels.

    Args:
        labels: K class names; of a binary set, the second is the positive class.
        y_true: (N,) class indices.
        probabilities: (N, K) rows that sum to 1.
        persons: (N,) whom each item comes from; adds ``persons`` and ``ci95`` to ``extra``.
        extra: more entries for ``Score.extra``.

    Raises:
        MetricsError: no item, or shapes, indices or probabilities that do not fit.
    """
    rows = check_probabilities(probabilities)
    if rows.shape[1] != len(labels):
        raise MetricsError(f"{len(labels)} labels but probabilities of {rows.shape[1]} classes")
    prediction = rows.argmax(axis=1)
    confusion = confusion_matrix(y_true, prediction, len(labels))
    added: dict[str, Any] = dict(extra or {})
    if persons is not None:
        if len(persons) != len(rows):
            raise MetricsError(f"{len(rows)} items but persons names {len(persons)}")
        added["persons"] = len(set(np.asarray(persons).tolist()))
        added["ci95"] = bootstrap_confusion_intervals(y_true, prediction, persons, len(labels))
    ece = expected_calibration_error(y_true, rows)
    items = Predictions(
        check_indices(y_true, len(labels), "y_true"),
        rows,
        None if persons is None else np.asarray(persons),
    )
    scored = score_from_confusion(labels, confusion, ece, extra=added)
    return replace(scored, predictions=items)


def score_from_confusion(
    labels: Sequence[str],
    confusion: IntArray,
    ece: float,
    *,
    extra: Mapping[str, Any] | None = None,
) -> Score:
    """Derive every figure of a ``Score`` from a confusion matrix and a calibration error."""
    balanced = uar(confusion)
    return Score(
        n=int(confusion.sum()),
        accuracy=accuracy(confusion),
        uar=balanced,
        balanced_accuracy=balanced,
        macro_f1=macro_f1(confusion),
        weighted_f1=weighted_f1(confusion),
        f1=float(np.nan_to_num(f1_per_class(confusion)[1])) if len(labels) == 2 else None,
        ece=ece,
        labels=tuple(labels),
        confusion=confusion,
        extra=dict(extra or {}),
    )


def _plain(value: Any) -> Any:
    """Turn numpy values and tuples into JSON values; NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _shown(value: Any) -> str:
    """One cell of the table."""
    return f"{value:.4f}" if isinstance(value, (float, np.floating)) else str(value)


def _interval(intervals: Any, name: str) -> str:
    """The 95 % interval of a figure as a cell, empty where there is none."""
    if not isinstance(intervals, Mapping) or name not in intervals:
        return ""
    low, high = intervals[name]
    return f"95 % [{low:.3f}, {high:.3f}]"
