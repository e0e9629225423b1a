"""Cut faces out in the framing of the training set.

The similarity transform (turn, scale, shift) that best maps five landmarks onto a template is
found by least squares (Umeyama, "Least-squares estimation of transformation parameters between two
point patterns", PAMI 1991).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import SignalError
from emostress_ros.modalities.face.cuts import SUPERSAMPLE, Matrix, upright, warp

SIDE = 48

TEMPLATE: npt.NDArray[np.float32] = np.array(
    [[14.5, 18.5], [32.9, 18.5], [23.7, 28.5], [15.9, 36.2], [31.5, 36.2]], dtype=np.float32
)
"""Where right eye, left eye, nose tip, right and left corner of the mouth lie in a 48×48 face:
the medians of what the detector finds in FER2013's training faces, made symmetric."""


def similarity_transform(
    source: npt.NDArray[np.floating], target: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Return the (2, 3) matrix [sR | t] that maps ``source`` onto ``target`` with least error.

    In the plane Umeyama's solution is one complex division: with centred points p and q as complex
    numbers, s·e^{iθ} = Σ q·conj(p) / Σ |p|².  It never mirrors.

    Args:
        source: (n, 2) points, n >= 2, not all equal.
        target: (n, 2) points.

    Raises:
        SignalError: the points do not fit each other or all coincide.
    """
    turn, shift = _similarity(source, target)
    return np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]], np.float64
    )


def _similarity(
    source: npt.NDArray[np.floating], target: npt.NDArray[np.floating]
) -> tuple[complex, complex]:
    """Return s·e^{iθ} and the shift, of points as complex numbers."""
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2:
        raise SignalError(f"points must be (n, 2) twice; got {source.shape} and {target.shape}")
    # A few points: each call of numpy would cost more than all of this.
    p = [complex(x, y) for x, y in source.tolist()]
    q = [complex(x, y) for x, y in target.tolist()]
    centre_p, centre_q = sum(p) / max(1, len(p)), sum(q) / max(1, len(q))
    p = [point - centre_p for point in p]
    spread = sum(point.real**2 + point.imag**2 for point in p)
    if not math.isfinite(spread) or spread < 1e-9:
        raise SignalError("landmarks must be finite and apart from each other")
    turns = [one.conjugate() * (other - centre_q) for one, other in zip(p, q, strict=True)]
    turn = sum(turns) / spread
    if abs(turn) < 1e-9:
        raise SignalError("landmarks must resemble a face; these fit it at no size")
    return turn, centre_q - turn * centre_p


def align_faces(
    image: npt.NDArray[np.uint8], landmarks: npt.NDArray[np.floating]
) -> npt.NDArray[np.uint8]:
    """Return (n, 48, 48) faces at (n, 5, 2) landmarks, n >= 1, each as :func:`align_face` does.

    Raises:
        SignalError: landmarks coincide or are not finite.
    """
    drawn = upright(image, landmarks, TEMPLATE, SIDE)
    return np.stack([align_face(image, points) for points in landmarks]) if drawn is None else drawn


def align_face(
    image: npt.NDArray[np.uint8], landmarks: npt.NDArray[np.floating]
) -> npt.NDArray[np.uint8]:
    """Return the (48, 48) uint8 grey face at five landmarks.

    The face's surroundings are reduced by a box filter first, so that a large face does not alias;
    the result is sampled twice as finely as needed and averaged.

    Args:
        image: (H, W, 3) uint8 RGB.
        landmarks: (5, 2) pixels, in the order of :data:`TEMPLATE`.

    Raises:
        SignalError: the landmarks coincide or are not finite.
    """
    turn, shift = _similarity(landmarks, TEMPLATE)
    scale = abs(turn)  # 48-px face per image pixel
    backward = _backward(turn, shift)
    width, height = image.shape[1], image.shape[0]
    low, high = _footprint(backward)
    left, top = (_within(at, 0, most - 1) for at, most in zip(low, (width, height), strict=True))
    right = _within(high[0], left + 1, width)
    bottom = _within(high[1], top + 1, height)
    shrink = max(1, int(1.0 / (scale * SUPERSAMPLE)))
    over_edge = (left, top) != low or (right, bottom) != high
    # From a pixel centre of the fine output to the reduced patch.
    a, b, c, d, e, f = backward
    fine = SUPERSAMPLE * shrink
    matrix = (a / fine, b / fine, (c - left) / shrink, d / fine, e / fine, (f - top) / shrink)
    return warp(image[top:bottom, left:right], shrink, matrix, SIDE, over_edge)


def _within(at: int, least: int, most: int) -> int:
    return min(max(at, least), most)


def _backward(turn: complex, shift: complex) -> Matrix:
    """Return the matrix from the 48-px face to the image: z ↦ (z - shift) / turn, by rows."""
    back = 1.0 / turn
    moved = -shift * back
    return back.real, -back.imag, moved.real, back.imag, back.real, moved.imag


def _footprint(backward: Matrix) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the part of the plane, (left, top) and (right, bottom), that the face needs."""
    a, b, c, d, e, f = backward
    across = [c + a * x + b * y for x in (0, SIDE) for y in (0, SIDE)]
    down = [f + d * x + e * y for x in (0, SIDE) for y in (0, SIDE)]
    low = (math.floor(min(across)) - 2, math.floor(min(down)) - 2)
    return low, (math.ceil(max(across)) + 2, math.ceil(max(down)) + 2)
