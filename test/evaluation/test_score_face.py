from __future__ import annotations

import numpy as np
import pytest

from emostress_ros.errors import DatasetError, ModelNotFoundError
from emostress_ros.evaluation.score_face import score
from emostress_ros.inference import ModelCard
from emostress_ros.modalities.face import FaceConfig
from emostress_ros.training.datasets import fer2013


def write_csv(path, images, labels, usages):
    rows = [
        f"{label},{' '.join(map(str, image.ravel()))},{usage}"
        for image, label, usage in zip(images, labels, usages, strict=True)
    ]
    path.write_text("emotion,pixels,Usage\n" + "\n".join(rows) + "\n")


def test_the_card_s_figures_come_out_again(shared_data):
    card = ModelCard.load(FaceConfig().model)
    assert {figure["dataset"] for figure in card.figures} == {"fer2013", "ferplus"}
    whole = [figure for figure in card.figures if "part" not in figure]
    assert len(whole) == 2  # test/cli/test_figures.py finds the parts inside their scores
    for figure in whole:
        scored = score(figure["dataset"], shared_data / "face", split="publictest", progress=False)
        assert scored.n == figure["n"]
        assert scored.accuracy == pytest.approx(figure["metrics"]["accuracy"], abs=0.005)
        assert scored.uar == pytest.approx(figure["metrics"]["uar"], abs=0.005)


def test_the_official_csv_is_scored_on_what_is_held_out(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 48, 48))
    usages = ["Training", "Training", "PublicTest", "PublicTest", "PrivateTest"] + ["Training"] * 3
    write_csv(tmp_path / "fer2013.csv", images, [0, 1, 2, 3, 4, 5, 6, 0], usages)
    assert score("fer2013", tmp_path, progress=False).n == 3
    assert score("fer2013", tmp_path, split="privatetest", progress=False).n == 1
    everything = score("fer2013", tmp_path, split="all", progress=False)
    assert everything.n == 8 and everything.labels == fer2013.LABELS
    assert set(everything.to_json_dict()) >= {"accuracy", "uar", "ece", "confusion", "ci95"}
    with pytest.raises(DatasetError, match="votes"):
        score("ferplus", tmp_path, progress=False)


def test_faces_without_a_label_are_skipped_and_counted(tmp_path):
    images = np.zeros((4, 48, 48), int)
    write_csv(tmp_path / "fer2013.csv", images, [-1, 3, -1, 4], ["PublicTest"] * 4)
    scored = score("fer2013", tmp_path, progress=False)
    assert scored.n == 2 and scored.extra["skipped"] == 2
    write_csv(tmp_path / "fer2013.csv", images[:2], [-1, -1], ["PublicTest"] * 2)
    with pytest.raises(DatasetError, match="label"):
        score("fer2013", tmp_path, progress=False)


def test_wrong_names_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="affectnet"):
        score("affectnet", tmp_path)
    with pytest.raises(DatasetError, match="no FER2013"):
        score("fer2013", tmp_path)
    write_csv(tmp_path / "fer2013.csv", np.zeros((1, 48, 48), int), [1], ["PublicTest"])
    with pytest.raises(DatasetError, match="split"):
        score("fer2013", tmp_path, split="test")
    with pytest.raises(ModelNotFoundError, match="no_such"):
        score("fer2013", tmp_path, model="no_such")
