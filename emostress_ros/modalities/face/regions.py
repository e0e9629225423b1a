"""Looks for known faces where they are expected, and at the whole frame only as often as needed.

A face that was seen in the last frame is looked for in a small square round its predicted place, at
a fifth or less of the cost of a frame.  What is found there is a detection like any other, with its
own score and landmarks: nothing is taken over from the last frame.  The whole frame is searched
when nobody is followed, when anybody is not found where expected, after a gap, and at least every
``interval_s``, which is how soon a newcomer is noticed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from emostress_ros.modalities.face.boxes import Faces, FloatArray, iou, suppress
from emostress_ros.modalities.face.detector import FaceDetector, check_rgb

Square = tuple[float, float, float]
"""Middle (x, y) and half a side, px, half > 0."""

REGION_PX = 96
"""Side of the square that a face's surroundings are scaled into; a multiple of 32."""

_SURROUNDINGS = 1.6  # side of the square in the image, in sides of the face
_ASIDE = 0.12  # most that a face may stand off the middle of its square, in sides of the square
_GROWN = 1.2  # most that a square may be larger or smaller than a new one would be
_SAME_FACE = 0.3  # least overlap (IoU) with the expected place
_REGION_SHARE = 0.15  # of a whole frame's cost, that one region of several is reckoned at


class GuidedDetector:
    """Faces of a frame, given where they are expected.

    Args:
        whole: searches whole frames.
        region: searches squares of :data:`REGION_PX`.
        interval_s: longest time between two searches of the whole frame; 0 searches every frame.

    Attributes:
        counts: frames searched, by ``whole`` and ``regions``.
    """

    def __init__(self, whole: FaceDetector, region: FaceDetector, interval_s: float) -> None:
        self.whole, self.region = whole, region
        self.interval_ns = round(1e9 * interval_s)
        self.counts: Counter[str] = Counter()
        self._searched_ns: int | None = None
        self._shape: tuple[int, ...] = ()
        self._squares: list[Square] = []

    def detect(
        self, image: npt.NDArray[np.uint8], stamp_ns: int, expected: Sequence[npt.NDArray]
    ) -> Faces:
        """Return the faces of an (H, W, 3) uint8 RGB image.

        Args:
            image: the frame.
            stamp_ns: of the frame, sensor clock.
            expected: (4,) left, top, right, bottom of each face followed, px.

        Raises:
            SignalError: the image is empty or of another shape or dtype.
        """
        check_rgb(image)
        if self._may_trust(image, stamp_ns, len(expected)):
            found = self._near(image, expected)
            if found is not None:
                self.counts["regions"] += 1
                return found
        self.counts["whole"] += 1
        self._searched_ns, self._shape = stamp_ns, image.shape
        return self.whole.detect(image)

    def reset(self) -> None:
        """Search the whole of the next frame."""
        self._searched_ns = None
        self._squares = []

    def _may_trust(self, image: npt.NDArray[np.uint8], stamp_ns: int, faces: int) -> bool:
        if self._searched_ns is None or image.shape != self._shape:
            return False
        cheaper = 0 < faces and faces * _REGION_SHARE < 1.0
        return cheaper and 0 <= stamp_ns - self._searched_ns < self.interval_ns

    def _near(self, image: npt.NDArray[np.uint8], expected: Sequence[npt.NDArray]) -> Faces | None:
        """Return the expected faces where all are found, each at its own place; else None."""
        # A square stays where it is while its face does: landmarks tremble with every new cut, and
        # the motion of a mouth is read from what is left when they do not.
        boxes = np.asarray(expected, np.float32).reshape(-1, 4)
        self._squares = [_kept(self._squares, box) for box in boxes.tolist()]
        places = [_inside(square, image.shape[1], image.shape[0]) for square in self._squares]
        if any(right - left < 2 or bottom - top < 2 for left, top, right, bottom in places):
            return None
        faces = _nearest(*self.region.detect_parts(image, places), boxes)
        if faces is None:
            return None
        kept = suppress(faces.boxes, faces.scores, self.whole.overlap)
        return faces[kept] if len(kept) == len(faces) else None


def _nearest(found: Faces, owners: npt.NDArray[np.intp], boxes: FloatArray) -> Faces | None:
    """Return the face of each part that stands where it is expected; None where one lacks it.

    Args:
        found: faces of n parts of an image.
        owners: the part of each.
        boxes: (n, 4) where each part's face is expected.
    """
    if len(found) == 0:
        return None
    overlap = iou(boxes, found.boxes)
    overlap[np.arange(len(boxes))[:, None] != owners] = 0.0
    if (overlap.max(axis=1) < _SAME_FACE).any():
        return None
    return found[overlap.argmax(axis=1)]


def _kept(squares: Sequence[Square], box: Sequence[float]) -> Square:
    """Return the square of before that still fits a face, or a new one round it."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = _SURROUNDINGS * max(box[2] - box[0], box[3] - box[1]) / 2
    for square in squares:
        aside = max(abs(square[0] - x), abs(square[1] - y)) / (2 * square[2])
        if aside <= _ASIDE and 1 / _GROWN <= square[2] / max(half, 1e-6) <= _GROWN:
            return square
    return x, y, half


def _inside(square: Square, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the part of the image (left, top, right, bottom) that a square covers."""
    x, y, half = square
    left, top = max(0, int(x - half)), max(0, int(y - half))
    return left, top, min(width, int(x + half) + 1), min(height, int(y + half) + 1)
