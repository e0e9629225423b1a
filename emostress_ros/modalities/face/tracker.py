"""Stable ids for several faces.

Detections are matched to predicted boxes by overlap and distance (Hungarian method, Kuhn 1955), as
in SORT (Bewley et al., "Simple online and realtime tracking", ICIP 2016), with an alpha-beta filter
of constant velocity in place of the Kalman filter.

Memory is counted in *observed* time only: while a camera is dead no frame shows that a face has
left, so the ids resume when it returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from emostress_ros.errors import SignalError
from emostress_ros.modalities.face.boxes import FORBIDDEN, costs

FloatArray = npt.NDArray[np.float64]

MAX_TRACKS = 64
_GAP_S = 0.5  # a longer time between frames is a gap: nothing was observed in it


@dataclass
class Track:
    """One face over time.

    Attributes:
        number: counts from 1 and is never used again.
        box: (4,) smoothed left, top, right, bottom, px.
        velocity: (2,) of the centre, px/s.
        unseen_s: observed time since the face was last seen.
        frames: frames in which it was seen.
    """

    number: int
    box: FloatArray
    velocity: FloatArray
    unseen_s: float = 0.0
    frames: int = 1

    @property
    def name(self) -> str:
        """The id, ``face_1``, ``face_2`` and so on."""
        return f"face_{self.number}"


class FaceTracker:
    """Gives every detection the id of the face that it continues.

    Args:
        memory_s: how long a face may be hidden, in observed time, and keep its id.
        min_iou: least overlap with the predicted place.
        reach: greatest distance of the centres in face sizes where nothing overlaps.
        smoothing: weight of the past in the smoothed box, [0, 1).
    """

    def __init__(
        self,
        memory_s: float = 2.0,
        min_iou: float = 0.2,
        reach: float = 0.6,
        smoothing: float = 0.4,
    ) -> None:
        self.memory_s, self.min_iou, self.reach = memory_s, min_iou, reach
        self.smoothing = smoothing
        # Benedict and Bordner, "Synthesis of an optimal set of radar track-while-scan smoothing
        # equations", IRE Trans. Automatic Control 1962.
        self.velocity_gain = (1.0 - smoothing) ** 2 / (1.0 + smoothing)
        self.tracks: list[Track] = []
        self._next_number = 1
        self._last_ns: int | None = None

    def update(self, boxes: npt.NDArray[np.floating], stamp_ns: int) -> list[Track]:
        """Take the detections of one frame and return their tracks, in the same order.

        A stamp that jumps back (a looping bag) or far ahead (a dead camera) forgets velocities and
        keeps ids.

        Args:
            boxes: (n, 4) left, top, right, bottom, px.
            stamp_ns: of the frame, sensor clock.

        Raises:
            SignalError: boxes of another shape or not finite.
        """
        boxes = _checked(boxes)
        step_s = self._advance(stamp_ns)
        predicted = [self._predict(track, step_s) for track in self.tracks]
        matches = self._match(predicted, boxes)
        found = [
            self._follow(self.tracks[matches[row]], predicted[matches[row]], box, step_s)
            if row in matches
            else self._begin(box)
            for row, box in enumerate(boxes)
        ]
        self._forget(found, step_s)
        return found

    def expected(self, stamp_ns: int) -> list[FloatArray]:
        """Return where the faces of the last frame should be now.

        Nothing over a gap, and while somebody is hidden: they may return anywhere.

        Args:
            stamp_ns: of the frame to come, sensor clock.

        Returns:
            (4,) left, top, right, bottom of each, px.
        """
        step_s = -1.0 if self._last_ns is None else (stamp_ns - self._last_ns) * 1e-9
        hidden = any(track.unseen_s > 0.0 for track in self.tracks)
        if hidden or not 0.0 <= step_s <= _GAP_S:
            return []
        return [self._predict(track, step_s) for track in self.tracks]

    def reset(self) -> None:
        """Forget every face; numbers go on, so that no id is given twice."""
        self.tracks = []
        self._last_ns = None

    def _advance(self, stamp_ns: int) -> float:
        """Return the observed seconds since the last frame; 0 over a gap or a jump back."""
        last, self._last_ns = self._last_ns, stamp_ns
        step_s = 0.0 if last is None else (stamp_ns - last) * 1e-9
        if 0.0 <= step_s <= _GAP_S:
            return step_s
        for track in self.tracks:
            track.velocity = np.zeros(2)
        return 0.0

    def _predict(self, track: Track, step_s: float) -> FloatArray:
        # A hidden face is not expected to run on for long.
        fading = 1.0 if track.unseen_s == 0.0 else 0.5
        return (track.box.reshape(2, 2) + track.velocity * (step_s * fading)).reshape(4)

    def _match(self, predicted: Sequence[FloatArray], boxes: FloatArray) -> dict[int, int]:
        """Return detection row to track index."""
        if not len(predicted) or not len(boxes):
            return {}
        found = costs(boxes, np.stack(predicted), self.min_iou, self.reach)
        pairs = [
            (row, column)
            for row, line in enumerate(found.tolist())
            for column, cost in enumerate(line)
            if cost < FORBIDDEN
        ]
        matches = dict(pairs)
        if len(matches) == len(pairs) == len(set(matches.values())):
            return matches  # nobody has a choice
        best = zip(*linear_sum_assignment(found), strict=True)
        return {int(row): int(column) for row, column in best if found[row, column] < FORBIDDEN}

    def _follow(self, track: Track, predicted: FloatArray, box: FloatArray, step_s: float) -> Track:
        residual = box - predicted
        moved = (residual[:2] + residual[2:]) / 2
        if step_s > 0 and track.unseen_s == 0.0:
            track.velocity = track.velocity + (self.velocity_gain / step_s) * moved
        else:
            track.velocity = np.zeros(2)
        track.box = self.smoothing * predicted + (1.0 - self.smoothing) * box
        track.unseen_s, track.frames = 0.0, track.frames + 1
        return track

    def _begin(self, box: FloatArray) -> Track:
        track = Track(self._next_number, box.copy(), np.zeros(2))
        self._next_number += 1
        self.tracks.append(track)
        return track

    def _forget(self, found: list[Track], step_s: float) -> None:
        seen = {track.number for track in found}
        for track in self.tracks:
            if track.number not in seen:
                track.unseen_s += step_s
                track.velocity = track.velocity * 0.5
        kept = [t for t in self.tracks if t.number in seen or t.unseen_s <= self.memory_s]
        kept.sort(key=lambda track: track.unseen_s)
        self.tracks = kept[: max(MAX_TRACKS, len(found))]


def _checked(boxes: npt.NDArray[np.floating]) -> FloatArray:
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 4))
    if array.ndim != 2 or array.shape[1] != 4 or not np.isfinite(array).all():
        raise SignalError(f"boxes must be (n, 4) and finite; got shape {array.shape}")
    return array
