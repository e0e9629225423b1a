"""Scores a face model on FER2013 (seven classes) or FER+ (majority of the raters, eight)."""

from __future__ import annotations

from pathlib import Path

from emostress_ros import metrics
from emostress_ros.errors import DatasetError
from emostress_ros.inference import ModelCard
from emostress_ros.modalities.face import FaceConfig
from emostress_ros.training.datasets import fer2013
from emostress_ros.training.face.evaluate import DATASETS, evaluate


def score(
    dataset: str,
    path: Path,
    *,
    split: str | None = None,
    model: str | None = None,
    baseline: str = "rest",
    progress: bool = True,
) -> metrics.Score:
    """Score a model on FER2013's npz or official csv.

    Args:
        dataset: ``fer2013``, or ``ferplus`` for the majority vote of the FER+ raters.
        path: the file, or the folder that holds it.
        split: ``training``, ``publictest``, ``privatetest`` or ``all``; None scores every held-out
            usage that is there, or everything where there is only Training.
        model: model folder's name or path; None takes the shipped one.
        baseline: without meaning for faces.
        progress: show a bar on standard error.

    Returns:
        the score; faces without a label are skipped and counted in ``skipped``.

    Raises:
        DatasetError: an unknown set or split, or files that are missing or malformed.
        ModelError: the model cannot be used.
    """
    if dataset not in DATASETS:
        raise DatasetError(f"face: no data set '{dataset}'; there are {', '.join(DATASETS)}")
    data = fer2013.held_out(fer2013.load(path), split)
    card = ModelCard.load(model or FaceConfig().model)
    return evaluate(dataset, card, data, progress=progress)
