"""Whose evidence is whose, and who consented."""

from __future__ import annotations

import math

import pytest
from fusion_evidence import face, run, statuses, voice, wearable, weights

from emostress_ros.affect import UNKNOWN, ContributionStatus
from emostress_ros.fusion import FusionConfig, FusionPipeline


def test_two_people_in_view_give_two_streams_and_no_guess_about_the_voice():
    items = [face(k / 30, "happy", track="face_1") for k in range(90)]
    items += [face(k / 30 + 0.001, "sad", track="face_2") for k in range(90)]
    items += [voice(2.0, "angry")]
    pipeline = FusionPipeline(FusionConfig())
    states = run(pipeline, items)
    last = {state.person_id: state for state in states}
    assert {person: state.emotion for person, state in last.items()} == {
        "face_1": "happy",
        "face_2": "sad",
    }
    assert pipeline.counts["unassigned"] == 1
    assert all(statuses(s)["voice"] is ContributionStatus.MISSING for s in last.values())


def test_configuration_says_whose_the_wearable_is():
    config = FusionConfig(identities=("E4=anna", "face_1=anna"))
    items = [face(k / 30) for k in range(60)] + [wearable(0.5), wearable(1.5)]
    items += [face(k / 30 + 0.001, "sad", track="face_2") for k in range(60)]
    last = {state.person_id: state for state in run(FusionPipeline(config), items)}
    assert last["anna"].stress > 0.7
    assert math.isnan(last["face_2"].stress)


def test_what_was_sensed_before_the_first_face_goes_to_that_face():
    items = [wearable(float(k)) for k in range(3)] + [face(3 + k / 30) for k in range(30)]
    pipeline = FusionPipeline(FusionConfig())
    states = run(pipeline, items)
    assert states[0].person_id == "person_1"
    assert states[-1].person_id == "face_1"
    assert statuses(states[-1])["physiology"] is ContributionStatus.USED
    assert pipeline.people == ["face_1"]


def test_withdrawn_consent_stops_the_use_at_once():
    pipeline = FusionPipeline(FusionConfig())
    items = [face(k / 30) for k in range(60)] + [wearable(1.0)]
    run(pipeline, items)
    pipeline.consent.set("face_1", granted=False, modalities=("face",))
    state = run(pipeline, [face(2 + k / 30) for k in range(30)])[-1]
    assert statuses(state)["face"] is ContributionStatus.NO_CONSENT
    assert weights(state)["physiology"] == pytest.approx(1.0)
    assert state.emotion == UNKNOWN


def test_required_consent_uses_nothing_until_it_is_given():
    pipeline = FusionPipeline(FusionConfig(consent="required"))
    states = run(pipeline, [face(k / 30) for k in range(60)], until_s=3.0)
    assert states and all(s.emotion == UNKNOWN and len(s.probabilities) == 0 for s in states)
    pipeline.consent.set("face_1", granted=True)
    assert run(pipeline, [face(4 + k / 30) for k in range(30)])[-1].emotion == "happy"


def test_people_who_left_are_forgotten():
    pipeline = FusionPipeline(FusionConfig(forget_after_s=5.0))
    run(pipeline, [face(k / 30) for k in range(30)], until_s=10.0)
    assert pipeline.people == []


def test_more_people_than_allowed_are_counted_not_kept():
    pipeline = FusionPipeline(FusionConfig(max_people=2))
    run(pipeline, [face(k / 30, track=f"face_{k % 5}") for k in range(60)])
    assert len(pipeline.people) == 2
    assert pipeline.counts["too many people"] > 0
