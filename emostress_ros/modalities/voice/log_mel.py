"""Log-mel spectrogram, of a whole waveform or incrementally: every sample's work is done once.

A frame covers ``n_fft`` samples and frames follow each other by ``hop`` samples, without padding
(``center=False``), so that a frame exists as soon as its last sample is there.  With the same
options the numbers are those of ``librosa.power_to_db(librosa.feature.melspectrogram(...))``.

Sources: Stevens, Volkmann and Newman, "A Scale for the Measurement of the Psychological Magnitude
Pitch" (1937), in the piecewise form of Slaney, "Auditory Toolbox" (1998), triangles of unit area.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fftpack

from emostress_ros.modalities.voice.ring_buffer import FrameBuffer

Float32Array = npt.NDArray[np.float32]
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_LOG_FROM_HZ = 1000.0
_LOG_FROM_MEL = _LOG_FROM_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0
_BLOCK = 32  # frames at a time
_LEAST_DB = -100.0  # below the noise of 16-bit samples
_LEAST_POWER = 10.0 ** (_LEAST_DB / 10.0 - 0.01)  # a little under it: the logarithm rounds


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


def log_mel(
    waveform: npt.NDArray[np.floating], options: LogMelOptions | None = None
) -> Float32Array:
    """Return the log-mel spectrogram of a waveform.

    Args:
        waveform: (n,) samples in [-1, 1] at ``options.sample_rate_hz``.
        options: the default ones when not given.

    Returns:
        (frames, n_mels) in dB of full scale, at least -100; no frame when n < n_fft.
    """
    return LogMelStream(options).push(np.asarray(waveform))


def mfcc(log_mel_db: npt.NDArray[np.floating], count: int = 13) -> Float32Array:
    """Return the (frames, count) mel-frequency cepstral coefficients of a log-mel spectrogram.

    The orthonormal cosine transform (DCT-II) of the bands in dB, as in ``librosa.feature.mfcc``.
    Source: Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word
    recognition", IEEE Trans. ASSP 28 (1980).
    """
    return np.asarray(log_mel_db, dtype=np.float32) @ _cosines(log_mel_db.shape[1], count)


@lru_cache(maxsize=8)
def _cosines(bands: int, count: int) -> Float32Array:
    angles = np.pi * np.outer(np.arange(bands) + 0.5, np.arange(count)) / bands
    basis = np.cos(angles) * np.sqrt(2.0 / bands)
    basis[:, 0] = np.sqrt(1.0 / bands)
    return basis.astype(np.float32)


@lru_cache(maxsize=8)
def _hann(length: int) -> Float32Array:
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)
    return window.astype(np.float32)


class LogMelStream:
    """Log-mel spectrogram of a waveform that comes in pieces of any length.

    A few frames at a time go through buffers that are made once and stay in the cache.  Single
    precision is enough: the numbers are librosa's within 1e-3 dB down to bands 80 dB under the
    loudest, where speech has none.
    """

    def __init__(self, options: LogMelOptions | None = None) -> None:
        self.options = chosen = options or LogMelOptions()
        self._frames = FrameBuffer(chosen.n_fft, chosen.hop, np.float32)
        self._windowed = np.empty((_BLOCK, chosen.n_fft), np.float32)
        self._power = np.empty((_BLOCK, chosen.n_fft // 2 - 1), np.float32)
        # A triangle within [0, rate / 2] weighs neither the first bin nor the last.
        self._filters = mel_filters(chosen)[1:-1].astype(np.float32)
        self._window = _hann(chosen.n_fft)

    def push(self, samples: npt.NDArray[np.floating]) -> Float32Array:
        """Take (n,) samples and return the (frames, n_mels) that they complete, in dB."""
        mel = self.push_power(samples)
        np.maximum(mel, _LEAST_POWER, out=mel)
        np.log10(mel, out=mel)
        mel *= 10.0
        return np.maximum(mel, _LEAST_DB, out=mel)

    def push_power(self, samples: npt.NDArray[np.floating]) -> Float32Array:
        """Take (n,) samples and return the power in each band of the frames they complete."""
        frames = self._frames.push(samples)
        mel = np.empty((len(frames), self.options.n_mels), np.float32)
        for begin in range(0, len(frames), _BLOCK):
            self._mel_power(frames[begin : begin + _BLOCK], mel[begin : begin + _BLOCK])
        return mel

    def reset(self) -> None:
        """Forget the unfinished frame."""
        self._frames.reset()

    def _mel_power(self, frames: npt.NDArray[np.floating], mel: Float32Array) -> None:
        count = len(frames)
        windowed, power = self._windowed[:count], self._power[:count]
        np.multiply(frames, self._window, out=windowed)
        # In place, as [bin 0, re 1, im 1, re 2, im 2, ..., bin n / 2]: nothing is allocated.
        packed = scipy.fftpack.rfft(windowed, overwrite_x=True)
        np.square(packed, out=packed)
        np.add(packed[:, 1:-1:2], packed[:, 2:-1:2], out=power)
        np.dot(power, self._filters, out=mel)
