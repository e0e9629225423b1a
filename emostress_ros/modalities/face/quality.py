"""How far a face can be trusted: its size, its sharpness, and how it is turned."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostress_ros.modalities.face.faces_compiled import SIDE, face_kernels

SIZE_FULL_PX = 80.0
"""Faces of at least this side (shorter one) lose nothing: the net sees 48 px."""

SHARPNESS_FULL = 0.020
"""Sharpness (see :func:`sharpness`) from which on a face counts as sharp."""


@dataclass(frozen=True)
class FaceQuality:
    """Parts of the quality, each in [0, 1], and the pose they come from.

    Attributes:
        size: 1 for a face of 80 px and more.
        sharpness: 1 for a focused face.
        pose: 1 for a frontal face, 0 for a profile.
        yaw_deg: turn to the side, about; positive towards the image's right.
        roll_deg: tilt of the line of the eyes; positive clockwise in the image.
    """

    size: float
    sharpness: float
    pose: float
    yaw_deg: float
    roll_deg: float

    @property
    def combined(self) -> float:
        """Product of the parts, [0, 1]: one spoilt part spoils the whole."""
        return self.size * self.sharpness * self.pose


def assess(
    face: npt.NDArray[np.uint8],
    box: npt.NDArray[np.floating],
    landmarks: npt.NDArray[np.floating],
) -> FaceQuality:
    """Judge one face.

    Args:
        face: (48, 48) uint8 grey, aligned.
        box: (4,) left, top, right, bottom in the image, px.
        landmarks: (5, 2) right eye, left eye, nose, right and left corner of the mouth, px.
    """
    return assess_each(face[None], box[None], landmarks[None])[0]


def assess_each(
    faces: npt.NDArray[np.uint8],
    boxes: npt.NDArray[np.floating],
    landmarks: npt.NDArray[np.floating],
) -> list[FaceQuality]:
    """Judge n faces.

    Args:
        faces: (n, 48, 48) uint8 grey, aligned.
        boxes: (n, 4) left, top, right, bottom in the image, px.
        landmarks: (n, 5, 2) right eye, left eye, nose, right and left corner of the mouth, px.
    """
    # A few faces: each call of numpy would cost more than all of this.
    sides = [min(right - left, low - top) for left, top, right, low in boxes.tolist()]
    return [
        _quality(side, focus, *pose(points))
        for side, focus, points in zip(sides, _sharpness(faces), landmarks, strict=True)
    ]


def _quality(side: float, focus: float, yaw_deg: float, roll_deg: float) -> FaceQuality:
    size = min(max(side / SIZE_FULL_PX, 0.0), 1.0)
    sharp = min(max(focus / SHARPNESS_FULL, 0.0), 1.0)
    return FaceQuality(size, sharp, _frontal(yaw_deg, roll_deg), yaw_deg, roll_deg)


def _frontal(yaw_deg: float, roll_deg: float) -> float:
    """Return 1 for an upright frontal face; a tilt, which alignment undoes, counts half."""
    turned, tilted = math.cos(math.radians(yaw_deg)), math.cos(math.radians(roll_deg))
    return max(0.0, turned) * (0.5 + 0.5 * tilted)


def sharpness(face: npt.NDArray[np.uint8]) -> float:
    """Return the energy of the Laplacian relative to the face's contrast.

    Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000), divided by the variance of the grey
    levels so that light and skin drop out; 0 for a face without contrast.
    """
    return _sharpness(face[None])[0]


def _sharpness(faces: npt.NDArray[np.uint8]) -> list[float]:
    compiled = face_kernels()
    if compiled is not None and faces.shape[1:] == (SIDE, SIDE):
        variances = compiled.variances(faces).tolist()
    else:
        levels = faces.astype(np.float32)
        laplacian = (
            levels[:, :-2, 1:-1] + levels[:, 2:, 1:-1] + levels[:, 1:-1, :-2]
            + levels[:, 1:-1, 2:] - 4.0 * levels[:, 1:-1, 1:-1]
        )  # fmt: skip
        contrast = levels.var(axis=(1, 2)).astype(np.float64)
        energy = laplacian.var(axis=(1, 2)).astype(np.float64)
        variances = list(zip(contrast.tolist(), energy.tolist(), strict=True))
    return [
        energy / (contrast + 1.0) / 16.0 if contrast > 1.0 else 0.0
        for contrast, energy in variances
    ]


def pose(landmarks: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Return (yaw, roll) in degrees from five landmarks.

    Roll is the tilt of the line through the eyes.  Yaw: on a head of about spherical front the
    nose tip leaves the middle between the eyes by half the eyes' distance at 45 degrees or so.
    """
    (right_x, right_y), (left_x, left_y), (nose_x, nose_y) = landmarks[:3].tolist()
    across, down = left_x - right_x, left_y - right_y
    distance = math.hypot(across, down)
    if not distance >= 1e-6:
        return 90.0, 0.0
    aside = (nose_x - (right_x + left_x) / 2) * across + (nose_y - (right_y + left_y) / 2) * down
    turn = 2.0 * aside / distance**2
    yaw = math.degrees(math.atan(min(max(turn, -4.0), 4.0)))
    return yaw, math.degrees(math.atan2(down, across))
