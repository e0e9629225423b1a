from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.affect import EMOTIONS, Affect, StressLevel
from emostress_ros.behaviour import BehaviourEngine, Condition, Rule, RuleSet, load_rules

SECOND = 1_000_000_000


def affect(at_s, emotion="angry", confidence=0.9, stress=0.5, person="anna", valence=-0.5):
    level = StressLevel.HIGH if stress >= 0.7 else StressLevel.LOW
    probabilities = np.full(7, (1 - confidence) / 6, dtype=np.float32)
    probabilities[EMOTIONS.index(emotion) if emotion in EMOTIONS else 0] = confidence
    return Affect(
        round(at_s * SECOND),
        person,
        emotion,
        EMOTIONS,
        probabilities,
        valence,
        0.5,
        stress,
        level,
        confidence,
        abs(stress - 0.5) + 0.5,
        (),
    )


def engine(**rule):
    values = {
        "name": "patience",
        "cue": "be_patient",
        "for_s": 1.0,
        "release_s": 1.0,
        "cool_down_s": 10.0,
        "when": Condition(emotion=frozenset({"angry"}), at_least={"confidence": 0.6}),
    }
    return BehaviourEngine(RuleSet((Rule(**{**values, **rule}),)), timeout_s=3.0)


def play(machine, states):
    return [
        (state.stamp_ns / SECOND, cue.cue)
        for state in states
        for cue in machine.update(state, state.stamp_ns)
    ]


def test_the_cue_comes_once_after_the_condition_has_held():
    cues = play(engine(), [affect(k / 10) for k in range(50)])
    assert cues == [(1.0, "be_patient")]


def test_a_moment_of_anger_gives_no_cue():
    states = [affect(k / 10, emotion="angry" if k % 8 else "neutral") for k in range(100)]
    assert play(engine(), states) == []


def test_hysteresis_keeps_a_cue_that_hovers_at_its_bound():
    states = [affect(k / 10, confidence=0.9) for k in range(20)]
    states += [affect(2 + k / 10, confidence=0.55) for k in range(50)]  # under 0.6, above 0.5
    assert play(engine(), states) == [(1.0, "be_patient")]


def test_the_cue_is_taken_back_when_the_condition_ends():
    states = [affect(k / 10) for k in range(20)]
    states += [affect(2 + k / 10, emotion="neutral") for k in range(20)]
    assert play(engine(), states) == [(1.0, "be_patient"), (3.0, "none")]


def test_it_cools_down_before_it_comes_again():
    states = [
        affect(k / 10, emotion="angry" if (k // 25) % 2 == 0 else "happy") for k in range(300)
    ]
    given = [at for at, cue in play(engine(cool_down_s=10.0), states) if cue == "be_patient"]
    assert len(given) >= 2
    assert all(after - before >= 10.0 for before, after in itertools.pairwise(given))


def test_silence_takes_the_cue_back():
    machine = engine()
    play(machine, [affect(k / 10) for k in range(20)])
    assert machine.expire(4 * SECOND) == []
    (cue,) = machine.expire(6 * SECOND)
    assert (cue.cue, cue.person_id) == ("none", "anna")
    assert machine.expire(7 * SECOND) == []


def test_unknown_or_unestimated_never_gives_a_cue():
    rule = {"when": Condition(at_least={"stress": 0.0})}
    assert play(engine(**rule), [affect(k / 10, stress=math.nan) for k in range(50)]) == []
    assert play(engine(), [affect(k / 10, emotion="unknown") for k in range(50)]) == []


def test_two_people_are_followed_apart():
    machine = engine()
    states = [affect(k / 10, person="anna") for k in range(20)]
    states += [affect(k / 10, person="ben", emotion="happy") for k in range(20)]
    people = {cue.person_id for s in states for cue in machine.update(s, s.stamp_ns)}
    assert people == {"anna"}


def test_the_rule_of_higher_priority_wins():
    first = Rule("alert", "alert_operator", Condition(at_least={"stress": 0.8}), for_s=0.0)
    second = Rule("patience", "be_patient", Condition(emotion=frozenset({"angry"})), for_s=0.0)
    machine = BehaviourEngine(RuleSet((first, second)))
    assert play(machine, [affect(0.0, stress=0.9)]) == [(0.0, "alert_operator")]


@given(st.lists(st.tuples(st.sampled_from([*EMOTIONS, "unknown"]), st.floats(0, 1)), max_size=200))
def test_cues_alternate_with_the_default_whatever_the_states(states):
    machine = engine(for_s=0.3, release_s=0.2, cool_down_s=0.5)
    cues = [
        cue
        for _, cue in play(
            machine,
            [
                affect(k / 10, emotion=emotion, confidence=confidence)
                for k, (emotion, confidence) in enumerate(states)
            ],
        )
    ]
    assert all(cue == ("be_patient" if k % 2 == 0 else "none") for k, cue in enumerate(cues))


def test_a_looping_bag_does_not_lock_a_rule():
    machine = engine(cool_down_s=1000.0)
    once = [affect(k / 10) for k in range(20)] + [affect(2 + k / 10, "happy") for k in range(20)]
    assert play(machine, once)[0] == (1.0, "be_patient")
    again = play(machine, [affect(k / 10) for k in range(20)])
    assert again == [(1.0, "be_patient")]


@pytest.mark.parametrize("name", ["patience", "driver", "operator"])
def test_presets_are_well_formed_and_give_their_cue(name):
    rules = load_rules([name])
    machine = BehaviourEngine(rules)
    states = [affect(k / 2, emotion="angry", confidence=0.95, stress=0.95) for k in range(200)]
    assert play(machine, states)[0][1] == rules.rules[0].cue
