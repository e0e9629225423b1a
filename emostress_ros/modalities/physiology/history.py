"""What a person's features were so far: the present is read against the past.

A resting baseline ages: electrodes take half an hour to settle, wrists warm up under a strap. The
running past needs no protocol and follows such drifts. Two views of it go into the model, both
causal: the rank of the present among all that was seen, and its difference to the last minutes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS

RECENT_S = 300.0
"""Length of the recent past that the present is compared with."""
_SETTLE_S = 120.0  # history of this length makes a rank count half

Vector = npt.NDArray[np.float64]


class History:
    """The newest `capacity_s` seconds of one person's feature vectors.

    Args:
        size: number of features.
        step_s: time between two vectors.
        capacity_s: how much to keep; 0 keeps nothing, so that every window stands alone.
    """

    def __init__(self, size: int, step_s: float, capacity_s: float) -> None:
        self._keep = int(capacity_s / step_s)
        self._settle = _SETTLE_S / step_s
        self._ring = np.full((2 * max(1, self._keep), size), np.nan, np.float32)
        self._stamps = np.zeros(len(self._ring), np.int64)
        self._filled = 0

    def __len__(self) -> int:
        return self._filled if self._keep else 0

    def add(self, stamp_ns: int, values: Vector) -> None:
        """Append the features of the window that ends at `stamp_ns`, in the order of time."""
        if not self._keep:
            return
        if self._filled == len(self._ring):
            self._ring[: self._keep] = self._ring[-self._keep :].copy()
            self._stamps[: self._keep] = self._stamps[-self._keep :].copy()
            self._filled = self._keep
        self._ring[self._filled] = values
        self._stamps[self._filled] = stamp_ns
        self._filled += 1

    def rank(self, values: Vector) -> Vector:
        """Share of the past below the present, minus one half: shape (features,), [-0.5, 0.5].

        Drawn towards 0 while the past is short; NaN where the feature is not there.
        """
        past = self._past()
        known = np.sum(np.isfinite(past), axis=0)
        below = np.sum(past < np.asarray(values, np.float32), axis=0)
        rank = (below - 0.5 * known) / (known + self._settle)
        return np.where(np.isfinite(values), rank, np.nan)

    def change(self, values: Vector) -> Vector:
        """Present minus the mean of the last `RECENT_S` seconds, the present included."""
        past = self._past()
        if not len(past):
            return np.where(np.isfinite(values), 0.0, np.nan)
        stamps = self._stamps[self._filled - len(past) : self._filled]
        recent = past[stamps > stamps[-1] - round(RECENT_S * NANOSECONDS)]
        known = np.sum(np.isfinite(recent), axis=0)
        mean = np.nansum(recent, axis=0) / np.maximum(known, 1)
        return np.where(known > 0, np.asarray(values) - mean, np.nan)

    def _past(self) -> npt.NDArray[np.float32]:
        return self._ring[max(0, self._filled - self._keep) : self._filled]
