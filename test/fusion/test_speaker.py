from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.affect import Embedding
from emostress_ros.evaluation.bags.beside import Beside
from emostress_ros.evaluation.score_speaker import REST_S, TALKER, whose
from emostress_ros.fusion import FusionConfig, FusionPipeline
from emostress_ros.fusion.speaker import CLEAR, LEAST, MouthHistory

SECOND = 1_000_000_000


def history(**motions: float) -> MouthHistory:
    """Every person's mouth moving alike for two seconds."""
    kept = MouthHistory()
    for person, motion in motions.items():
        for frame in range(60):
            kept.add(person, frame * SECOND // 30, motion)
    return kept


@given(st.floats(LEAST, 1.0), st.floats(-0.01, 1.0))
def test_the_clearly_livelier_mouth_speaks_and_nobody_is_guessed(first, second):
    speaker = history(anna=first, ben=second).speaker(["anna", "ben"], 0, SECOND)
    if first >= 1.001 * CLEAR * second:
        assert speaker == "anna"
    elif second >= 1.001 * CLEAR * first:
        assert speaker == "ben"
    elif max(first, second) < 0.999 * CLEAR * min(first, second):
        assert speaker is None


@given(st.floats(-0.1, 0.99 * LEAST), st.floats(-0.1, 0.99 * LEAST))
def test_beside_two_mouths_at_rest_the_voice_comes_from_elsewhere(first, second):
    assert history(anna=first, ben=second).speaker(["anna", "ben"], 0, SECOND) is None


def test_only_the_time_of_the_speech_counts():
    kept = MouthHistory()
    for frame in range(60):
        kept.add("anna", frame * SECOND // 30, 0.1 if frame < 30 else 0.02)
        kept.add("ben", frame * SECOND // 30, 0.02 if frame < 30 else 0.1)
    assert kept.speaker(["anna", "ben"], 0, SECOND * 9 // 10) == "anna"
    assert kept.speaker(["anna", "ben"], SECOND * 11 // 10, 2 * SECOND) == "ben"


def test_who_cannot_be_seen_may_be_the_one_who_speaks():
    assert history(anna=0.1).speaker(["anna", "ben"], 0, SECOND) is None


def test_a_looping_bag_begins_anew():
    kept = history(anna=0.1, ben=0.01)
    for frame in range(30):
        kept.add("anna", frame * SECOND // 30, 0.01)
        kept.add("ben", frame * SECOND // 30, 0.1)
    assert kept.speaker(["anna", "ben"], 0, SECOND) == "ben"


def seen(at_s: float, track: str, motion: float) -> Embedding:
    return Embedding(
        round(at_s * SECOND), "face", "m@1", np.ones(2, np.float32), 1.0,
        source_id=track, measures={"mouth_motion": motion},
    )  # fmt: skip


def said(modality: str, at_s: float, window_s: float) -> Embedding:
    return Embedding(
        round(at_s * SECOND), modality, "m@1", np.ones(2, np.float32), 1.0,
        window_ns=round(window_s * SECOND),
    )  # fmt: skip


@pytest.mark.parametrize("modality", ["voice", "text"])
def test_of_two_in_view_the_words_go_to_the_moving_mouth(modality):
    pipeline = FusionPipeline(FusionConfig())
    for frame in range(45):
        pipeline.add(seen(1 + frame / 30, "face_1", 0.02), 0)
        pipeline.add(seen(1 + frame / 30, "face_2", 0.08), 0)
    assert pipeline.add(said(modality, 2.4, 1.2), 0) == "face_2"


def test_a_wearable_of_nobody_stays_nobodys_whoever_speaks():
    pipeline = FusionPipeline(FusionConfig())
    for frame in range(45):
        pipeline.add(seen(1 + frame / 30, "face_1", 0.02), 0)
        pipeline.add(seen(1 + frame / 30, "face_2", 0.08), 0)
    assert pipeline.add(said("physiology", 2.4, 1.2), 0) is None
    assert pipeline.counts["unassigned"] == 1


@pytest.mark.parametrize(
    "talker, silent, side",
    [("sbwe5n", "brbk7n", "right"), ("swiz3n", "brbk7n", "left"), ("bbaf2n", "pwij3p", "left")],
)
def test_beside_a_silent_person_the_voice_goes_to_the_talker(shared_data, talker, silent, side):
    """Two real people pasted side by side; the last one moves the lips without a sound."""
    clips = shared_data / "clips"
    given = whose(clips / f"{talker}.mpg", Beside(clips / f"{silent}.mpg", side, REST_S))
    assert set(given) == {TALKER}
