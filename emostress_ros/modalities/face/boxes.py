"""Boxes of faces: how they overlap, and which of several stand for one face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

_FEW = 64


@dataclass(frozen=True)
class Faces:
    """Detections of one frame, in pixels of that frame, the best first.

    Attributes:
        boxes: (n, 4) left, top, right, bottom.
        landmarks: (n, 5, 2) x, y of the person's right eye, left eye, nose tip, right and left
            corner of the mouth.
        scores: (n,) in [0, 1].
    """

    boxes: FloatArray
    landmarks: FloatArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> Faces:
        return Faces(self.boxes[rows], self.landmarks[rows], self.scores[rows])

    @property
    def sides(self) -> FloatArray:
        """(n,) shorter side of each box, px."""
        sides: FloatArray = (self.boxes[:, 2:] - self.boxes[:, :2]).min(axis=1, initial=np.inf)
        return sides


def suppress(boxes: FloatArray, scores: FloatArray, overlap: float) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression.

    Args:
        boxes: (n, 4) left, top, right, bottom.
        scores: (n,).
        overlap: of two boxes with a greater IoU the lower-scored goes.

    Returns:
        the rows to keep, best first.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    if len(order) <= _FEW:  # all pairs at once cost less than a call for each
        clashes = (iou(boxes[order], boxes[order]) > overlap).tolist()
        for row, clash in enumerate(clashes):
            if not any(clash[other] for other in kept):
                kept.append(row)
        return np.asarray(order[kept], np.intp)
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        order = rest[iou(boxes[best : best + 1], boxes[rest])[0] <= overlap]
    return np.array(kept, dtype=np.intp)


def iou(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> FloatArray:
    """Intersection over union of every box (n, 4) with every box (m, 4): (n, m)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = _area(np.maximum(high - low, 0.0))
    areas = [_area(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    ratio: FloatArray = (shared / np.maximum(union, 1e-9)).astype(np.float32)
    return ratio


def _area(sides: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    area: npt.NDArray[np.floating] = sides[..., 0] * sides[..., 1]
    return area
