"""Boxes of faces: how they overlap, and which of several stand for one face.

A compiled kernel (``src/boxes.c``) compares them where it is installed, numpy elsewhere.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostress_ros.kernels import compiled

FloatArray = npt.NDArray[np.float32]

FORBIDDEN = 1e6
"""Cost of taking one box for another that it cannot be."""
_MOST_RATIO = 2.5  # of two sides
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
    if len(scores) == 1:
        return np.zeros(1, np.intp)
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
    first, second = (
        np.ascontiguousarray(first, np.float64),
        np.ascontiguousarray(second, np.float64),
    )
    run = _compiled()
    if run is not None:
        found = np.empty((len(first), len(second)), np.float32)
        run.overlaps(
            first.ctypes.data, len(first), second.ctypes.data, len(second), found.ctypes.data
        )
        return found
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = _area(np.maximum(high - low, 0.0))
    areas = [_area(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    ratio: FloatArray = (shared / np.maximum(union, 1e-9)).astype(np.float32)
    return ratio


def costs(
    boxes: npt.NDArray[np.float64], places: npt.NDArray[np.float64], min_iou: float, reach: float
) -> npt.NDArray[np.float64]:
    """Return what it costs to take each box for what was expected at each place.

    Args:
        boxes: (n, 4) left, top, right, bottom.
        places: (m, 4).
        min_iou: least overlap.
        reach: greatest distance of the centres, in mean sides, where they overlap less.

    Returns:
        (n, m), :data:`FORBIDDEN` where they are too far apart or of another size.
    """
    boxes, places = np.ascontiguousarray(boxes), np.ascontiguousarray(places)
    run = _compiled()
    if run is not None:
        found = np.empty((len(boxes), len(places)))
        run.costs(
            boxes.ctypes.data, len(boxes), places.ctypes.data, len(places), min_iou, reach,
            found.ctypes.data,
        )  # fmt: skip
        return found
    overlap = iou(boxes, places)
    sides, others = (
        np.maximum((box[:, 2] - box[:, 0] + box[:, 3] - box[:, 1]) / 2, 1e-6)
        for box in (boxes, places)
    )
    across, down = (
        (boxes[:, None, k] + boxes[:, None, k + 2] - places[:, k] - places[:, k + 2]) / 2
        for k in (0, 1)
    )
    distance = np.hypot(across, down) / ((sides[:, None] + others) / 2)
    ratio = sides[:, None] / others
    allowed = (overlap >= min_iou) | (distance <= reach)
    allowed &= (ratio < _MOST_RATIO) & (ratio > 1 / _MOST_RATIO)
    return np.where(allowed, (1.0 - overlap) + 0.5 * distance, FORBIDDEN)


def _area(sides: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    area: npt.NDArray[np.floating] = sides[..., 0] * sides[..., 1]
    return area


@dataclass(frozen=True)
class _Compiled:
    """The kernel's functions."""

    overlaps: Callable[..., None]
    costs: Callable[..., None]


@compiled
def _compiled(library: ctypes.CDLL) -> _Compiled:
    count, share, address = ctypes.c_int64, ctypes.c_double, ctypes.c_void_p
    overlaps = ctypes.CFUNCTYPE(None, address, count, address, count, address)
    costs = ctypes.CFUNCTYPE(None, address, count, address, count, share, share, address)
    return _Compiled(overlaps(("emostress_overlaps", library)), costs(("emostress_costs", library)))
