"""How much a mouth moves: the sign by which a speaking face is told from a silent one.

Two aligned faces of one person differ because the mouth moves, because the head turns, and because
the landmarks that they were aligned by tremble. The turn is, to first order, an affine motion of
the patch with a change of light, and is taken out by least squares (Lucas and Kanade, "An iterative
image registration technique with an application to stereo vision", IJCAI 1981, in its affine form).
The trembling is new with every frame and does not grow with time, whereas a speaking mouth opens or
closes for about an eighth of a second: a syllable lasts a quarter of one (Chandrasekaran et al.,
"The natural statistics of audiovisual speech", PLoS Comput. Biol. 5 (2009): 2 to 7 Hz). So what
differs from one frame to the next is taken off what differs over a syllable's half.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from emostress_ros.modalities.face.faces_compiled import SIDE, FloatArray, face_kernels

MOUTH = (slice(30, 46), slice(12, 36))
"""Rows and columns of the mouth in a 48×48 face of ``alignment.TEMPLATE``."""
SPAN_NS = 160_000_000
"""Time over which a mouth is compared with itself."""
_SPANS_NS = (120_000_000, 240_000_000)  # allowed where no frame lies just so
_LONGEST_STEP_NS = 100_000_000  # a slower camera does not tell trembling from motion
_LEAST_DEVIATION = 8.0  # grey levels: a flat face has no contrast to measure motion in


def _plane(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    return rows - rows.mean(), columns - columns.mean()


_ROWS, _COLUMNS = _plane((MOUTH[0].stop - MOUTH[0].start, MOUTH[1].stop - MOUTH[1].start))


def differences(before: FloatArray, after: FloatArray) -> FloatArray:
    """Return what differs between pairs of mouths beyond an affine motion and a change of light.

    Args:
        before: (n, 16, 24) mouths of standardised faces.
        after: the same at another time.

    Returns:
        (n,) mean squares, in variances of the face's grey levels.
    """
    compiled = face_kernels()
    if compiled is not None:
        return compiled.differences(before, after)
    mean = (before + after) / 2
    down, across = np.gradient(mean, axis=(1, 2))
    columns = (
        across, down, across * _COLUMNS, across * _ROWS, down * _COLUMNS, down * _ROWS,
        np.ones_like(mean), mean,
    )  # fmt: skip
    basis = np.stack(columns, axis=1).reshape(len(mean), len(columns), -1)
    change = (after - before).reshape(len(mean), -1, 1)
    # A ridge, because a flat patch has no gradients to explain anything by.
    normal = basis @ basis.transpose(0, 2, 1) + 1e-6 * np.eye(len(columns))
    left = change - basis.transpose(0, 2, 1) @ np.linalg.solve(normal, basis @ change)
    squares: FloatArray = np.mean(left[..., 0] ** 2, axis=1)
    return squares


class MouthMotion:
    """Motion of the mouth of every tracked face."""

    def __init__(self) -> None:
        self._past: dict[str, deque[tuple[int, FloatArray]]] = {}

    def update(
        self, tracks: list[str], faces: npt.NDArray[np.uint8], stamp_ns: int
    ) -> list[float | None]:
        """Take one frame's faces.

        Args:
            tracks: names of n tracks.
            faces: (n, 48, 48) uint8 grey, aligned, in the same order.
            stamp_ns: of the frame, sensor clock.

        Returns:
            what differs over `SPAN_NS` less what differs from the frame before, in variances of
            the face's grey levels: 0 on average for a mouth at rest, single values lie about it on
            both sides. None while the face is not followed for so long, or with less than ten
            frames a second.
        """
        gone = self._past.keys() - set(tracks)
        for track in gone:
            del self._past[track]
        mouths = _mouths(faces)
        pairs = [self._pair(track, stamp_ns) for track in tracks]
        known = [row for row, pair in enumerate(pairs) if pair is not None]
        motions: list[float | None] = [None] * len(tracks)
        if known:
            before = np.concatenate([pair for pair in pairs if pair is not None])
            found = differences(before, np.repeat(mouths[known], 2, axis=0))
            for row, far, near in zip(known, found[::2], found[1::2], strict=True):
                motions[row] = float(far - near)
        for track, mouth in zip(tracks, mouths, strict=True):
            self._past[track].append((stamp_ns, mouth))
        return motions

    def reset(self) -> None:
        """Forget every face."""
        self._past.clear()

    def _pair(self, track: str, stamp_ns: int) -> FloatArray | None:
        """Return (2, 16, 24): a track's mouth `SPAN_NS` before, and the last; None without."""
        past = self._past.setdefault(track, deque())
        if past and not 0 < stamp_ns - past[-1][0] <= _LONGEST_STEP_NS:
            past.clear()
        while past and stamp_ns - past[0][0] > _SPANS_NS[1]:
            past.popleft()
        if not past:
            return None
        seen_ns, before = min(past, key=lambda one: abs(stamp_ns - one[0] - SPAN_NS))
        if stamp_ns - seen_ns < _SPANS_NS[0]:
            return None
        return np.stack([before, past[-1][1]])


def _mouths(faces: npt.NDArray[np.uint8]) -> FloatArray:
    """(n, 48, 48) faces to (n, 16, 24) mouths of standardised faces."""
    compiled = face_kernels()
    if compiled is not None and faces.shape[1:] == (SIDE, SIDE):
        return compiled.mouths(faces)
    levels = faces.astype(np.float64)
    mean, deviation = levels.mean(axis=(1, 2)), levels.std(axis=(1, 2)) + _LEAST_DEVIATION
    mouths = levels[:, MOUTH[0], MOUTH[1]] - mean[:, None, None]
    standardised: FloatArray = mouths / deviation[:, None, None]
    return standardised
