from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from emostress_ros.cli.main import main
from emostress_ros.errors import ParameterError
from emostress_ros.training.datasets import fer2013
from emostress_ros.training.face import study as face_study
from emostress_ros.training.face.data import prepare
from emostress_ros.training.study import StudyOptions


def test_the_study_compares_both_splits_and_goes_on_where_it_stopped(toy_set, tmp_path, capsys):
    words = ["study", "face", "--data", str(toy_set), "--quick", "--models", "cnn,logistic"]
    words += ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "docs")]
    assert main(words) == 0
    assert "epoch 1" in capsys.readouterr().out
    page = (tmp_path / "docs" / "face.md").read_text()
    assert "duplicates apart" in page and "person-disjoint |" not in page
    for row in ("`cnn`", "`logistic`", "FER+ (majority), 8 classes", "18.0 %", "58.0 %"):
        assert row in page
    assert (tmp_path / "docs" / "face_curves.png").stat().st_size > 5000
    assert main(words) == 0
    assert "epoch 1" not in capsys.readouterr().out
    assert (tmp_path / "docs" / "face.md").read_text() == page


def test_a_random_split_keeps_duplicates_and_the_official_one_does_not(toy_set):
    data = fer2013.load(toy_set)
    images = data.images.copy()
    images[:9] = images[400:409]
    copied = fer2013.Fer2013(images, data.labels, data.usage, data.votes)
    assert sum(len(part.faces) for part in prepare(copied, 0)[:2]) == 341
    assert sum(len(part.faces) for part in prepare(copied, 0, leaky=True)[:2]) == 350
    options = StudyOptions(toy_set, seed=1, progress=False)
    held = face_study.arena(copied, "random", options)
    assert len(held.test) == 42 and set(held.test.usage.tolist()) == {"PublicTest"}
    assert not np.array_equal(held.test.images, data.images[-42:])


def test_a_model_that_is_not_known_is_refused(toy_set):
    with pytest.raises(ParameterError, match="shipped"):
        face_study.study(StudyOptions(toy_set, models=("resnet152",)))
