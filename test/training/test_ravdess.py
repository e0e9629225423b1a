"""RAVDESS and TESS are read in their official layouts; odd files are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io.wavfile

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets import ravdess, tess
from emostress_ros.training.datasets.speech_clips import (
    SpeechClip,
    load_split,
    read_mono_16k,
)


def wav(path: Path, samples: np.ndarray, rate: int = 48_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.wavfile.write(path, rate, samples)
    return path


@pytest.fixture
def ravdess_folder(tmp_path: Path) -> Path:
    tone = np.zeros(480, dtype=np.int16)
    for actor in (1, 2, 21):
        for emotion in range(1, 9):
            name = f"03-01-{emotion:02d}-01-02-01-{actor:02d}.wav"
            wav(tmp_path / f"Actor_{actor:02d}" / name, tone)
    return tmp_path


def test_ravdess_official_layout(ravdess_folder: Path) -> None:
    clips = ravdess.load(ravdess_folder)
    assert len(clips) == 24
    assert [clip.label for clip in clips[:8]] == list(ravdess.LABELS)
    assert {clip.person for clip in clips} == {"ravdess-01", "ravdess-02", "ravdess-21"}
    assert clips[0].sex == "male" and clips[8].sex == "female"


def test_ravdess_split_takes_actors(ravdess_folder: Path) -> None:
    assert {clip.person for clip in ravdess.load(ravdess_folder, "21-24")} == {"ravdess-21"}
    assert len(ravdess.load(ravdess_folder, "2")) == 8
    with pytest.raises(DatasetError, match="'21-24' or one of them; got 'test'"):
        ravdess.load(ravdess_folder, "test")
    with pytest.raises(DatasetError, match="of actors 9"):
        ravdess.load(ravdess_folder, "9")


def test_ravdess_nested_twice_counts_once(ravdess_folder: Path) -> None:
    name = "03-01-01-01-02-01-01.wav"
    wav(ravdess_folder / "again" / "Actor_01" / name, np.zeros(480, dtype=np.int16))
    assert len(ravdess.load(ravdess_folder)) == 24


def test_ravdess_song_and_video_are_left_out(ravdess_folder: Path) -> None:
    for name in ("03-02-01-01-02-01-01.wav", "01-01-01-01-02-01-01.wav"):
        wav(ravdess_folder / "Actor_01" / name, np.zeros(480, dtype=np.int16))
    assert len(ravdess.load(ravdess_folder)) == 24


@pytest.mark.parametrize("name", ["angry.wav", "03-01-09-01-01-01-01.wav", "3-1-1-1-1-1-1.wav"])
def test_ravdess_odd_name_is_named(ravdess_folder: Path, name: str) -> None:
    wav(ravdess_folder / "Actor_01" / name, np.zeros(480, dtype=np.int16))
    with pytest.raises(DatasetError, match=name):
        ravdess.load(ravdess_folder)


@pytest.mark.parametrize("load", [ravdess.load, tess.load])
def test_missing_or_empty_folder(load, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not a folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="expected"):
        load(tmp_path)


def test_tess_official_layout(tmp_path: Path) -> None:
    tone = np.zeros(244, dtype=np.int16)
    for name in ("OAF_angry/OAF_back_angry", "YAF_pleasant_surprised/YAF_back_ps",
                 "OAF_Fear/OAF_back_fear", "OAF_neutral/OA_bite_neutral"):  # fmt: skip
        wav(tmp_path / f"{name}.wav", tone, 24_414)
    clips = {clip.path.stem: clip for clip in tess.load(tmp_path)}
    assert clips["YAF_back_ps"].label == "ps" and clips["YAF_back_ps"].person == "tess-YAF"
    assert clips["OA_bite_neutral"].person == "tess-OAF"
    assert clips["OAF_back_fear"].label == "fear"
    assert len(tess.load(tmp_path, "YAF")) == 1
    with pytest.raises(DatasetError, match="'OAF' or 'YAF'"):
        tess.load(tmp_path, "old")


def test_tess_folds_calm_into_neutral() -> None:
    rows = np.eye(8)
    folded = tess.from_ravdess(rows)
    np.testing.assert_allclose(folded.sum(axis=1), 1.0)
    assert folded[ravdess.LABELS.index("calm")].argmax() == tess.LABELS.index("neutral")
    assert folded[ravdess.LABELS.index("surprised")].argmax() == tess.LABELS.index("ps")


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.uint8])
@pytest.mark.parametrize("rate", [16_000, 24_414, 48_000])
def test_wav_of_any_rate_and_depth(tmp_path: Path, dtype: type, rate: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(rate) / rate)
    if dtype is np.uint8:
        samples = np.round(128 + 127 * tone).astype(np.uint8)
    elif dtype is np.float32:
        samples = tone.astype(np.float32)
    else:
        samples = np.round(tone * np.iinfo(dtype).max).astype(dtype)
    stereo = np.stack((samples, samples), axis=1)
    got = read_mono_16k(wav(tmp_path / "tone.wav", stereo, rate))
    expected = 0.5 * np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
    assert got.shape == (16_000,)
    np.testing.assert_allclose(got[400:-400], expected[400:-400], atol=0.02)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    for name in ("broken.wav", "broken.flac"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(DatasetError, match=name):
            read_mono_16k(tmp_path / name)


def test_flac_and_opus_are_read(shared_data: Path) -> None:
    voice = shared_data / "voice"
    if not voice.is_dir():
        pytest.skip("no voice data at hand")
    for pattern in ("ravdess/Actor_01/*.flac", "tess/OAF_angry/*.opus"):
        waveform = read_mono_16k(sorted(voice.glob(pattern))[0])
        assert len(waveform) > 8_000 and 0.001 < np.abs(waveform).max() <= 1.0


def test_a_leaked_split_is_caught_as_it_is_loaded(ravdess_folder: Path) -> None:
    clips, split = load_split(ravdess.load, ravdess_folder, "1", "2-21")
    assert {clips[i].person for i in split.train} == {"ravdess-01"}
    assert {clips[i].person for i in split.test} == {"ravdess-02", "ravdess-21"}
    with pytest.raises(DatasetError, match="items on both sides"):
        load_split(ravdess.load, ravdess_folder, "1-2", "2-21", "random")

    def by_emotion(folder: Path, split: str | None) -> list[SpeechClip]:
        return [clip for clip in ravdess.load(folder) if clip.label == split]

    words = {clip.label for clip in ravdess.load(ravdess_folder)}
    first, second = sorted(words)[:2]
    with pytest.raises(DatasetError, match="on both sides are ravdess-01, ravdess-02"):
        load_split(by_emotion, ravdess_folder, first, second)
    _, shared = load_split(by_emotion, ravdess_folder, first, second, "random")
    assert not shared.person_disjoint
