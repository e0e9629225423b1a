"""Streaming polyphase resampling: the result does not depend on how the stream was cut.

Output sample ``m`` lies exactly at input time ``m / 16000`` s: the filter is symmetric and its
delay is taken out, so that stamps stay exact to a sample.

Source: Crochiere and Rabiner, "Multirate Digital Signal Processing" (1983); the filter is the one
of ``scipy.signal.resample_poly`` (Kaiser window, beta 5, ten zero crossings on either side).
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.signal

from emostress_ros.errors import SignalError

SAMPLE_RATE_HZ = 16_000
LOWEST_RATE_HZ = 8_000
HIGHEST_RATE_HZ = 192_000
_ZERO_CROSSINGS = 10
_KAISER_BETA = 5.0


class StreamResampler:
    """Brings a mono stream of any usual rate to 16 kHz.

    Args:
        sample_rate_hz: rate that comes in, 8 to 192 kHz.

    Raises:
        SignalError: the rate is not a whole number or lies out of range.
    """

    def __init__(self, sample_rate_hz: float) -> None:
        ratio = Fraction(SAMPLE_RATE_HZ, check_rate(sample_rate_hz))
        self.sample_rate_hz = int(sample_rate_hz)
        self._up, self._down = ratio.numerator, ratio.denominator
        self._half = _half_length(self._up, self._down)
        self.reset()

    def reset(self) -> None:
        """Start again: the next input sample is sample 0."""
        # Zeros stand for the silence before the stream; whole multiples of `down` samples, so
        # that the phase of the first kept sample is always the same.
        before = self._down * -(-self._half // (self._up * self._down))
        self._held = np.zeros(before, dtype=np.float64)
        self._held_start = -before
        self._produced = 0

    def push(self, samples: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Take (n,) samples and return the 16 kHz samples whose filter span is complete."""
        if self._up == self._down:
            return np.asarray(samples, dtype=np.float64)
        self._held = np.concatenate((self._held, samples))
        newest = self._held_start + len(self._held) - 1
        until = max(0, (newest * self._up - self._half) // self._down + 1)
        if until <= self._produced:
            return np.empty(0, dtype=np.float64)
        shift = (self._half - self._held_start * self._up) // self._down
        filtered = scipy.signal.upfirdn(
            _filter(self._up, self._down), self._held, self._up, self._down
        )
        out = filtered[self._produced + shift : until + shift]
        self._produced = until
        self._forget()
        return out

    def _forget(self) -> None:
        oldest_needed = (self._produced * self._down - self._half) // self._up
        drop = (oldest_needed - self._held_start) // self._down * self._down
        if drop > 0:
            self._held = self._held[drop:].copy()
            self._held_start += drop


def resample(waveform: npt.NDArray[np.floating], sample_rate_hz: float) -> npt.NDArray[np.float64]:
    """Return a whole (n,) mono waveform at 16 kHz; the end is filled up with silence."""
    stream = StreamResampler(sample_rate_hz)
    length = -(-len(waveform) * SAMPLE_RATE_HZ // int(sample_rate_hz))
    tail = np.zeros(int(sample_rate_hz) // 50)
    return np.concatenate((stream.push(waveform), stream.push(tail)))[:length]


def check_rate(sample_rate_hz: float) -> int:
    """Return the rate as an integer.

    Raises:
        SignalError: not a whole number, or out of 8 to 192 kHz.
    """
    whole = float(sample_rate_hz).is_integer()
    if not whole or not LOWEST_RATE_HZ <= sample_rate_hz <= HIGHEST_RATE_HZ:
        raise SignalError(
            f"sample_rate_hz must be a whole number of {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}; "
            f"got {sample_rate_hz!r}"
        )
    return int(sample_rate_hz)


def _half_length(up: int, down: int) -> int:
    half = _ZERO_CROSSINGS * max(up, down)
    return -(-half // down) * down


@lru_cache(maxsize=8)
def _filter(up: int, down: int) -> npt.NDArray[np.float64]:
    length = 2 * _half_length(up, down) + 1
    taps = scipy.signal.firwin(length, 1.0 / max(up, down), window=("kaiser", _KAISER_BETA))
    return np.asarray(taps * up, dtype=np.float64)
