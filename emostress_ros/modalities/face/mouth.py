"""How much a mouth moves: the sign by which a speaking face is told from a silent one.

Two successive aligned faces differ because the mouth moves, and because the landmarks tremble and
the head turns.  The second part is, to first order, an affine motion of the patch with a change of
light, and is taken out by least squares (Lucas and Kanade, "An iterative image registration
technique with an application to stereo vision", IJCAI 1981, in its affine form); what is left of
the patch round the mouth is its own motion.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

MOUTH = (slice(30, 46), slice(12, 36))
"""Rows and columns of the mouth in a 48×48 face of ``alignment.TEMPLATE``."""
_LEAST_DEVIATION = 8.0  # grey levels: a flat face has no contrast to measure motion in
_LONGEST_STEP_NS = 250_000_000  # over a longer step the face has changed for other reasons


def _plane(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    return rows - rows.mean(), columns - columns.mean()


_ROWS, _COLUMNS = _plane((MOUTH[0].stop - MOUTH[0].start, MOUTH[1].stop - MOUTH[1].start))


def motion_between(before: FloatArray, after: FloatArray) -> float:
    """Return what differs between two mouths beyond an affine motion and a change of light.

    Args:
        before: (16, 24) mouth of a standardised face.
        after: the same of the next frame.

    Returns:
        root mean square, in standard deviations of the face's grey levels.
    """
    mean = (before + after) / 2
    down, across = np.gradient(mean)
    columns = (
        across, down, across * _COLUMNS, across * _ROWS, down * _COLUMNS, down * _ROWS,
        np.ones_like(mean), mean,
    )  # fmt: skip
    basis = np.stack([column.ravel() for column in columns])
    change = (after - before).ravel()
    # A ridge, because a flat patch has no gradients to explain anything by.
    normal = basis @ basis.T + 1e-6 * np.eye(len(basis))
    left = change - basis.T @ np.linalg.solve(normal, basis @ change)
    return float(np.sqrt(np.mean(left**2)))


class MouthMotion:
    """Motion of the mouth of every tracked face, from frame to frame."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, FloatArray]] = {}

    def update(
        self, tracks: list[str], faces: npt.NDArray[np.uint8], stamp_ns: int
    ) -> list[float | None]:
        """Take one frame's faces.

        Args:
            tracks: names of n tracks.
            faces: (n, 48, 48) uint8 grey, aligned, in the same order.
            stamp_ns: of the frame, sensor clock.

        Returns:
            the motion since the frame before; None for a face that was not seen at most 0.25 s
            before, or not before this moment.
        """
        mouths = [_mouth(face) for face in faces]
        motions = [
            self._motion(track, mouth, stamp_ns)
            for track, mouth in zip(tracks, mouths, strict=True)
        ]
        self._last = {track: (stamp_ns, mouth) for track, mouth in zip(tracks, mouths, strict=True)}
        return motions

    def reset(self) -> None:
        """Forget every face."""
        self._last.clear()

    def _motion(self, track: str, mouth: FloatArray, stamp_ns: int) -> float | None:
        seen_ns, before = self._last.get(track, (stamp_ns, mouth))
        if not 0 < stamp_ns - seen_ns <= _LONGEST_STEP_NS:
            return None
        return motion_between(before, mouth)


def _mouth(face: npt.NDArray[np.uint8]) -> FloatArray:
    levels = face.astype(np.float64)
    standardised: FloatArray = (levels - levels.mean()) / (levels.std() + _LEAST_DEVIATION)
    return standardised[MOUTH]
