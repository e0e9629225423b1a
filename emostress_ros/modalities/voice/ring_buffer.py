"""Bounded buffers of a stream: overlapping frames, and the last seconds of rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import SignalError


def frames_of(
    samples: npt.NDArray[np.floating], length: int, hop: int, start: int = 0, end: int | None = None
) -> npt.NDArray[np.floating]:
    """Return the (frames, length) that [start, end) of contiguous samples hold: a view."""
    available = (len(samples) if end is None else end) - start
    count = max(0, (available - length) // hop + 1)
    step = samples.itemsize
    return np.ndarray((count, length), samples.dtype, samples, start * step, (hop * step, step))


class FrameBuffer:
    """Cuts a stream of samples into overlapping frames, whatever the length of its pieces.

    Args:
        length: samples of a frame.
        hop: samples from one frame to the next, at most ``length``.
        dtype: of the frames; float64 where differences of large sums follow.
    """

    def __init__(self, length: int, hop: int, dtype: npt.DTypeLike = np.float64) -> None:
        if not 0 < hop <= length:
            raise SignalError(f"hop must be 1 to {length} samples; got {hop}")
        self.length = length
        self.hop = hop
        self._held = np.empty(4 * length, dtype=dtype)
        self._start, self._end = 0, 0

    def push(self, samples: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Take (n,) samples and return the (frames, length) that they complete.

        It is a view, good until the next push: a sample is copied once, however many frames it is
        in.
        """
        self._make_room(len(samples))
        self._held[self._end : self._end + len(samples)] = samples
        self._end += len(samples)
        frames = frames_of(self._held, self.length, self.hop, self._start, self._end)
        self._start += len(frames) * self.hop
        return frames

    def reset(self) -> None:
        """Forget the unfinished frame."""
        self._start = self._end = 0

    def _make_room(self, count: int) -> None:
        if self._end + count <= len(self._held):
            return
        rest = self._held[self._start : self._end].copy()
        if len(rest) + count > len(self._held):
            self._held = np.empty(2 * (len(rest) + count), dtype=self._held.dtype)
        self._held[: len(rest)] = rest
        self._start, self._end = 0, len(rest)


class RowBuffer:
    """The newest rows of a stream, addressed by their index since the last reset.

    Rows lie in one array of twice the capacity, so that any stretch is a contiguous view and
    moving costs O(1) a row on the average.

    Args:
        capacity: rows kept.
        width: columns of a row.
    """

    def __init__(self, capacity: int, width: int) -> None:
        if capacity < 1 or width < 1:
            raise SignalError(f"capacity and width must be at least 1; got {capacity}, {width}")
        self.capacity = capacity
        self._rows = np.zeros((2 * capacity, width), dtype=np.float32)
        self._used = 0
        self.end = 0

    @property
    def start(self) -> int:
        """Index of the oldest row that is kept."""
        return self.end - min(self.end, self.capacity, self._used)

    def push(self, rows: npt.NDArray[np.floating]) -> None:
        """Append (n, width) rows; the oldest beyond ``capacity`` are forgotten."""
        self.end += len(rows)
        kept = rows[-self.capacity :]
        if self._used + len(kept) > len(self._rows):
            keep = min(self._used, self.capacity - len(kept))
            self._rows[:keep] = self._rows[self._used - keep : self._used].copy()
            self._used = keep
        self._rows[self._used : self._used + len(kept)] = kept
        self._used += len(kept)

    def between(self, start: int, end: int) -> npt.NDArray[np.float32]:
        """Return a copy of the rows [start, end) as far as they are kept."""
        first, last = max(start, self.start), min(end, self.end)
        if last <= first:
            return np.empty((0, self._rows.shape[1]), dtype=np.float32)
        shift = self._used - self.end
        return self._rows[first + shift : last + shift].copy()

    def newest(self, count: int) -> npt.NDArray[np.float32]:
        """Return the newest rows, at most ``count``: a view, good until the next push."""
        return self._rows[max(0, self._used - min(count, self.end)) : self._used]

    def reset(self) -> None:
        """Forget every row; the next one has index 0."""
        self._used = 0
        self.end = 0
