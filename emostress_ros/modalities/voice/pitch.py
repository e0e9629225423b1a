"""Streaming prosody: fundamental frequency, periodicity and energy of every frame.

Source: de Cheveigné and Kawahara, "YIN, a fundamental frequency estimator for speech and music",
J. Acoust. Soc. Am. 111 (2002), steps 1 to 5; the difference function is computed with an FFT.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from emostress_ros.modalities.voice.ring_buffer import FrameBuffer

Float32Array = npt.NDArray[np.float32]
PROSODY_COLUMNS = ("f0_hz", "periodicity", "energy_dbfs")
"""Columns of the prosody: F0 (0 where unvoiced), periodicity in [0, 1], level of the frame."""
_LEAST_POWER = 1e-10
BLOCK = 32
"""Frames that are worth looking at at once."""


@dataclass(frozen=True)
class PitchOptions:
    """Options of the pitch estimator.

    Attributes:
        sample_rate_hz: rate of the waveform.
        frame: samples of a frame; must hold two periods of ``low_hz``.
        hop: samples from one frame to the next.
        low_hz: lowest F0 that is looked for.
        high_hz: highest F0 that is looked for.
        threshold: cumulative mean normalised difference under which a dip is a period.
    """

    sample_rate_hz: int = 16_000
    frame: int = 768
    hop: int = 160
    low_hz: float = 65.0
    high_hz: float = 600.0
    threshold: float = 0.20

    @property
    def longest_lag(self) -> int:
        """Period of ``low_hz`` in samples."""
        return int(self.sample_rate_hz / self.low_hz)

    @property
    def shortest_lag(self) -> int:
        """Period of ``high_hz`` in samples."""
        return int(self.sample_rate_hz / self.high_hz)


class PitchStream:
    """Prosody of a waveform that comes in pieces of any length."""

    def __init__(self, options: PitchOptions | None = None) -> None:
        self.options = options or PitchOptions()
        self._frames = FrameBuffer(self.options.frame, self.options.hop, np.float32)

    def push(self, samples: npt.NDArray[np.floating]) -> Float32Array:
        """Take (n,) samples in [-1, 1]; return the (frames, 3) rows that they complete.

        Columns are those of :data:`PROSODY_COLUMNS`.
        """
        frames = self._frames.push(samples)
        rows = np.empty((len(frames), len(PROSODY_COLUMNS)), dtype=np.float32)
        for begin in range(0, len(frames), BLOCK):  # few at a time, which stay in the cache
            part = slice(begin, begin + BLOCK)
            rows[part] = prosody_of_frames(frames[part], self.options)
        return rows

    def reset(self) -> None:
        """Forget the unfinished frame."""
        self._frames.reset()


def prosody_of_frames(frames: npt.NDArray[np.floating], options: PitchOptions) -> Float32Array:
    """Return the (n, 3) prosody of (n, frame) frames; see :data:`PROSODY_COLUMNS`."""
    normalised = _cumulative_mean_normalised(_difference(frames, options))
    lag = _period(normalised, options)
    dip = np.take_along_axis(normalised, lag[:, None], axis=1)[:, 0]
    voiced = dip < options.threshold
    refined = lag + _parabola_offset(normalised, lag)
    power = np.einsum("ij,ij->i", frames, frames).astype(np.float64) / options.frame
    f0 = np.where(voiced, options.sample_rate_hz / refined, 0.0)
    periodicity = np.where(power > _LEAST_POWER, np.clip(1.0 - dip, 0.0, 1.0), 0.0)
    level = 10.0 * np.log10(np.maximum(power, _LEAST_POWER))
    return np.stack((np.where(periodicity > 0, f0, 0.0), periodicity, level), axis=1).astype(
        np.float32
    )


def _difference(
    frames: npt.NDArray[np.floating], options: PitchOptions
) -> npt.NDArray[np.floating]:
    # d(lag) = sum over j < window of (x[j] - x[j + lag])^2, equations 6 and 7 of the paper.
    lags = options.longest_lag + 2
    window = options.frame - lags
    size = scipy.fft.next_fast_len(options.frame, real=True)
    head = scipy.fft.rfft(frames[:, :window], size, axis=1)
    whole = scipy.fft.rfft(frames, size, axis=1)
    correlation = scipy.fft.irfft(np.conj(head) * whole, size, axis=1)[:, :lags]
    # Energy of the window at each lag: what enters it less what leaves it.
    squares = np.square(frames[:, : window + lags])
    energy = np.empty((len(frames), lags), frames.dtype)
    energy[:, 0] = squares[:, :window].sum(axis=1)
    np.subtract(squares[:, window : window + lags - 1], squares[:, : lags - 1], out=energy[:, 1:])
    np.cumsum(energy, axis=1, out=energy)
    correlation *= -2.0
    correlation += energy
    correlation += energy[:, :1]
    return np.maximum(correlation, 0.0, out=correlation)


def _cumulative_mean_normalised(
    difference: npt.NDArray[np.floating],
) -> npt.NDArray[np.floating]:
    lags = np.arange(1, difference.shape[1], dtype=difference.dtype)
    running = np.cumsum(difference[:, 1:], axis=1)
    silent = running <= 1e-9 * difference.shape[1]
    np.maximum(running, 1e-9, out=running)
    normalised = np.empty_like(difference)
    normalised[:, 0] = 1.0
    np.multiply(difference[:, 1:], lags, out=normalised[:, 1:])
    normalised[:, 1:] /= running
    normalised[:, 1:][silent] = 1.0
    return normalised


def _period(normalised: npt.NDArray[np.floating], options: PitchOptions) -> npt.NDArray[np.int64]:
    # First local minimum under the threshold; where there is none, the deepest dip.
    low, high = options.shortest_lag, options.longest_lag + 1
    part = normalised[:, low:high]
    falls = normalised[:, low + 1 : high + 1] >= part
    under = (part < options.threshold) & falls
    return low + np.where(under.any(axis=1), under.argmax(axis=1), part.argmin(axis=1))


def _parabola_offset(
    normalised: npt.NDArray[np.floating], lag: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    rows = np.arange(len(lag))
    before, at, after = (normalised[rows, lag + shift] for shift in (-1, 0, 1))
    bend = before - 2.0 * at + after
    offset = np.divide(before - after, 2.0 * bend, out=np.zeros_like(at), where=bend > 1e-12)
    return np.clip(offset, -0.5, 0.5)
