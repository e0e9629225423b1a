from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.affect import EMOTIONS, Embedding
from emostress_ros.errors import ParameterError, SignalError
from emostress_ros.person.resting import RestingReading, RestingReadings

SECOND = 1_000_000_000


def opinion(**shares: float) -> np.ndarray:
    left = (1 - sum(shares.values())) / (len(EMOTIONS) - len(shares))
    return np.array([shares.get(name, left) for name in EMOTIONS], np.float32)


def reading_of(probabilities, at_s: float, pitch_hz: float = 0.0, modality="face") -> Embedding:
    return Embedding(
        round(at_s * SECOND), modality, "m@1", np.ones(2, np.float32), 1.0,
        labels=EMOTIONS, probabilities=probabilities, valence=0.0, arousal=0.0,
        measures={"pitch_hz": pitch_hz} if pitch_hz else {},
    )  # fmt: skip


def rested(probabilities, pitch_hz: float = 0.0) -> RestingReading:
    reading = RestingReading(0, 10.0)
    for second in range(12):
        reading.add(reading_of(probabilities, second, pitch_hz))
    assert reading.complete
    return reading


def test_a_face_that_looks_sad_at_rest_is_read_as_neutral_and_its_smile_as_one():
    reading = rested(opinion(sad=0.6, neutral=0.3))
    at_rest = reading.correct(reading_of(opinion(sad=0.6, neutral=0.3), 20))
    smile = reading.correct(reading_of(opinion(happy=0.8), 21))
    assert EMOTIONS[int(at_rest.probabilities.argmax())] == "neutral"
    assert EMOTIONS[int(smile.probabilities.argmax())] == "happy"
    assert at_rest.valence > 0.0  # sadness was taken off


def test_a_rest_that_is_read_well_changes_nothing():
    reading = rested(opinion(neutral=0.9))
    later = reading_of(opinion(angry=0.5), 20)
    np.testing.assert_allclose(reading.correct(later).probabilities, later.probabilities, atol=1e-6)


@given(
    st.lists(st.floats(0.001, 1.0), min_size=7, max_size=7),
    st.lists(st.floats(0.001, 1.0), min_size=7, max_size=7),
)
def test_corrected_opinions_are_opinions_and_rest_never_likelier_than_neutral(rest, later):
    rest, later = (np.array(values, np.float32) / sum(values) for values in (rest, later))
    before = reading_of(later, 20)
    after = rested(rest).correct(before).probabilities
    assert math.isclose(float(after.sum()), 1.0, abs_tol=1e-5) and (after >= 0).all()
    neutral = EMOTIONS.index("neutral")
    assert after[neutral] >= before.probabilities[neutral] - 1e-6


def test_a_voice_above_its_resting_pitch_is_more_aroused():
    reading = rested(opinion(neutral=0.9), pitch_hz=200.0)
    high = reading.correct(reading_of(opinion(happy=0.5), 20, pitch_hz=300.0))
    same = reading.correct(reading_of(opinion(happy=0.5), 20, pitch_hz=200.0))
    assert high.arousal > same.arousal + 0.05
    assert reading.semitones(reading_of(opinion(happy=0.5), 20, pitch_hz=400.0)) == pytest.approx(
        12.0
    )


def test_nothing_is_read_against_a_rest_too_short_or_not_over():
    reading = RestingReading(0, 10.0)
    sad = reading_of(opinion(sad=0.6), 5)
    reading.add(sad)
    assert reading.correct(sad) is sad
    reading.add(reading_of(opinion(sad=0.6), 11))
    assert not reading.complete
    with pytest.raises(ParameterError, match="above 0"):
        RestingReading(0, 0.0)


def test_rests_survive_a_restart_and_are_each_persons_own():
    readings = RestingReadings()
    readings.start("anna", ("face", "voice"), 0, 10.0)
    for second in range(12):
        readings.read("anna", reading_of(opinion(sad=0.6), second))
    again = RestingReadings()
    again.restore("anna", json.loads(json.dumps(readings.to_dict("anna"))))
    later = reading_of(opinion(sad=0.6), 20)
    np.testing.assert_array_equal(
        again.read("anna", later).probabilities, readings.read("anna", later).probabilities
    )
    assert again.complete("anna") == ("face",)
    assert again.read("ben", later) is later
    assert again.forget("anna") and again.read("anna", later) is later
    with pytest.raises(SignalError, match="format"):
        again.restore("anna", {"face": {"format": 9}})
