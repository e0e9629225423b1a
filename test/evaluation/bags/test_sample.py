from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emostress_ros.errors import BagError, MediaError
from emostress_ros.evaluation.bags.reader import read_messages
from emostress_ros.evaluation.bags.sample import build_sample
from emostress_ros.evaluation.bags.speech import RATE, SOUNDS, speak

pytest.importorskip("peakdet")


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    return build_sample(tmp_path_factory.mktemp("sample") / "bag", duration_s=6.0).path


def of(sample: Path, topic: str) -> list:
    return [item.message for item in read_messages(sample, [topic])]


def test_it_holds_all_that_the_graph_listens_to(sample: Path) -> None:
    assert len(of(sample, "/image")) == 90
    signals = {m.signal for m in of(sample, "/physiology")}
    assert signals == {"bvp", "eda", "skin_temperature", "acceleration"}
    assert [m.text for m in of(sample, "/utterance")] == ["Good morning, I am well."]
    assert sum(len(m.data) for m in of(sample, "/audio")) == 6 * RATE


def test_the_pulse_beats_like_a_heart(sample: Path) -> None:
    bvp = np.concatenate([m.data for m in of(sample, "/physiology") if m.signal == "bvp"])
    assert len(bvp) == 66 * 40
    spectrum = np.abs(np.fft.rfft(bvp - bvp.mean()))
    beats_a_minute = 60 * np.fft.rfftfreq(len(bvp), 1 / 40)[np.argmax(spectrum)]
    assert 55 < beats_a_minute < 85


def test_a_voice_detector_hears_the_speech_and_not_the_room(sample: Path) -> None:
    vad = pytest.importorskip("emostress_ros.modalities.voice.vad").SileroVad()
    voice = np.concatenate([m.data for m in of(sample, "/audio")]).astype(np.float32) / 32768
    probability = vad.push(voice)
    seconds = np.arange(len(probability)) * 512 / RATE
    assert probability[(seconds > 1.3) & (seconds < 2.2)].mean() > 0.8
    assert probability[(seconds > 3.3) & (seconds < 4.3)].mean() < 0.2


def test_the_picture_moves(sample: Path) -> None:
    first, *_, last = of(sample, "/image")
    assert np.mean(first.data.astype(int) != last.data.astype(int)) > 0.5


def test_every_sound_can_be_said() -> None:
    voice = speak(" ".join(SOUNDS), pitch_hz=200.0, pace=2.0)
    assert voice.dtype == np.int16 and 1000 < np.abs(voice).max() < 32768
    np.testing.assert_array_equal(voice, speak(" ".join(SOUNDS), pitch_hz=200.0, pace=2.0))
    with pytest.raises(MediaError, match="QQ"):
        speak("AA QQ")
    with pytest.raises(MediaError, match="at least one"):
        speak(" ")


def test_the_sample_has_an_end(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r"\(0, 60\] s; got 61"):
        build_sample(tmp_path / "bag", duration_s=61.0)
