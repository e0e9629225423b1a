"""How far a face can be trusted: its size, its sharpness, and how it is turned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
    side = float(min(box[2] - box[0], box[3] - box[1]))
    yaw, roll = pose(landmarks)
    return FaceQuality(
        size=float(np.clip(side / SIZE_FULL_PX, 0.0, 1.0)),
        sharpness=float(np.clip(sharpness(face) / SHARPNESS_FULL, 0.0, 1.0)),
        pose=_frontal(yaw, roll),
        yaw_deg=yaw,
        roll_deg=roll,
    )


def _frontal(yaw_deg: float, roll_deg: float) -> float:
    """Return 1 for an upright frontal face; a tilt, which alignment undoes, counts half."""
    turned, tilted = np.cos(np.radians([yaw_deg, roll_deg]))
    return float(max(0.0, turned) * (0.5 + 0.5 * tilted))


def sharpness(face: npt.NDArray[np.uint8]) -> float:
    """Return the energy of the Laplacian relative to the face's contrast.

    Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000), divided by the variance of the grey
    levels so that light and skin drop out; 0 for a face without contrast.
    """
    levels = face.astype(np.float32)
    laplacian = (
        levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:]
        - 4.0 * levels[1:-1, 1:-1]
    )  # fmt: skip
    contrast = float(levels.var())
    return float(laplacian.var()) / (contrast + 1.0) / 16.0 if contrast > 1.0 else 0.0


def pose(landmarks: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Return (yaw, roll) in degrees from five landmarks.

    Roll is the tilt of the line through the eyes.  Yaw: on a head of about spherical front the
    nose tip leaves the middle between the eyes by half the eyes' distance at 45 degrees or so.
    """
    right_eye, left_eye, nose = landmarks[0], landmarks[1], landmarks[2]
    line = left_eye - right_eye
    distance = float(np.hypot(*line))
    if distance < 1e-6:
        return 90.0, 0.0
    along = float(np.dot(nose - (right_eye + left_eye) / 2, line)) / distance
    yaw = float(np.degrees(np.arctan(np.clip(2.0 * along / distance, -4.0, 4.0))))
    return yaw, float(np.degrees(np.arctan2(line[1], line[0])))
