"""Calibration: what it mends, what it leaves alone, and that nobody calibrates himself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.errors import MetricsError
from emostress_ros.metrics import expected_calibration_error, score_predictions
from emostress_ros.training.calibrate import (
    Isotonic,
    cross_fitted,
    fit_platt,
    fit_temperature,
    harden,
    isotonic_calibrator,
    log_loss,
    soften,
    temperature_calibrator,
    threshold_of,
    unknown_threshold,
)


@pytest.fixture
def honest() -> tuple[np.ndarray, np.ndarray]:
    """Classes drawn from the probabilities themselves: (2000,), (2000, 3)."""
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(3), 2000)
    truth = (rows.cumsum(1) < rng.random((2000, 1))).sum(1)
    return truth.astype(np.int64), rows


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_temperature_is_found_again(
    honest: tuple[np.ndarray, np.ndarray], temperature: float
) -> None:
    truth, rows = honest
    assert fit_temperature(truth, harden(rows, temperature)) == pytest.approx(temperature, rel=0.1)


def test_two_classes_are_also_shifted() -> None:
    rng = np.random.default_rng(2)
    stress = rng.beta(1.0, 1.0, 4000)
    rows = np.stack([1.0 - stress, stress], axis=1)
    truth = (rng.random(4000) < stress).astype(np.int64)
    temperature, shift = fit_platt(truth, harden(rows, 2.0, -0.7))
    assert temperature == pytest.approx(2.0, rel=0.15)
    assert shift == pytest.approx(-0.7, abs=0.15)
    mended = cross_fitted(temperature_calibrator, truth, harden(rows, 2.0, -0.7), None)
    assert expected_calibration_error(truth, mended) < 0.03


def test_label_distributions_count_by_their_mass(honest: tuple[np.ndarray, np.ndarray]) -> None:
    truth, rows = honest
    sure, hot = harden(rows, 2.0), np.eye(3)[truth]
    assert log_loss(hot, sure) == pytest.approx(log_loss(truth, sure))
    unlabelled = np.concatenate([hot, np.zeros((500, 3))]), np.concatenate([sure, sure[:500]])
    assert fit_temperature(*unlabelled) == pytest.approx(fit_temperature(truth, sure))
    # Raters who disagree as the model doubts leave nothing to mend.
    assert fit_temperature(rows, rows) == pytest.approx(1.0, abs=0.01)


@given(
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=9),
    st.floats(0.3, 3.0),
    st.floats(-2.0, 2.0),
)
def test_hardening_undoes_softening(stress: list, temperature: float, shift: float) -> None:
    rows = np.stack([1.0 - np.array(stress), np.array(stress)], axis=1)
    back = harden(soften(rows, temperature, shift), temperature, shift)
    np.testing.assert_allclose(back, rows, atol=1e-6)


@pytest.mark.parametrize("fit", [temperature_calibrator, isotonic_calibrator])
def test_both_mend_what_is_too_sure(honest: tuple[np.ndarray, np.ndarray], fit: object) -> None:
    truth, rows = honest
    sure = harden(rows, 2.5)
    persons = np.arange(len(truth)) % 40
    mended = cross_fitted(fit, truth, sure, persons)  # type: ignore[arg-type]
    np.testing.assert_allclose(mended.sum(1), 1.0)
    before, after = (expected_calibration_error(truth, p) for p in (sure, mended))
    assert after < before / 2
    assert log_loss(truth, mended) < log_loss(truth, sure)


def test_nobody_calibrates_himself(honest: tuple[np.ndarray, np.ndarray]) -> None:
    truth, rows = honest
    persons = np.arange(len(truth)) % 2
    seen: list[int] = []

    def fit(some: np.ndarray, probabilities: np.ndarray) -> object:
        seen.append(len(some))
        own = {tuple(row) for row in probabilities}
        return lambda others: others if not own & {tuple(r) for r in others} else others * np.nan

    result = cross_fitted(fit, truth, rows, persons)  # type: ignore[arg-type]
    assert seen == [1000, 1000]
    np.testing.assert_array_equal(result, rows)
    with pytest.raises(MetricsError, match="two persons"):
        cross_fitted(temperature_calibrator, truth, rows, np.zeros(len(truth)))


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=30))
def test_isotonic_never_falls_and_keeps_the_mean(items: list) -> None:
    score, hit = (np.array(column) for column in zip(*items, strict=True))
    found = Isotonic.fit(score.astype(float), hit.astype(bool))
    assert (np.diff(found.share) > 0).all()
    assert (np.diff(found(np.linspace(0, 1, 50))) >= -1e-12).all()
    assert 0.0 <= found.share.min() <= hit.mean() <= found.share.max() <= 1.0


def test_unknown_begins_where_answers_are_little_better_than_chance() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.15, 1.0, 4000)
    right = rng.random(4000) < confidence
    assert unknown_threshold(confidence, right, 7) == pytest.approx(0.4, abs=0.08)
    assert unknown_threshold(confidence, right, 7, least=0.65) == pytest.approx(0.7, abs=0.08)
    assert unknown_threshold(confidence, np.ones(4000, bool), 7) == 0.0
    assert unknown_threshold(confidence[:5], right[:5], 7) == 0.0


def test_a_cards_threshold_is_that_of_all_its_sets_together() -> None:
    rng = np.random.default_rng(3)
    stress = rng.uniform(0.0, 1.0, 3000)
    truth = (rng.random(3000) < stress).astype(np.int64)
    rows = np.stack([1.0 - stress, stress], axis=1)
    parts = [score_predictions(("calm", "stressed"), truth[i], rows[i])
             for i in (slice(0, 700), slice(700, 3000))]  # fmt: skip
    right = rows.argmax(1) == truth
    assert threshold_of(parts) == unknown_threshold(rows.max(1), right, 2)
    assert threshold_of(parts) == pytest.approx(0.65, abs=0.06)
