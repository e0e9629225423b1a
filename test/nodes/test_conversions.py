from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.affect import (
    EMOTIONS,
    Affect,
    Contribution,
    ContributionStatus,
    Embedding,
    StressLevel,
)
from emostress_ros.errors import SignalError
from emostress_ros.modalities import messages
from emostress_ros.msg import (
    AffectState,
    AudioChunk,
    ModalityContribution,
    ModalityEmbedding,
    PhysiologySamples,
    Utterance,
)
from emostress_ros.nodes import conversions

unit = st.floats(0, 1, width=32)
signed = st.one_of(st.just(math.nan), st.floats(-1, 1, width=32))
stamps = st.integers(0, 2**31 * 10**9 - 1)


@st.composite
def embeddings(draw):
    estimated = draw(st.booleans())
    raw = np.array(draw(st.lists(st.floats(0.01, 1), min_size=7, max_size=7)))
    return Embedding(
        stamp_ns=draw(stamps),
        modality=draw(st.sampled_from(["face", "voice", "gait"])),
        model="net@1.0.0",
        vector=np.array(draw(st.lists(st.floats(-9, 9, width=32), max_size=20)), np.float32),
        quality=draw(unit),
        window_ns=draw(st.integers(0, 10**12)),
        person_id=draw(st.text(max_size=8)),
        source_id=draw(st.text(max_size=8)),
        labels=EMOTIONS if estimated else (),
        probabilities=(raw / raw.sum() if estimated else np.empty(0)).astype(np.float32),
        valence=draw(signed),
        arousal=draw(signed),
        stress=draw(st.one_of(st.just(math.nan), unit)),
        measures=draw(st.dictionaries(st.text(max_size=8), st.floats(-9, 9, width=32))),
        stand_in=draw(st.sampled_from(["", "cpu", "cuda"])),
    )


def same(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second))


@given(embeddings())
def test_an_embedding_survives_the_wire(embedding):
    back = conversions.embedding_from_msg(conversions.embedding_to_msg(embedding, "camera"))
    for name in (
        "stamp_ns",
        "modality",
        "model",
        "stand_in",
        "window_ns",
        "person_id",
        "source_id",
        "labels",
        "measures",
    ):
        assert getattr(back, name) == getattr(embedding, name)
    assert (back.vector == embedding.vector).all()
    assert (back.probabilities == embedding.probabilities).all()
    for name in ("quality", "valence", "arousal", "stress"):
        assert same(getattr(back, name), getattr(embedding, name))


def test_measures_without_names_are_refused():
    with pytest.raises(SignalError, match="1 measure_names for 0 measures"):
        conversions.embedding_from_msg(ModalityEmbedding(measure_names=["pitch_hz"]))


def test_an_affect_survives_the_wire():
    affect = Affect(
        12_345_678_901,
        "anna",
        "happy",
        EMOTIONS,
        np.full(7, 1 / 7, np.float32),
        0.5,
        math.nan,
        0.25,
        StressLevel.LOW,
        0.75,
        0.5,
        (
            Contribution("face", "net@1", ContributionStatus.USED, 1.0, 0.5, 250),
            Contribution("voice", "", ContributionStatus.MISSING, 0.0, math.nan, 0),
        ),
    )
    message = conversions.affect_to_msg(affect, latency_ns=7_000_000)
    back = conversions.affect_from_msg(message)
    assert conversions.stamp_to_ns(message.latency) == 7_000_000
    assert (back.stamp_ns, back.emotion, back.stress_level) == (12_345_678_901, "happy", 1)
    assert back.contributions[0] == affect.contributions[0]
    assert back.contributions[1].status is ContributionStatus.MISSING


@given(stamps)
def test_stamps_survive_to_the_nanosecond(stamp_ns):
    assert conversions.stamp_to_ns(conversions.ns_to_stamp(stamp_ns)) == stamp_ns


@pytest.mark.parametrize("stamp_ns", [-1, 2**31 * 10**9])
def test_a_stamp_that_ros_cannot_say_is_refused(stamp_ns):
    with pytest.raises(SignalError, match=str(stamp_ns)):
        conversions.ns_to_stamp(stamp_ns)


def test_an_unknown_stress_level_is_refused():
    with pytest.raises(SignalError, match=r"stress_level must be one of 0 \(UNKNOWN\).*got 9"):
        conversions.affect_from_msg(AffectState(stress_level=9))


def test_an_unknown_status_is_refused():
    state = AffectState(contributions=[ModalityContribution(modality="face", status=7)])
    with pytest.raises(SignalError, match=r"contribution_status .*4 \(NO_CONSENT\); got 7"):
        conversions.affect_from_msg(state)


def test_audio_keeps_its_channels():
    chunk = AudioChunk(sample_rate_hz=16000, channels=2, data=[1, -1, 2, -2])
    samples, rate, _ = messages.audio_from_msg(chunk)
    assert samples.tolist() == [[1, -1], [2, -2]] and rate == 16000


@pytest.mark.parametrize(
    "chunk",
    [
        AudioChunk(sample_rate_hz=16000, channels=2, data=[1, 2, 3]),
        AudioChunk(sample_rate_hz=0, channels=1, data=[1]),
        AudioChunk(sample_rate_hz=16000, channels=0, data=[1]),
    ],
)
def test_audio_that_does_not_add_up_is_refused(chunk):
    with pytest.raises(SignalError, match="channels"):
        messages.audio_from_msg(chunk)


def test_samples_that_do_not_fill_the_channels_are_refused():
    message = PhysiologySamples(signal="acceleration", channels=3, data=[1.0, 2.0])
    with pytest.raises(SignalError, match="acceleration: 2 samples do not fill 3 channels"):
        messages.physiology_from_msg(message)


def test_an_utterance_without_times_ends_at_its_stamp():
    message = Utterance()
    message.header.stamp.sec = 7
    assert messages.spoken_between(message) == (7 * 10**9,) * 3
