"""A shipped voice model is scored on the official layouts."""

from __future__ import annotations

from pathlib import Path

import pytest

from emostress_ros.errors import DatasetError, ModelNotFoundError
from emostress_ros.evaluation.score_voice import score
from emostress_ros.training.datasets import ravdess, tess


@pytest.fixture
def voice(shared_data: Path) -> Path:
    if not (shared_data / "voice").is_dir():
        pytest.skip("no voice data at hand")
    return shared_data / "voice"


def linked(source: list[Path], target: Path) -> Path:
    for path in source:
        folder = target / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).symlink_to(path)
    return target


def test_ravdess(voice: Path, tmp_path: Path) -> None:
    clips = [clip.path for clip in ravdess.load(voice / "ravdess", "1-2")][::5]
    result = score("ravdess", linked(clips, tmp_path), progress=False)
    assert result.n == len(clips) == 24
    assert result.labels == ravdess.LABELS
    assert result.uar > 0.6  # these actors are training data: far above the chance of 0.125
    assert result.extra["persons"] == 2


def test_tess_folds_the_labels(voice: Path, tmp_path: Path) -> None:
    clips = [clip.path for clip in tess.load(voice / "tess")][::120]
    result = score("tess", linked(clips, tmp_path), progress=False)
    assert result.labels == tess.LABELS
    assert result.accuracy > 0.7


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there are ravdess, tess, crema_d"):
        score("emodb", tmp_path)
    with pytest.raises(DatasetError, match=r"Actor_NN/03-01-EE"):
        score("ravdess", tmp_path)
    clip = tmp_path / "Actor_01" / "03-01-01-01-01-01-01.wav"
    clip.parent.mkdir()
    clip.touch()
    with pytest.raises(ModelNotFoundError, match="voice_nowhere"):
        score("ravdess", tmp_path, model="voice_nowhere")
