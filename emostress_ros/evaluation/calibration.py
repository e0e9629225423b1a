"""How honest a model's confidences are on people it never saw, and what recalibrating would bring.

Everything is measured on the predictions behind the figures of the model's card. *Temperature* and
*isotonic* are fitted anew on other people than those they are judged on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros import metrics
from emostress_ros.files import whole_file
from emostress_ros.inference.card import ModelCard
from emostress_ros.metrics import Predictions
from emostress_ros.training.calibrate import (
    cross_fitted,
    harden,
    isotonic_calibrator,
    log_loss,
    temperature_calibrator,
    unknown_threshold,
)

FloatArray = npt.NDArray[np.float64]
PUBLISHED = "as published"
"""Mark of a set that is judged by the answer that the graph publishes, not by the set's own."""
RAW, SHIPPED, TEMPERATURE, ISOTONIC = "raw", "shipped", "temperature", "isotonic"


_EMOTION = "emotion"


@dataclass(frozen=True)
class Honesty:
    """Calibration of one model on one set.

    Attributes:
        model: name.
        dataset: what the card calls it.
        split: what the card calls it.
        n: items.
        persons: people (or clusters), or ``None`` where they are not known.
        classes: K.
        ece: way of calibrating to expected calibration error; ``raw`` only where the card says
            what to undo.
        loss: likewise the log-loss, in nats.
        accuracy: likewise the accuracy.
        bins: reliability diagram of what is shipped; ``raw_bins`` without calibration.
        curve: risk over coverage of what is shipped.
        threshold: the card's ``threshold_unknown``.
        coverage: share of items that are answered at the threshold.
        risk: share of those answers that are wrong.
        rule: the threshold that the rule gives on this set.
    """

    model: str
    dataset: str
    split: str
    n: int
    persons: int | None
    classes: int
    ece: Mapping[str, float]
    loss: Mapping[str, float]
    accuracy: Mapping[str, float]
    bins: metrics.ReliabilityBins
    raw_bins: metrics.ReliabilityBins | None
    curve: metrics.RiskCoverage
    threshold: float
    coverage: float
    risk: float
    rule: float


def honesty(card: ModelCard, dataset: str, split: str, items: Predictions) -> Honesty:
    """Measure the calibration of a card's model.

    Args:
        card: says what calibration to undo, and the threshold of *unknown*.
        dataset: name on the card.
        split: name on the card.
        items: held-out predictions.
    """
    rows = _ways(card, dataset, items)
    shipped = rows[SHIPPED]
    confidence, right = shipped.max(axis=1), shipped.argmax(axis=1) == items.truth
    curve = metrics.risk_coverage(np.minimum(confidence, 1.0), right)
    coverage, risk = curve.at(card.threshold_unknown)
    return Honesty(
        model=card.name,
        dataset=dataset,
        split=split,
        n=len(items.truth),
        persons=None if items.persons is None else len(np.unique(items.persons)),
        classes=shipped.shape[1],
        ece={k: metrics.expected_calibration_error(items.truth, v) for k, v in rows.items()},
        loss={k: log_loss(items.truth, v) for k, v in rows.items()},
        accuracy={k: float(np.mean(v.argmax(axis=1) == items.truth)) for k, v in rows.items()},
        bins=_bins(shipped, items),
        raw_bins=_bins(rows[RAW], items) if RAW in rows else None,
        curve=curve,
        threshold=card.threshold_unknown,
        coverage=coverage,
        risk=risk,
        rule=unknown_threshold(confidence, right, shipped.shape[1]),
    )


def _ways(card: ModelCard, dataset: str, items: Predictions) -> dict[str, FloatArray]:
    """The probabilities as shipped, without calibration, and calibrated anew by other people."""
    shipped = np.asarray(items.probabilities, np.float64)
    shipped = shipped / shipped.sum(axis=1, keepdims=True)
    rows = {SHIPPED: shipped}
    undone = calibration_of(card, dataset)
    if undone is not None:
        rows[RAW] = harden(shipped, *undone)
    start = rows.get(RAW, shipped)
    for name, fit in ((TEMPERATURE, temperature_calibrator), (ISOTONIC, isotonic_calibrator)):
        rows[name] = cross_fitted(fit, items.truth, start, items.persons)
    return rows


def calibration_of(card: ModelCard, dataset: str) -> tuple[float, float] | None:
    """Return (temperature, shift) that a card says its model was calibrated with on a set.

    ``temperature_<dataset>`` counts before ``temperature``, ``temperature_general`` is that of
    what is published, ``temperature_emotion`` that of a fusion's emotion, of whatever it is made;
    ``platt_stress`` is (slope, shift).
    ``None`` where the card names none.
    """
    known: Mapping[str, Any] = card.raw.get("calibration") or {}
    name = dataset.split(",")[0].split()[0].lower()
    if name == "dreaddit" and "platt_stress" in known:
        slope, shift = known["platt_stress"]
        return 1.0 / float(slope), float(shift)
    own = "temperature_general" if PUBLISHED in dataset else f"temperature_{name}"
    if f": {_EMOTION} from" in dataset:
        own = f"temperature_{_EMOTION}"
    for key in (own, "temperature"):
        if key in known:
            return float(known[key]), float(known.get("shift", 0.0))
    return None


def _bins(rows: FloatArray, items: Predictions) -> metrics.ReliabilityBins:
    right = rows.argmax(axis=1) == items.truth
    return metrics.reliability_bins(np.minimum(rows.max(axis=1), 1.0), right)


def save_predictions(items: Predictions, path: Path) -> None:
    """Keep predictions, so that the pictures can be drawn again without a training."""
    persons = [] if items.persons is None else [str(person) for person in items.persons]
    with whole_file(path) as draft:
        np.savez_compressed(
            draft, truth=items.truth, probabilities=items.probabilities,
            persons=np.frombuffer(json.dumps(persons).encode(), np.uint8),
        )  # fmt: skip


def load_predictions(path: Path) -> Predictions:
    """Read what :func:`save_predictions` wrote."""
    with np.load(path) as stored:
        persons: Sequence[str] = json.loads(stored["persons"].tobytes())
        return Predictions(
            stored["truth"], stored["probabilities"], np.asarray(persons) if persons else None
        )
