"""The mel scale, and the bank of triangles on it.

Sources: Stevens, Volkmann and Newman, "A Scale for the Measurement of the Psychological Magnitude
Pitch" (1937), in the piecewise form of Slaney, "Auditory Toolbox" (1998), triangles of unit area.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_LOG_FROM_HZ = 1000.0
_LOG_FROM_MEL = _LOG_FROM_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


@dataclass(frozen=True)
class LogMelOptions:
    """Options of a log-mel spectrogram.

    Attributes:
        sample_rate_hz: rate of the waveform.
        n_fft: samples of a frame, periodic Hann window.
        hop: samples from one frame to the next.
        n_mels: number of bands.
        low_hz: lower edge of the lowest band.
        high_hz: upper edge of the highest band.
    """

    sample_rate_hz: int = 16_000
    n_fft: int = 512
    hop: int = 160
    n_mels: int = 64
    low_hz: float = 50.0
    high_hz: float = 8_000.0


def hz_to_mel(frequency_hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return Slaney's mel of frequencies in Hz: linear below 1 kHz, logarithmic above."""
    frequency = np.asarray(frequency_hz, dtype=np.float64)
    logarithmic = _LOG_FROM_MEL + np.log(np.maximum(frequency, 1.0) / _LOG_FROM_HZ) / _LOG_STEP
    return np.where(frequency < _LOG_FROM_HZ, frequency / _LINEAR_HZ_PER_MEL, logarithmic)


def mel_to_hz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the frequencies in Hz of Slaney's mel; inverse of :func:`hz_to_mel`."""
    value = np.asarray(mel, dtype=np.float64)
    logarithmic = _LOG_FROM_HZ * np.exp(_LOG_STEP * (value - _LOG_FROM_MEL))
    return np.where(value < _LOG_FROM_MEL, value * _LINEAR_HZ_PER_MEL, logarithmic)


@lru_cache(maxsize=8)
def mel_filters(options: LogMelOptions) -> npt.NDArray[np.float64]:
    """Return the (n_fft / 2 + 1, n_mels) filter bank: triangles of unit area."""
    bins = np.linspace(0.0, options.sample_rate_hz / 2, options.n_fft // 2 + 1)
    low, high = hz_to_mel([options.low_hz, options.high_hz])
    edges = mel_to_hz(np.linspace(low, high, options.n_mels + 2))
    rise = (bins[:, None] - edges[None, :-2]) / np.diff(edges)[:-1]
    fall = (edges[None, 2:] - bins[:, None]) / np.diff(edges)[1:]
    triangles = np.maximum(0.0, np.minimum(rise, fall))
    return triangles * (2.0 / (edges[2:] - edges[:-2]))


@lru_cache(maxsize=8)
def hann(length: int) -> npt.NDArray[np.float64]:
    """Return the (length,) periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)
