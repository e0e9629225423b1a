"""From chunks of sound to observations: what a node and its user notice."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from emostress_ros.affect import EMOTIONS
from emostress_ros.errors import SignalError, StampError
from emostress_ros.modalities.voice.encoder import VoiceEncoder
from emostress_ros.modalities.voice.frontend import VoiceObservation, VoicePipeline, to_mono
from emostress_ros.modalities.voice.parameters import VoiceConfig

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


@pytest.fixture(scope="module")
def encoder() -> VoiceEncoder:
    return VoiceEncoder(VoiceConfig())


@pytest.fixture
def pipeline(encoder: VoiceEncoder) -> VoicePipeline:
    return VoicePipeline(encoder=encoder)


def chunks(waveform: np.ndarray, rate: int, size: int) -> Iterator[tuple[np.ndarray, int]]:
    for begin in range(0, len(waveform), size):
        yield waveform[begin : begin + size], START + round(begin * SECOND / rate)


def hear(
    pipeline: VoicePipeline, waveform: np.ndarray, rate: int = 16_000, size: int = 1_600
) -> list[VoiceObservation]:
    found = []
    for chunk, stamp in chunks(waveform, rate, size):
        found += pipeline.process(chunk, rate, stamp)
    return found


def framed(speech: np.ndarray, rate: int = 16_000) -> np.ndarray:
    quiet = np.random.default_rng(0).normal(0, 1e-4, rate)
    return np.concatenate((quiet, speech, quiet))


def test_both_models_are_named(pipeline) -> None:
    names = [session.name for session in pipeline.sessions]
    assert names[1] == pipeline.encoder.card.identifier
    assert all(session.provider == "cpu" for session in pipeline.sessions)


def test_the_model_takes_log_mel_and_prosody_of_the_stream(encoder) -> None:
    assert set(encoder.session.input_names) == {"waveform", "log_mel", "prosody"}


def test_an_utterance_gives_one_final_window_where_it_lies(pipeline, speech) -> None:
    found = hear(pipeline, framed(speech(1.8)))
    assert len(found) == 1
    seen = found[0]
    assert seen.is_final
    assert (seen.start_ns - START) / SECOND == pytest.approx(1.0 - 0.1, abs=0.1)
    assert (seen.end_ns - START) / SECOND == pytest.approx(2.8 + 0.1, abs=0.15)
    assert seen.embedding.stamp_ns == seen.end_ns
    assert seen.embedding.window_ns == seen.end_ns - seen.start_ns


def test_the_embedding_speaks_the_words_of_the_wire(pipeline, speech) -> None:
    embedding = hear(pipeline, framed(speech(2.0)))[0].embedding
    assert embedding.modality == "voice"
    assert embedding.labels == EMOTIONS
    assert embedding.probabilities.sum() == pytest.approx(1.0, abs=1e-3)
    assert len(embedding.vector) == pipeline.encoder.card.embedding_dim
    assert math.isnan(embedding.stress)
    assert -1 <= embedding.valence <= 1 and -1 <= embedding.arousal <= 1
    assert 0.5 < embedding.quality <= 1


@pytest.mark.parametrize("size", [1, 160, 512, 1_000, 48_000])
def test_chunk_size_does_not_change_what_is_perceived(encoder, speech, size: int) -> None:
    waveform = framed(speech(1.0))[8_000 : 16_000 + 28_000]
    got = hear(VoicePipeline(encoder=encoder), waveform, size=max(size, 16))
    expected = hear(VoicePipeline(encoder=encoder), waveform, size=1_600)
    assert [item.end_ns for item in got] == [item.end_ns for item in expected]
    np.testing.assert_allclose(
        got[0].embedding.probabilities, expected[0].embedding.probabilities, atol=1e-3
    )


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_any_rate_gives_the_same_window(pipeline, speech, rate: int) -> None:
    import scipy.signal

    divisor = math.gcd(rate, 16_000)
    waveform = scipy.signal.resample_poly(framed(speech(1.8)), rate // divisor, 16_000 // divisor)
    found = hear(pipeline, waveform, rate=rate, size=rate // 10)
    assert len(found) == 1
    assert (found[0].end_ns - START) / SECOND == pytest.approx(2.9, abs=0.2)


def test_int16_stereo_is_heard_like_float_mono(encoder, speech) -> None:
    waveform = framed(speech(1.5))
    stereo = np.repeat(np.round(waveform * 32_767).astype(np.int16)[:, None], 2, axis=1)
    mono = hear(VoicePipeline(encoder=encoder), waveform)
    both = hear(VoicePipeline(encoder=encoder), stereo)
    assert [item.end_ns for item in both] == [item.end_ns for item in mono]


@pytest.mark.parametrize("level", [0.0, 0.01])
def test_silence_and_noise_say_nothing(pipeline, level: float) -> None:
    noise = np.random.default_rng(0).normal(0, 1, 5 * 16_000) * level
    assert hear(pipeline, noise) == []
    assert pipeline.flush() == []


def test_long_speech_gives_a_window_every_step(pipeline, speech) -> None:
    found = hear(pipeline, framed(speech(8.0)))
    ends = np.diff([item.end_ns for item in found]) / SECOND
    assert len(found) >= 6
    assert (found[0].end_ns - START) / SECOND == pytest.approx(3.0, abs=0.15)
    assert not found[0].is_final and found[-1].is_final
    assert np.all(ends < 1.4)
    assert all(item.end_ns - item.start_ns <= 4.01 * SECOND for item in found)


def test_a_lost_chunk_is_counted_and_never_bridged(pipeline, speech) -> None:
    waveform = framed(speech(3.0))
    found = []
    for index, (chunk, stamp) in enumerate(chunks(waveform, 16_000, 1_600)):
        if index != 20:
            found += pipeline.process(chunk, 16_000, stamp)
    lost_from, lost_to = START + 2 * SECOND, START + round(2.1 * SECOND)
    assert pipeline.clock.gaps == 1
    assert [item.is_final for item in found] == [True, True]
    assert all(item.end_ns <= lost_from or item.start_ns >= lost_to for item in found)


def test_a_looping_bag_starts_afresh(pipeline, speech) -> None:
    waveform = framed(speech(1.5))
    first = hear(pipeline, waveform)
    again = hear(pipeline, waveform)
    assert pipeline.clock.rewinds == 1 and pipeline.clock.gaps == 0
    assert [item.end_ns for item in again] == [item.end_ns for item in first]


def test_speech_that_a_loop_cuts_off_is_still_told(pipeline, speech) -> None:
    cut_off = framed(speech(1.5))[: 2 * 16_000]
    found = hear(pipeline, cut_off) + hear(pipeline, cut_off)
    assert len(found) == 1 and found[0].is_final
    assert found[0].end_ns <= START + 2 * SECOND


def test_jitter_and_drift_of_stamps_lose_nothing(pipeline, speech) -> None:
    rng = np.random.default_rng(0)
    found = []
    for index, (chunk, stamp) in enumerate(chunks(framed(speech(1.8)), 16_000, 1_600)):
        late = round(rng.uniform(-0.01, 0.01) * SECOND) + index * 2_000_000
        found += pipeline.process(chunk, 16_000, stamp + late)
    assert pipeline.clock.gaps == pipeline.clock.rewinds == 0
    assert len(found) == 1


def test_nan_is_refused_and_the_stream_goes_on(pipeline, speech) -> None:
    waveform = framed(speech(1.5))
    with pytest.raises(SignalError, match="NaN"):
        pipeline.process(np.array([0.0, np.nan]), 16_000, START)
    assert len(hear(pipeline, waveform)) == 1


def test_an_empty_chunk_is_nothing(pipeline) -> None:
    assert pipeline.process(np.empty(0, dtype=np.int16), 16_000, START) == []


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(10, dtype=np.uint8), 16_000, "int16, int32, float32 or float64; got uint8"),
        (np.zeros((2, 2, 2)), 16_000, r"\(n, channels\); got shape"),
        (np.zeros(10), 100, "8000 to 192000; got 100"),
    ],
)
def test_what_is_not_allowed_is_named(pipeline, samples, rate, message) -> None:
    with pytest.raises(SignalError, match=message):
        pipeline.process(samples, rate, START)


def test_a_negative_stamp_is_refused(pipeline) -> None:
    with pytest.raises(StampError):
        pipeline.process(np.zeros(10), 16_000, -1)


def test_clipped_or_faint_or_noisy_speech_has_less_quality(encoder, speech) -> None:
    clean = framed(speech(1.5))
    noise = np.random.default_rng(1).normal(0, 0.012, len(clean))
    quality = {
        name: hear(VoicePipeline(encoder=encoder), waveform)[0].embedding.quality
        for name, waveform in {
            "clean": clean,
            "clipped": np.clip(clean * 12, -1, 1),
            "faint": clean * 0.03,
            "noisy": clean + noise,
        }.items()
    }
    assert quality["clean"] > 0.95
    assert max(quality["clipped"], quality["faint"]) < 0.5
    assert quality["noisy"] < quality["clean"] - 0.01


def test_a_perfectly_silent_room_costs_no_quality(pipeline, speech) -> None:
    silence = np.zeros(16_000)
    found = hear(pipeline, np.concatenate((silence, speech(1.5), silence)))
    assert found[0].embedding.quality > 0.95


def test_full_scale_of_integers_is_one() -> None:
    assert to_mono(np.array([-32_768], dtype=np.int16))[0] == -1.0
    assert to_mono(np.array([[2**30, -(2**30)]], dtype=np.int32))[0] == 0.0


def test_real_people_are_heard(pipeline, shared_data) -> None:
    av = pytest.importorskip("av")
    clips = sorted((shared_data / "clips").glob("*.mpg"))
    if not clips:
        pytest.skip("no clips at hand")
    found = []
    with av.open(str(clips[0])) as container:
        for frame in container.decode(audio=0):
            stamp = START + round(frame.time * SECOND)
            samples = frame.to_ndarray().T
            found += pipeline.process(samples, frame.sample_rate, stamp)
    found += pipeline.flush()
    assert found
    assert pipeline.clock.gaps == 0
