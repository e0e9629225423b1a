"""Moments, answers and delays on states whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emostress_ros.affect import EMOTIONS, NANOSECONDS, Affect, StressLevel
from emostress_ros.evaluation.evaluate.dynamics import changes_per_minute, onsets
from emostress_ros.evaluation.evaluate.figures import Items, all_figures
from emostress_ros.evaluation.evaluate.items import answers, moments
from emostress_ros.evaluation.evaluate.labels import Label
from emostress_ros.evaluation.evaluate.states import StatesBuilder

ZERO = 10**18


def affect(stress: float, emotion: str = "neutral", person: str = "anna") -> Affect:
    probabilities = np.full(7, 0.05, np.float32)
    probabilities[EMOTIONS.index(emotion)] = 0.7
    level = StressLevel.HIGH if stress >= 0.5 else StressLevel.LOW
    return Affect(0, person, emotion, EMOTIONS, probabilities, 0.1, -0.1, stress, level, 0.7,
                  max(stress, 1 - stress), ())  # fmt: skip


def states(rows):
    """States of (second, stress, emotion, person)."""
    builder = StatesBuilder(("face",))
    for second, *what in rows:
        at_ns = ZERO + round(second * NANOSECONDS)
        builder.add(at_ns, affect(*what)._replace(stamp_ns=at_ns - 50_000_000))
    return builder.build()


def test_a_moment_is_answered_by_the_newest_state_that_was_out_and_is_not_old():
    made = states([(0.95, 0.2), (1.05, 0.9), (4.0, 0.4)])
    asked = moments([Label("b", "anna", 0, 6, stress=1.0)], ZERO, ZERO + 6 * NANOSECONDS,
                    every_s=1.0, settle_s=0.0)  # fmt: skip
    known = answers(made, asked)
    assert (asked.at_ns - ZERO).tolist() == [n * NANOSECONDS for n in range(1, 7)]
    expected = [0.2, 0.9, math.nan, 0.4, 0.4, math.nan]
    np.testing.assert_allclose(known.values["stress"], expected, rtol=1e-6)
    assert known.emotion.tolist() == [0, 0, -1, 0, 0, -1]


def test_what_is_unsettled_resting_or_beyond_the_bag_is_not_scored():
    labels = [Label("b", "anna", 0, 10, stress=0.0), Label("b", "anna", 10, 99, stress=1.0)]
    rest = {"anna": (ZERO + 8 * NANOSECONDS, ZERO + 9 * NANOSECONDS)}
    asked = moments(labels, ZERO, ZERO + 20 * NANOSECONDS, every_s=1.0, settle_s=5.0, unscored=rest)
    seconds = ((asked.at_ns - ZERO) / NANOSECONDS).tolist()
    assert seconds == [6, 7, 9, 10, 16, 17, 18, 19, 20]
    assert asked.truth["stress"].tolist() == [0] * 4 + [1] * 5


def test_a_label_finds_its_person():
    one_after_the_other = states([(1, 0.1, "sad", "person_1"), (2, 0.2, "sad", "face_1")])
    assert len(one_after_the_other.labelled("")) == len(one_after_the_other.labelled("anna")) == 2
    two = states([(1, 0.1, "sad", "a"), (2, 0.2, "sad", "b"), (3, 0.1, "sad", "a")])
    assert two.labelled("b").values["stress"].tolist() == pytest.approx([0.2])
    assert len(two.labelled("")) == 2 and len(two.labelled("c")) == 0


def test_onset_is_the_first_time_that_holds():
    rows = [(n / 10, 0.9 if n == 120 or 150 <= n < 250 else 0.1) for n in range(400)]
    labels = [Label("b", "anna", 0, 10, stress=0.0), Label("b", "anna", 10, 25, stress=1.0),
              Label("b", "anna", 25, 40, stress=0.0)]  # fmt: skip
    found = {entry["kind"]: entry for entry in onsets(states(rows), labels, ZERO)}
    assert found["stress"]["delay_s"] == pytest.approx(5.0)
    assert found["recovery"]["delay_s"] == pytest.approx(0.0)
    assert not found["stress"]["early"] and not found["recovery"]["early"]
    never = [(n / 10, 0.1) for n in range(400)]
    missed = onsets(states(never), labels, ZERO)
    assert [(x["kind"], x["delay_s"]) for x in missed] == [("stress", None), ("recovery", 0.0)]
    assert missed[1]["early"]


def test_labels_of_emotion_alone_have_onsets_of_emotion_alone():
    rows = [(n / 10, 0.1, "happy" if n < 120 else "sad") for n in range(300)]
    labels = [Label("b", "anna", 0, 10, emotion="happy"), Label("b", "anna", 10, 30, emotion="sad")]
    found = onsets(states(rows), labels, ZERO)
    assert [(x["kind"], x["delay_s"]) for x in found] == [("emotion", 0.0), ("emotion", 2.0)]


def test_changes_are_counted_per_person_and_not_over_an_absence():
    rows = [(n, 0.1, "sad" if n % 2 else "happy", "a") for n in range(61)]
    rows += [(n, 0.9, "sad", "b") for n in range(31)] + [(900, 0.1, "happy", "b")]
    found = changes_per_minute(states(sorted(rows)))
    assert found == {"minutes": 1.5, "emotion_changes": 60, "stress_level_changes": 0}


def test_figures_agree_with_a_count_by_hand():
    rows = [(n / 10, 0.8 if n > 50 else 0.3, "happy" if n > 50 else "sad") for n in range(101)]
    labels = [Label("b", "anna", 0, 5, emotion="sad", stress=0.0, valence=0.1),
              Label("b", "anna", 5, 10, emotion="angry", stress=1.0, valence=0.1)]  # fmt: skip
    asked = moments(labels, ZERO, ZERO + 10 * NANOSECONDS, every_s=1.0, settle_s=0.0)
    items = Items(asked, answers(states(rows), asked), asked.person)
    figures = all_figures(items, curves=True)
    assert figures["stress"]["accuracy"] == figures["stress"]["auroc"] == 1.0
    assert figures["stress"]["ece"] == pytest.approx(0.25, abs=1e-6)
    assert figures["emotion"]["accuracy"] == 0.5 and figures["emotion"]["uar"] == 0.5
    assert figures["emotion"]["risk_coverage"][-1]["risk"] == pytest.approx(0.5)
    assert figures["valence"]["rmse"] == pytest.approx(0.0, abs=1e-6)
    assert "arousal" not in figures
    assert figures["stress"]["coverage"] == 1.0


def test_where_nothing_was_known_the_figures_say_so():
    asked = moments([Label("b", "anna", 0, 5, stress=1.0)], ZERO, ZERO + 5 * NANOSECONDS,
                    every_s=1.0, settle_s=0.0)  # fmt: skip
    items = Items(asked, answers(states([]), asked), asked.person)
    assert all_figures(items) == {"stress": {"labelled": 5, "answered": 0.0, "coverage": 0.0}}
