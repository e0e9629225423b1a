"""A person's resting baseline: what their body does when nothing is asked of it.

Bodies differ more than states do: one heart rests at 55 beats a minute, another works at 80. Two
minutes of rest, taken once, turn every feature into a difference to that person's own rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import ParameterError, SignalError, StampError

_FORMAT = 1


class RestingBaseline:
    """Running mean and spread of named features over the windows of a rest.

    A window counts when it ends inside the rest and at most a tenth of it lies before. The rest is
    complete when a window has come that ends at or behind its end and at least one has counted.

    Args:
        names: names of the features, in the order of every vector.
        start_ns: when the rest begins, sensor clock.
        duration_s: how long it lasts; above 0.

    Attributes:
        count: windows counted.
        complete: whether the rest is over and has been measured.

    Raises:
        StampError: a negative start.
        ParameterError: a duration that is not above 0.
    """

    def __init__(self, names: Sequence[str], start_ns: int, duration_s: float) -> None:
        if start_ns < 0:
            raise StampError(f"a rest starts at a stamp >= 0 ns; got {start_ns}")
        if not (math.isfinite(duration_s) and duration_s > 0):
            raise ParameterError(f"duration_s of a rest must be above 0; got {duration_s!r}")
        self.names = tuple(names)
        self.start_ns = start_ns
        self.stop_ns = start_ns + round(duration_s * NANOSECONDS)
        self.count = 0
        self.complete = False
        self._n = np.zeros(len(self.names))
        self._mean = np.zeros(len(self.names))
        self._m2 = np.zeros(len(self.names))

    def add(self, start_ns: int, end_ns: int, values: npt.NDArray[np.floating]) -> bool:
        """Take the features of one window, in the order of time.

        Args:
            start_ns: stamp of the window's first sample.
            end_ns: stamp of its end.
            values: shape (len(names),); NaN where a feature could not be had.

        Returns:
            whether the baseline is complete now.

        Raises:
            SignalError: another number of values.
        """
        if values.shape != (len(self.names),):
            raise SignalError(f"need {len(self.names)} features; got shape {values.shape}")
        inside = start_ns >= self.start_ns - (end_ns - start_ns) // 10
        if not self.complete and inside and end_ns <= self.stop_ns:
            self._update(values)
        self.complete = self.complete or (self.count > 0 and end_ns >= self.stop_ns)
        return self.complete

    def _update(self, values: npt.NDArray[np.floating]) -> None:
        """Welford's update (1962), feature by feature, over what is there."""
        there = np.isfinite(values)
        self.count += 1
        self._n += there
        delta = np.where(there, values - self._mean, 0.0)
        self._mean += delta / np.maximum(self._n, 1.0)
        self._m2 += np.where(there, delta * (values - self._mean), 0.0)

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """Mean of each feature at rest, shape (features,); NaN where it was never seen."""
        return np.where(self._n > 0, self._mean, np.nan)

    @property
    def std(self) -> npt.NDArray[np.float64]:
        """Standard deviation at rest, shape (features,); NaN below two windows."""
        return np.where(self._n > 1, np.sqrt(self._m2 / np.maximum(self._n - 1, 1.0)), np.nan)

    def relative(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Features as differences to the rest, shape (features,)."""
        return np.asarray(values, np.float64) - self.mean

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON or YAML."""
        return {
            "format": _FORMAT,
            "names": list(self.names),
            "start_ns": self.start_ns,
            "stop_ns": self.stop_ns,
            "count": self.count,
            "complete": self.complete,
            "n": self._n.tolist(),
            "mean": self._mean.tolist(),
            "m2": self._m2.tolist(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RestingBaseline:
        """The baseline that `to_dict` wrote.

        Raises:
            SignalError: another format, a missing key, or vectors that do not fit.
        """
        if values.get("format") != _FORMAT:
            raise SignalError(f"a baseline of format {_FORMAT}; got {values.get('format')!r}")
        try:
            length_s = (int(values["stop_ns"]) - int(values["start_ns"])) / NANOSECONDS
            baseline = cls(values["names"], int(values["start_ns"]), length_s)
            baseline.count, baseline.complete = int(values["count"]), bool(values["complete"])
            vectors = [np.asarray(values[key], np.float64) for key in ("n", "mean", "m2")]
        except (KeyError, TypeError) as error:
            raise SignalError(f"a baseline lacks or misstates {error}") from error
        if any(v.shape != (len(baseline.names),) or not np.isfinite(v).all() for v in vectors):
            raise SignalError(f"a baseline needs {len(baseline.names)} finite values per vector")
        baseline._n, baseline._mean, baseline._m2 = vectors
        return baseline
