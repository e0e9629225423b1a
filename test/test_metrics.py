"""The figures against their definitions, by hand and by property."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros import metrics
from emostress_ros.errors import MetricsError

KEYS = {
    "n", "accuracy", "uar", "balanced_accuracy", "macro_f1", "weighted_f1", "f1", "ece", "labels",
    "confusion",
}  # fmt: skip


def _one_hot(predictions: list[int], n_classes: int) -> np.ndarray:
    return np.eye(n_classes)[predictions]


@pytest.fixture
def by_hand() -> metrics.Score:
    """Truth 0 0 0 1 1 2, answers 0 0 1 1 1 0."""
    return metrics.score_predictions(
        ["a", "b", "c"], [0, 0, 0, 1, 1, 2], _one_hot([0, 0, 1, 1, 1, 0], 3), list("ppqqrr")
    )


def test_figures_of_a_small_set_worked_by_hand(by_hand: metrics.Score) -> None:
    assert by_hand.confusion.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert by_hand.accuracy == pytest.approx(4 / 6)
    assert by_hand.uar == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert by_hand.macro_f1 == pytest.approx((2 / 3 + 0.8 + 0) / 3)
    assert by_hand.weighted_f1 == pytest.approx((3 * 2 / 3 + 2 * 0.8) / 6)
    assert by_hand.f1 is None
    assert by_hand.ece == pytest.approx(2 / 6)
    assert by_hand.extra["persons"] == 3


def test_json_holds_the_documented_keys_and_no_nan(by_hand: metrics.Score) -> None:
    score = by_hand.with_extra(split="dev", hole=math.nan, n="never overwrites")
    read = json.loads(json.dumps(score.to_json_dict(), allow_nan=False))
    assert set(read) >= KEYS
    assert read["n"] == 6 and read["hole"] is None and read["split"] == "dev"


def test_a_score_renders_as_a_table(by_hand: metrics.Score) -> None:
    from rich.console import Console

    console = Console(width=100, record=True, file=io.StringIO())
    console.print(by_hand.render())
    text = console.export_text()
    assert "macro_f1" in text and "95 %" in text and "recall" in text


def test_binary_sets_report_the_f1_of_the_second_class() -> None:
    score = metrics.score_predictions(["no", "yes"], [0, 1, 1, 1], _one_hot([0, 1, 1, 0], 2))
    assert score.f1 == pytest.approx(2 * 2 / (2 * 2 + 0 + 1))


def test_a_class_absent_from_the_truth_takes_no_part_in_the_uar() -> None:
    score = metrics.score_predictions(["a", "b", "c"], [0, 0], _one_hot([0, 1], 3))
    assert score.uar == pytest.approx(0.5)
    assert score.macro_f1 == pytest.approx((2 / 3 + 0) / 2)
    assert np.isnan(metrics.recall_per_class(score.confusion)[1:]).all()


@pytest.mark.parametrize(
    ("truth", "rows", "message"),
    [
        ([], np.empty((0, 2)), "probabilities must have shape"),
        ([0], [[0.2, 0.2]], "sum to 1"),
        ([0], [[np.nan, 1.0]], "finite"),
        ([2], [[0.5, 0.5]], "0..1"),
        ([0, 1], [[0.5, 0.5]], "2 items"),
        ([0.5], [[0.5, 0.5]], "integer"),
    ],
)
def test_what_cannot_be_scored_says_why(truth: list, rows: object, message: str) -> None:
    with pytest.raises(MetricsError, match=message):
        metrics.score_predictions(["a", "b"], truth, rows)


def test_ece_is_zero_when_confidence_equals_accuracy() -> None:
    rows = np.tile([0.75, 0.25], (4, 1))
    assert metrics.expected_calibration_error([0, 0, 0, 1], rows) == pytest.approx(0.0)
    assert metrics.expected_calibration_error([1, 1, 1, 1], rows) == pytest.approx(0.75)


def test_concordance_penalises_a_shift_that_correlation_does_not_see() -> None:
    x = np.linspace(-1, 1, 50)
    assert metrics.concordance_correlation(x, x) == pytest.approx(1.0)
    assert metrics.concordance_correlation(x, -x) == pytest.approx(-1.0)
    assert 0.0 < metrics.concordance_correlation(x, x + 0.5) < 1.0
    assert math.isnan(metrics.concordance_correlation([1.0, 1.0], [1.0, 1.0]))


def test_multilabel_f1_counts_every_label_of_an_item() -> None:
    truth = [[1, 1, 0], [1, 0, 0]]
    answer = [[1, 0, 0], [1, 1, 0]]
    scores = metrics.multilabel_f1_per_class(truth, answer)
    assert scores[:2].tolist() == [1.0, 0.0] and math.isnan(scores[2])


def test_the_interval_is_wider_when_items_of_a_person_agree() -> None:
    generator = np.random.default_rng(1)
    good = np.repeat(generator.random(20) < 0.5, 30)
    rows = _one_hot(good.astype(int).tolist(), 2)
    truth = np.ones(600, dtype=int)
    clustered = metrics.score_predictions(["n", "y"], truth, rows, np.repeat(range(20), 30))
    single = metrics.score_predictions(["n", "y"], truth, rows, range(600))

    def width(score: metrics.Score) -> float:
        low, high = score.extra["ci95"]["accuracy"]
        return high - low

    assert width(clustered) > 2 * width(single)


def test_the_general_bootstrap_agrees_with_that_of_confusions() -> None:
    generator = np.random.default_rng(2)
    truth, people = generator.integers(0, 3, 300), generator.integers(0, 15, 300)
    answer = np.where(generator.random(300) < 0.6, truth, generator.integers(0, 3, 300))
    fast = metrics.bootstrap_confusion_intervals(truth, answer, people, 3)["accuracy"]
    slow = metrics.bootstrap_interval(lambda i: float((truth[i] == answer[i]).mean()), people)
    assert fast == pytest.approx(slow, abs=0.02)


def test_one_person_gives_no_interval() -> None:
    assert all(map(math.isnan, metrics.bootstrap_interval(lambda i: 1.0, ["p", "p"])))
    assert metrics.bootstrap_confusion_intervals([0, 1], [0, 1], ["p", "p"], 2) == {}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_every_figure_lies_between_0_and_1_and_ignores_order(pairs: list) -> None:
    truth, answer = (list(column) for column in zip(*pairs, strict=True))
    score = metrics.score_predictions(list("abcd"), truth, _one_hot(answer, 4))
    back = metrics.score_predictions(list("abcd"), truth[::-1], _one_hot(answer[::-1], 4))
    for name in ("accuracy", "uar", "macro_f1", "weighted_f1", "ece"):
        assert 0.0 <= getattr(score, name) <= 1.0
        assert getattr(score, name) == pytest.approx(getattr(back, name))
    assert score.confusion.sum() == score.n == len(pairs)
