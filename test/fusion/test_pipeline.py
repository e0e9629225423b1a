"""Embeddings in, states out: time, trust, smoothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from fusion_evidence import SECOND, face, run, statuses, voice, wearable, weights
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros.affect import UNKNOWN, ContributionStatus, Embedding, StressLevel
from emostress_ros.errors import ParameterError
from emostress_ros.fusion import FusionConfig, FusionPipeline


def test_states_carry_every_modality_and_the_weights_of_the_used_sum_to_one():
    items = [face(100 + k / 30) for k in range(90)] + [wearable(100 + k) for k in range(3)]
    state = run(FusionPipeline(FusionConfig()), items)[-1]
    assert statuses(state) == {
        "face": ContributionStatus.USED,
        "voice": ContributionStatus.MISSING,
        "physiology": ContributionStatus.USED,
        "text": ContributionStatus.MISSING,
    }
    assert sum(weights(state).values()) == pytest.approx(1.0)
    assert state.emotion == "happy"
    assert state.stress_level is StressLevel.HIGH


def test_states_come_at_the_rate_that_was_set():
    states = run(FusionPipeline(FusionConfig(rate_hz=5.0)), [face(k / 30) for k in range(300)])
    assert 45 <= len(states) <= 52


def test_a_dead_camera_leaves_states_with_missing_and_renormalised_weights():
    items = [face(k / 30) for k in range(90)] + [wearable(float(k)) for k in range(15)]
    states = run(FusionPipeline(FusionConfig()), items)
    last = states[-1]
    assert statuses(last)["face"] is ContributionStatus.MISSING
    assert weights(last) == {"face": 0.0, "voice": 0.0, "physiology": 1.0, "text": 0.0}
    assert last.person_id == "face_1"
    between = [s for s in states if statuses(s)["face"] is ContributionStatus.STALE]
    assert between, "before it is missing it is stale"
    assert last.emotion == UNKNOWN


def test_a_camera_that_comes_back_is_used_again():
    items = [face(k / 30) for k in range(60)] + [face(12 + k / 30) for k in range(30)]
    items += [wearable(float(k)) for k in range(13)]
    last = run(FusionPipeline(FusionConfig()), items)[-1]
    assert statuses(last)["face"] is ContributionStatus.USED
    assert last.person_id == "face_1"


def test_poor_evidence_is_reported_and_not_used():
    state = run(FusionPipeline(FusionConfig()), [face(k / 30, quality=0.05) for k in range(30)])[-1]
    assert statuses(state)["face"] is ContributionStatus.LOW_QUALITY
    assert state.emotion == UNKNOWN


def test_undecided_evidence_is_unknown():
    state = run(FusionPipeline(FusionConfig()), [face(k / 30, confidence=0.3) for k in range(30)])[
        -1
    ]
    assert state.emotion == UNKNOWN
    assert 0.2 < state.confidence < 0.4


def test_a_looping_bag_goes_on():
    pipeline = FusionPipeline(FusionConfig())
    items = [face(100 + k / 30) for k in range(90)]
    first = run(pipeline, items)
    states = []
    for k, item in enumerate(items):  # the node's clock runs on while the stamps begin anew
        arrival = 200 * SECOND + k * SECOND // 30
        pipeline.add(item, arrival)
        states += pipeline.advance(arrival)
    assert len(states) >= len(first) - 5
    assert states[-1].emotion == "happy"


def test_a_bag_of_the_past_without_simulated_time_is_not_stale():
    pipeline = FusionPipeline(FusionConfig())
    states = []
    for k in range(60):
        arrival = 1_700_000_000 * SECOND + k * SECOND // 30
        pipeline.add(face(100 + k / 30), arrival)
        states += pipeline.advance(arrival)
    assert states and states[-1].emotion == "happy"


@pytest.mark.parametrize(
    ("rate", "pause_s"), [(0.5, 0.0), (0.95, 0.0), (1.0, 5.0), (1.0, 20.0), (1.0, 60.0)]
)
def test_a_bag_played_slowly_or_paused_without_simulated_time_is_not_stale(rate, pause_s):
    pipeline = FusionPipeline(FusionConfig())
    states = []
    for k in range(900):
        arrival = 5000 * SECOND + round(k * SECOND / 30 / rate)
        arrival += round(pause_s * SECOND) if k > 300 else 0
        pipeline.add(face(100 + k / 30), arrival)
        states += [(k, state) for state in pipeline.advance(arrival)]
    after = [state for k, state in states if k > 400]  # more than three seconds behind the pause
    assert len(after) >= 0.9 * 10 * 500 / 30
    assert all(statuses(state)["face"] is ContributionStatus.USED for state in after)
    assert after[-1].emotion == "happy"


def test_a_nodes_clock_that_begins_anew_makes_no_state_of_before_all_time():
    # A camera that counts from its start, and a node that turns to a simulated clock.
    pipeline = FusionPipeline(FusionConfig())
    for k in range(60):
        arrival = 1_700_000_000 * SECOND + k * SECOND // 30
        pipeline.add(face(100 + k / 30), arrival)
        pipeline.advance(arrival)
    states = [state for k in range(30) for state in pipeline.advance(k * SECOND // 10)]
    assert all(state.stamp_ns >= 0 for state in states)
    for k in range(60, 120):
        arrival = k * SECOND // 30
        pipeline.add(face(100 + k / 30), arrival)
        states += pipeline.advance(arrival)
    assert states[-1].emotion == "happy" and statuses(states[-1])["face"] is ContributionStatus.USED


def test_a_modality_that_is_not_configured_is_counted():
    pipeline = FusionPipeline(FusionConfig(modalities=("physiology",)))
    run(pipeline, [face(0.0), wearable(0.1)])
    assert pipeline.counts["modality not configured: face"] == 1


@pytest.mark.parametrize("model", ["fusion_late", "fusion_attention"])
def test_a_new_modality_needs_no_change_of_the_fusion(model):
    # What was learned without it is believed little: the learned fusion leans, the pool decides.
    config = FusionConfig(model=model, modalities=("face", "gait"))
    gait = Embedding(
        0,
        "gait",
        "gait@1",
        np.ones(2, np.float32),
        1.0,
        labels=("sad", "happy"),
        probabilities=np.array([0.1, 0.9], np.float32),
    )
    state = run(FusionPipeline(config), [gait], until_s=0.5)[-1]
    assert statuses(state)["gait"] is ContributionStatus.USED
    assert state.labels[int(state.probabilities.argmax())] == "happy"
    assert state.emotion == ("happy" if model == "fusion_late" else UNKNOWN)


def test_smoothing_does_not_flap():
    items = [face(k / 10, "happy" if k % 2 else "sad", 0.8) for k in range(100)]
    raw = run(FusionPipeline(FusionConfig(smoothing_s=0.0)), items)
    smooth = run(FusionPipeline(FusionConfig(smoothing_s=1.0)), items)

    def changes(states):
        named = [s.emotion for s in states]
        return sum(a != b for a, b in itertools.pairwise(named))

    assert changes(smooth) < changes(raw) / 4


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"rate_hz": 0.0}, "rate_hz.*0.1 to 200"),
        ({"modalities": ()}, "at least one"),
        ({"identities": ("anna",)}, "key=value"),
        ({"max_age_s": ("face=soon",)}, "face=soon"),
        ({"unknown_below": -0.5}, "unknown_below.*0 to 1, or -1"),
        ({"unknown_below": 1.5}, "unknown_below"),
        ({"consent": "maybe"}, "'assumed', 'required'"),
        ({"rate_hz": "fast"}, "rate_hz.*float"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(kwargs, message):
    with pytest.raises(ParameterError, match=message):
        FusionConfig(**kwargs)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["face", "voice", "wearable"]),
            st.floats(0, 1000),
            st.floats(0, 1),
            st.floats(1 / 7, 1),
        ),
        max_size=60,
    )
)
def test_no_sequence_of_evidence_breaks_a_states_promises(events):
    pipeline = FusionPipeline(FusionConfig())
    for arrival, (kind, at_s, quality, confidence) in enumerate(events):
        item = {
            "face": lambda: face(at_s, "sad", confidence, quality=quality),  # noqa: B023
            "voice": lambda: voice(at_s, "scared", confidence),  # noqa: B023
            "wearable": lambda: wearable(at_s, quality),  # noqa: B023
        }[kind]()
        pipeline.add(item, arrival * SECOND // 20)
        for state in pipeline.advance(arrival * SECOND // 20):
            used = [c for c in state.contributions if c.status is ContributionStatus.USED]
            total = sum(c.weight for c in state.contributions)
            assert total == pytest.approx(1.0 if used else 0.0, abs=1e-6)
            assert all(c.weight == 0 for c in state.contributions if c not in used)
            assert 0.0 <= state.confidence <= 1.0
            assert all(c.age_ns >= 0 for c in state.contributions)
