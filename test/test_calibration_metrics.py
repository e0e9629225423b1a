"""Reliability bins and risk–coverage curves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros import metrics
from emostress_ros.errors import MetricsError

ITEMS = st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=40)


@given(ITEMS)
def test_bins_hold_every_item_and_their_gap_is_the_ece(items: list) -> None:
    confidence, correct = (np.array(column, float) for column in zip(*items, strict=True))
    found = metrics.reliability_bins(confidence, correct)
    assert found.count.sum() == len(items)
    gap = np.nansum(np.abs(found.accuracy - found.confidence) * found.count) / len(items)
    assert gap == pytest.approx(metrics.calibration_gap(confidence, correct))


@given(ITEMS)
def test_full_coverage_has_the_plain_error_and_thresholds_agree(items: list) -> None:
    confidence, correct = (np.array(column, float) for column in zip(*items, strict=True))
    curve = metrics.risk_coverage(confidence, correct)
    assert curve.coverage[-1] == 1.0
    assert curve.risk[-1] == pytest.approx(1.0 - correct.mean())
    for threshold in confidence:
        given_answers = confidence >= threshold
        coverage, risk = curve.at(float(threshold))
        assert coverage == pytest.approx(given_answers.mean())
        assert risk == pytest.approx(1.0 - correct[given_answers].mean())


def test_a_confidence_that_ranks_well_has_the_smaller_area() -> None:
    correct = np.array([1, 1, 1, 0, 0])
    good = metrics.risk_coverage([0.9, 0.8, 0.7, 0.6, 0.5], correct)
    bad = metrics.risk_coverage([0.5, 0.6, 0.7, 0.8, 0.9], correct)
    assert good.area < bad.area
    coverage, risk = good.at(0.95)
    assert coverage == 0.0
    assert np.isnan(risk)


@pytest.mark.parametrize(
    ("confidence", "correct"), [([], []), ([0.5], [1, 0]), ([1.5], [1]), ([float("nan")], [1])]
)
def test_what_is_no_confidence_is_refused(confidence: list, correct: list) -> None:
    with pytest.raises(MetricsError):
        metrics.risk_coverage(confidence, correct)


def test_a_score_keeps_its_items_out_of_its_json() -> None:
    score = metrics.score_predictions(("a", "b"), [0, 1], [[0.7, 0.3], [0.2, 0.8]], ["x", "y"])
    assert score.predictions is not None
    assert score.predictions.persons is not None
    assert score.predictions.persons.tolist() == ["x", "y"]
    assert "predictions" not in score.to_json_dict()
    assert score.with_extra(split="dev").predictions is score.predictions
