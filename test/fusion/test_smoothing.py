"""A state that does not flap, does not lag, and never outlives its evidence."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros.affect import EMOTIONS, UNKNOWN, Affect, StressLevel
from emostress_ros.fusion import FusionConfig, load_fusion
from emostress_ros.fusion.belief import Belief
from emostress_ros.fusion.smoothing import Smoother

STEP_S = 0.2
SECOND = 1_000_000_000
PROBABILITIES = st.lists(st.floats(0.01, 1.0), min_size=7, max_size=7).map(
    lambda values: np.array(values, np.float32) / sum(values)
)


@functools.cache
def fusion():
    return load_fusion("fusion_late", lambda model, task: 0.6)


def smoother(**more: float) -> Smoother:
    return Smoother(fusion(), FusionConfig(**more).smoothing())


def said(label: str = "happy", confidence: float = 0.8, stress: float = math.nan) -> Affect:
    rows = np.full(7, (1.0 - confidence) / 6, np.float32)
    rows[EMOTIONS.index(label)] = confidence
    return affect(rows, stress)


def affect(rows: np.ndarray, stress: float = math.nan) -> Affect:
    return Affect(
        stamp_ns=0, person_id="anna", emotion=fusion().name(rows.tolist()),
        labels=EMOTIONS if len(rows) else (), probabilities=rows, valence=0.0, arousal=0.0,
        stress=stress, stress_level=fusion().level(stress), confidence=float(max(rows, default=0)),
        stress_confidence=0.0, contributions=(),
    )  # fmt: skip


def nothing() -> Affect:
    return affect(np.empty(0, np.float32))


def run(states: list[Affect], made: Smoother | None = None, start_s: float = 0.0) -> list[Affect]:
    made = made or smoother()
    return [
        made.smooth(state, round((start_s + i * STEP_S) * SECOND)) for i, state in enumerate(states)
    ]


def changes(values) -> int:
    return sum(a != b for a, b in itertools.pairwise(values))


@settings(max_examples=40, deadline=None)
@given(PROBABILITIES, st.floats(0.0, 1.0), st.floats(0.05, 5.0), st.floats(0.5, 30.0))
def test_constant_evidence_never_flaps(rows, stress, look_s, lasts_s):
    made = smoother(smoothing_s=look_s, emotion_lasts_s=lasts_s)
    states = run([affect(rows, stress)] * 150, made)
    named = [state.emotion for state in states if state.emotion != UNKNOWN]
    assert changes(named) == 0
    levels = [int(state.stress_level) for state in states]
    assert levels in (sorted(levels), sorted(levels, reverse=True))
    beliefs = np.stack([state.probabilities for state in states])
    assert (beliefs.max(axis=1) - beliefs[:, rows.argmax()] < 1e-6).all()


@settings(max_examples=40, deadline=None)
@given(
    st.permutations(EMOTIONS),
    st.floats(0.6, 0.95),
    st.floats(0.6, 0.95),
    st.integers(1, 300),
)
def test_a_step_is_followed_within_three_seconds(labels, one, other, held):
    states = run([said(labels[0], one)] * held + [said(labels[1], other)] * 16)
    assert states[held - 1].emotion == labels[0]
    assert states[-1].emotion == labels[1]


@pytest.mark.parametrize("odd", ["happy", "sad"])
def test_a_single_odd_moment_changes_nothing(odd):
    before = [said("neutral", 0.8)] * 40
    states = run([*before, said(odd, 0.8), *before])
    assert {state.emotion for state in states} == {"neutral"}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(PROBABILITIES, st.floats(0.0, 1.0), st.integers(0, 5000)), max_size=40))
def test_whatever_comes_the_state_is_a_state_and_the_same_again(items):
    def states() -> list[Affect]:
        made, stamp_ns, found = smoother(), 0, []
        for rows, stress, milliseconds in items:
            stamp_ns += milliseconds * 1_000_000
            found.append(made.smooth(affect(rows, stress), stamp_ns))
        return found

    for one, again in zip(states(), states(), strict=True):
        assert one.probabilities.tolist() == again.probabilities.tolist()
        assert abs(float(one.probabilities.sum()) - 1.0) < 1e-5
        assert 0.0 <= one.stress <= 1.0
        assert (one.emotion, one.stress_level) == (again.emotion, again.stress_level)
        if one.emotion != UNKNOWN:
            held = one.probabilities[EMOTIONS.index(one.emotion)]
            assert one.confidence == pytest.approx(float(held), abs=1e-6)


def test_without_evidence_the_state_is_unknown_at_once_and_then_begins_anew():
    states = run([said("happy", 0.9, 0.9)] * 30 + [nothing()] + [said("sad", 0.9, 0.1)] * 2)
    assert states[29].stress_level is StressLevel.HIGH
    assert (states[30].emotion, states[30].stress_level) == (UNKNOWN, StressLevel.UNKNOWN)
    assert len(states[30].probabilities) == 0 and math.isnan(states[30].stress)
    assert (states[31].emotion, states[31].stress_level) == ("sad", StressLevel.LOW)


def test_a_clock_that_goes_back_begins_anew():
    made = smoother()
    run([said("happy", 0.9)] * 50, made, start_s=100.0)
    assert run([said("sad", 0.9)], made, start_s=3.0)[0].emotion == "sad"


def test_zero_passes_everything_through():
    given_ = [said("happy"), said("sad"), nothing()]
    assert run(given_, smoother(smoothing_s=0.0)) == given_


def test_a_level_needs_lasting_evidence_and_then_follows():
    calm, tense = said(stress=0.1), said(stress=0.95)
    states = run([calm] * 150 + [tense] * 5 + [calm] * 50)
    assert {state.stress_level for state in states} == {StressLevel.LOW}
    states = run([calm] * 150 + [tense] * 150)
    assert states[-1].stress_level is StressLevel.HIGH


def test_evidence_counts_by_how_long_it_lasts():
    often, seldom = Belief(1e9, 1.0), Belief(1e9, 1.0)
    rows = [0.6, 0.3, 0.1]
    often.update(rows, 0.0)
    seldom.update(rows, 0.0)
    for _ in range(10):
        found = often.update(rows, 0.1)
    assert found == pytest.approx(seldom.update(rows, 1.0), abs=1e-6)
