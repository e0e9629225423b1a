"""Log-mel spectrogram, of a whole waveform or incrementally: every sample's work is done once.

A frame covers ``n_fft`` samples and frames follow each other by ``hop`` samples, without padding
(``center=False``), so that a frame exists as soon as its last sample is there.  With the same
options the numbers are those of ``librosa.power_to_db(librosa.feature.melspectrogram(...))``.

A compiled kernel does the work where it is installed and takes the size of the frame, numpy
elsewhere; their numbers differ by less than 1e-3 dB.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import scipy.fftpack

from emostress_ros.kernels import kernels
from emostress_ros.modalities.voice.log_mel_compiled import SIZES, CompiledMel
from emostress_ros.modalities.voice.mel import LogMelOptions, hann, mel_filters
from emostress_ros.modalities.voice.ring_buffer import FrameBuffer, frames_of

Float32Array = npt.NDArray[np.float32]
_BLOCK = 32  # frames at a time
_LEAST_DB = -100.0  # below the noise of 16-bit samples
_LEAST_POWER = 10.0 ** (_LEAST_DB / 10.0 - 0.01)  # a little under it: the logarithm rounds


class MelSpectrum(Protocol):
    """Mel spectrum of frames, however it is computed."""

    def power(self, frames: npt.NDArray[np.floating]) -> Float32Array:
        """Return the (frames, n_mels) power in each band of (frames, n_fft) frames."""

    def levels(self, frames: npt.NDArray[np.floating]) -> Float32Array:
        """Return the same in dB of full scale, at least -100."""


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
    chosen = options or LogMelOptions()
    samples = np.ascontiguousarray(waveform, np.float32)
    return mel_spectrum(chosen).levels(frames_of(samples, chosen.n_fft, chosen.hop))


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


class LogMelStream:
    """Log-mel spectrogram of a waveform that comes in pieces of any length.

    Single precision is enough: the numbers are librosa's within 1e-3 dB down to bands 80 dB under
    the loudest, where speech has none.
    """

    def __init__(self, options: LogMelOptions | None = None) -> None:
        self.options = chosen = options or LogMelOptions()
        self._frames = FrameBuffer(chosen.n_fft, chosen.hop, np.float32)
        self._spectrum = mel_spectrum(chosen)

    def push(self, samples: npt.NDArray[np.floating]) -> Float32Array:
        """Take (n,) samples and return the (frames, n_mels) that they complete, in dB."""
        return self._spectrum.levels(self._frames.push(samples))

    def push_power(self, samples: npt.NDArray[np.floating]) -> Float32Array:
        """Take (n,) samples and return the power in each band of the frames they complete."""
        return self._spectrum.power(self._frames.push(samples))

    def reset(self) -> None:
        """Forget the unfinished frame."""
        self._frames.reset()


def mel_spectrum(options: LogMelOptions) -> MelSpectrum:
    """Return the fastest way that there is here for these options."""
    found = kernels()
    if found.library is None or options.n_fft not in SIZES:
        return NumpyMel(options)
    return _compiled(found.library, options)


@lru_cache(maxsize=8)
def _compiled(library: ctypes.CDLL, options: LogMelOptions) -> CompiledMel:
    return CompiledMel(library, options, _LEAST_POWER, _LEAST_DB)


class NumpyMel:
    """Mel spectrum of frames by numpy: a few at a time, in buffers that are made once."""

    def __init__(self, options: LogMelOptions) -> None:
        self._bands = options.n_mels
        self._windowed = np.empty((_BLOCK, options.n_fft), np.float32)
        self._power = np.empty((_BLOCK, options.n_fft // 2 - 1), np.float32)
        # A triangle within [0, rate / 2] weighs neither the first bin nor the last.
        self._filters = mel_filters(options)[1:-1].astype(np.float32)
        self._window = hann(options.n_fft).astype(np.float32)

    def levels(self, frames: npt.NDArray[np.floating]) -> Float32Array:
        """Return the (frames, n_mels) levels in dB."""
        mel = self.power(frames)
        np.maximum(mel, _LEAST_POWER, out=mel)
        np.log10(mel, out=mel)
        mel *= 10.0
        return np.maximum(mel, _LEAST_DB, out=mel)

    def power(self, frames: npt.NDArray[np.floating]) -> Float32Array:
        """Return the (frames, n_mels) power of (frames, n_fft) frames."""
        mel = np.empty((len(frames), self._bands), np.float32)
        for begin in range(0, len(frames), _BLOCK):
            self._mel_power(frames[begin : begin + _BLOCK], mel[begin : begin + _BLOCK])
        return mel

    def _mel_power(self, frames: npt.NDArray[np.floating], mel: Float32Array) -> None:
        count = len(frames)
        windowed, power = self._windowed[:count], self._power[:count]
        np.multiply(frames, self._window, out=windowed)
        # In place, as [bin 0, re 1, im 1, re 2, im 2, ..., bin n / 2]: nothing is allocated.
        packed = scipy.fftpack.rfft(windowed, overwrite_x=True)
        np.square(packed, out=packed)
        np.add(packed[:, 1:-1:2], packed[:, 2:-1:2], out=power)
        np.dot(power, self._filters, out=mel)
