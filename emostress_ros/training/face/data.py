"""FER2013 as training tensors: test duplicates dropped, own duplicates merged, a part held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets import fer2013

VALIDATION_PART = 0.08


@dataclass(frozen=True)
class FaceSet:
    """Training tensors: faces (N, 1, 48, 48) uint8 and a label distribution for each head.

    A row of zeros in a distribution means "no label for this head".
    """

    faces: Tensor
    emotion: Tensor
    ferplus: Tensor

    def to(self, device: torch.device) -> FaceSet:
        """Return the set on ``device``."""
        return FaceSet(*(t.to(device) for t in (self.faces, self.emotion, self.ferplus)))


def prepare(
    data: fer2013.Fer2013, seed: int, limit: int = 0, *, leaky: bool = False
) -> tuple[FaceSet, FaceSet, str]:
    """Split the Training rows into training and validation; return both and a report.

    Dropped from training, unless ``leaky`` (the literature's random split): exact and near
    duplicates of PublicTest and PrivateTest and of the validation part.  Exact duplicates within
    the training part are merged: their label distributions are averaged.
    """
    rows = data.select(data.usage == "Training")
    tests = data.select(data.usage != "Training")
    if len(rows) == 0:
        raise DatasetError("the file holds no row of usage 'Training'")
    against = tests.images[:0] if leaky else tests.images
    exact = fer2013.exact_duplicates(rows.images, against)
    near = fer2013.near_duplicates(rows.images, against) & ~exact
    rows = rows.select(~(exact | near))
    faces, emotion, ferplus = _merge(rows)
    order = np.random.default_rng(seed).permutation(len(faces))[: limit or len(faces)]
    cut = max(1, round(VALIDATION_PART * len(order)))
    held, kept = order[:cut], order[cut:]
    kept = kept if leaky else kept[~fer2013.near_duplicates(faces[kept], faces[held])]
    report = (
        f"training {len(kept)}, validation {len(held)}; dropped as duplicates of a test part: "
        f"{exact.sum()} exact, {near.sum()} near; of validation: {len(order) - cut - len(kept)}"
    )
    train, validation = (_face_set(faces, emotion, ferplus, part) for part in (kept, held))
    return train, validation, report


def all_there(train: FaceSet) -> None:
    """See that every expression can be learned.

    Raises:
        DatasetError: names those of which there is no face.
    """
    counts = train.emotion.sum(0).tolist()
    missing = [name for name, count in zip(fer2013.LABELS, counts, strict=True) if not count]
    if missing:
        raise DatasetError(
            f"no face to learn from is labelled {', '.join(missing)}; needed are "
            f"{', '.join(fer2013.LABELS)}"
        )


def _merge(rows: fer2013.Fer2013) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return unique faces with the mean label distributions of their copies."""
    emotion = np.zeros((len(rows), len(fer2013.LABELS)), np.float32)
    known = np.flatnonzero(rows.labels >= 0)
    emotion[known, rows.labels[known]] = 1.0
    votes = rows.votes
    width = len(fer2013.FERPLUS_LABELS)
    ferplus = (
        np.zeros((len(rows), width), np.float32)
        if votes is None
        else fer2013.ferplus_distribution(votes)
    )
    seen: dict[bytes, int] = {}
    index = np.array([seen.setdefault(face.tobytes(), len(seen)) for face in rows.images])
    first = np.unique(index, return_index=True)[1]
    merged = [np.zeros((len(seen), part.shape[1]), np.float32) for part in (emotion, ferplus)]
    for sums, part in zip(merged, (emotion, ferplus), strict=True):
        np.add.at(sums, index, part)
        sums /= np.maximum(sums.sum(1, keepdims=True), 1e-9)
    return rows.images[first], merged[0], merged[1]


def _face_set(
    faces: np.ndarray, emotion: np.ndarray, ferplus: np.ndarray, part: np.ndarray
) -> FaceSet:
    arrays = (faces[part][:, None], emotion[part], ferplus[part])
    return FaceSet(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))
