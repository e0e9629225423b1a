"""Cut faces out in the framing of the training set.

The similarity transform (turn, scale, shift) that best maps five landmarks onto a template is
found by least squares (Umeyama, "Least-squares estimation of transformation parameters between two
point patterns", PAMI 1991).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from emostress_ros.errors import SignalError

SIDE = 48

TEMPLATE: npt.NDArray[np.float32] = np.array(
    [[14.5, 18.5], [32.9, 18.5], [23.7, 28.5], [15.9, 36.2], [31.5, 36.2]], dtype=np.float32
)
"""Where right eye, left eye, nose tip, right and left corner of the mouth lie in a 48×48 face:
the medians of what the detector finds in FER2013's training faces, made symmetric."""

_SUPERSAMPLE = 2


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
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2:
        raise SignalError(f"points must be (n, 2) twice; got {source.shape} and {target.shape}")
    p = source[:, 0].astype(np.float64) + 1j * source[:, 1]
    q = target[:, 0].astype(np.float64) + 1j * target[:, 1]
    centre_p, centre_q = p.mean(), q.mean()
    spread = float(np.sum(np.abs(p - centre_p) ** 2))
    if not np.isfinite(spread) or spread < 1e-9:
        raise SignalError("landmarks must be finite and apart from each other")
    turn = np.sum((q - centre_q) * np.conj(p - centre_p)) / spread
    shift = centre_q - turn * centre_p
    return np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]], np.float64
    )


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
    forward = similarity_transform(landmarks, TEMPLATE)
    scale = float(np.hypot(forward[0, 0], forward[1, 0]))  # 48-px face per image pixel
    backward = _invert(forward)
    left, top, right, bottom = _footprint(backward, image.shape[1], image.shape[0])
    patch = Image.fromarray(image[top:bottom, left:right]).convert("L")
    shrink = max(1, int(1.0 / (scale * _SUPERSAMPLE)))
    if shrink > 1:
        patch = patch.reduce(shrink)
    # From a pixel centre of the fine output to the reduced patch (Pillow adds the half pixels).
    matrix = backward.copy()
    matrix[:, :2] /= _SUPERSAMPLE
    matrix[:, 2] -= (left, top)
    matrix /= shrink
    size = SIDE * _SUPERSAMPLE
    coefficients = tuple(float(value) for value in matrix.ravel())
    fine = patch.transform(
        (size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR,
        fillcolor=int(np.asarray(patch).mean()),
    )  # fmt: skip
    return np.asarray(fine.reduce(_SUPERSAMPLE))


def _invert(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    inverse = np.linalg.inv(matrix[:, :2])
    return np.concatenate([inverse, -inverse @ matrix[:, 2:]], axis=1)


def _footprint(
    backward: npt.NDArray[np.float64], width: int, height: int
) -> tuple[int, int, int, int]:
    """Return the part of the image (left, top, right, bottom) that the face needs."""
    corners = np.array([[0, 0, 1], [SIDE, 0, 1], [0, SIDE, 1], [SIDE, SIDE, 1]], np.float64)
    points = corners @ backward.T
    low, high = np.floor(points.min(axis=0)) - 2, np.ceil(points.max(axis=0)) + 2
    left, top = np.clip(low, 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(high, (left + 1, top + 1), (width, height)).astype(int)
    return int(left), int(top), int(right), int(bottom)
