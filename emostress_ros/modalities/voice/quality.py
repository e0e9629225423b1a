"""How far a stretch of speech can be trusted: loudness, clipping, noise, voicing.

Levels are RMS levels in dB of full scale (AES17: a full-scale square wave has 0 dBFS here).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_CLIPPED = 0.985
_FAINT_DBFS, _AUDIBLE_DBFS = -60.0, -45.0
_NOISY_DB, _CLEAN_DB = 3.0, 18.0
_WORST_CLIPPING = 0.02
_BREATHY, _VOICED = 0.05, 0.30


@dataclass(frozen=True)
class VoiceQuality:
    """Quality of a window and what it comes from.

    Attributes:
        value: [0, 1]; the product of the four scores below.
        loudness_dbfs: RMS level of the window.
        clipping_ratio: share of samples at full scale, [0, 1].
        snr_db: level of speech over the noise between; NaN while no noise was heard.
        voiced_ratio: share of frames with a fundamental frequency, [0, 1].
    """

    value: float
    loudness_dbfs: float
    clipping_ratio: float
    snr_db: float
    voiced_ratio: float


def voice_quality(
    waveform: npt.NDArray[np.floating],
    f0_hz: npt.NDArray[np.floating],
    noise_dbfs: float,
) -> VoiceQuality:
    """Judge a window of speech.

    Args:
        waveform: (n,) samples in [-1, 1], n >= 1.
        f0_hz: (frames,) fundamental frequency, 0 where unvoiced.
        noise_dbfs: level between stretches of speech; NaN where unknown (then it costs nothing).
    """
    loudness = level_dbfs(waveform)
    clipping = float(np.mean(np.abs(waveform) >= _CLIPPED))
    snr = loudness - noise_dbfs
    voiced = float(np.mean(np.asarray(f0_hz) > 0)) if len(f0_hz) else 0.0
    value = (
        _ramp(loudness, _FAINT_DBFS, _AUDIBLE_DBFS)
        * (1.0 - _ramp(clipping, 0.0, _WORST_CLIPPING))
        * (1.0 if np.isnan(snr) else _ramp(snr, _NOISY_DB, _CLEAN_DB))
        * _ramp(voiced, _BREATHY, _VOICED)
    )
    return VoiceQuality(value, loudness, clipping, snr, voiced)


def level_dbfs(waveform: npt.NDArray[np.floating]) -> float:
    """Return the RMS level of samples in [-1, 1], at least -100 dBFS."""
    power = float(np.mean(np.square(waveform, dtype=np.float64))) if len(waveform) else 0.0
    return 10.0 * float(np.log10(max(power, 1e-10)))


def _ramp(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0.0, 1.0))


class NoiseFloor:
    """Level of what is heard between stretches of speech, smoothed over about two seconds.

    Digital silence (below -90 dBFS) is no noise: a muted microphone says nothing of the room.
    Voice activity is noticed a little late, so that a frame counts only once ``delay_s`` have
    gone by without speech.
    """

    def __init__(self, frame_s: float, time_constant_s: float = 2.0, delay_s: float = 0.2) -> None:
        self._gain = 1.0 - float(np.exp(-frame_s / time_constant_s))
        self._delay = round(delay_s / frame_s)
        self._pending: deque[float] = deque()
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._power = float("nan")
        self._pending.clear()

    def interrupt(self) -> None:
        """Somebody speaks: what was heard just before may have been speech already."""
        self._pending.clear()

    def push(self, frame: npt.NDArray[np.floating]) -> None:
        """Take one frame without speech."""
        self._pending.append(float(np.mean(np.square(frame, dtype=np.float64))))
        if len(self._pending) <= self._delay:
            return
        power = self._pending.popleft()
        if power < 1e-9:
            return
        if np.isnan(self._power):
            self._power = power
        self._power += self._gain * (power - self._power)

    @property
    def dbfs(self) -> float:
        """Level in dBFS, NaN while nothing was heard."""
        return 10.0 * float(np.log10(self._power)) if self._power > 0 else float("nan")
