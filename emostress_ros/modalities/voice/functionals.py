"""How a stretch of speech sounds, in the figures that phoneticians use: pitch, loudness, jitter.

The figures follow the minimalistic acoustic parameter set of Eyben et al., "The Geneva
Minimalistic Acoustic Parameter Set (GeMAPS) for voice research and affective computing", IEEE
Trans. Affective Computing 7 (2016), by methods of our own:

- F0 is YIN's (:mod:`~emostress_ros.modalities.voice.pitch`), smoothed by a median of three;
- loudness is the sum over 26 bands of the equal-loudness weighted power to the 0.33 (Hermansky,
  "Perceptual linear predictive (PLP) analysis of speech", J. Acoust. Soc. Am. 87, 1990);
- periods of the voice are told from its highest peaks, one a period; jitter and shimmer are the
  mean change from one to the next over the mean (Boersma, "Should jitter be measured by peak
  picking or by waveform matching?", Folia Phoniatrica et Logopaedica 61, 2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from emostress_ros.modalities.voice.log_mel import LogMelStream
from emostress_ros.modalities.voice.mel import LogMelOptions, hz_to_mel, mel_to_hz
from emostress_ros.modalities.voice.pitch import BLOCK, PitchOptions, prosody_of_frames
from emostress_ros.modalities.voice.ring_buffer import FrameBuffer

Float32Array = npt.NDArray[np.float32]

LOUDNESS_OPTIONS = LogMelOptions(n_fft=320, hop=160, n_mels=26, low_hz=20.0, high_hz=8_000.0)
"""Frames of 20 ms every 10 ms, 26 bands from 20 Hz to 8 kHz."""

_COMPRESSION = 0.33
_SEMITONES_FROM_HZ = 27.5
_QUIET = 1e-4
_LONGEST_STEP = 1.3  # Boersma: two periods that differ by more do not follow each other
_WANDER = 0.25  # how far from where it is expected the next peak may lie, in periods


@dataclass(frozen=True)
class VoiceFunctionals:
    """Figures of one stretch of speech; NaN where nothing is voiced.

    Attributes:
        f0_hz: median fundamental frequency of the voiced frames.
        f0_semitones: its mean in semitones over 27.5 Hz.
        f0_range_semitones: from its 20th to its 80th percentile.
        loudness: mean, sone-like; no absolute unit without a calibrated microphone.
        loudness_range: from its 20th to its 80th percentile.
        jitter: mean change of the period from one to the next over the mean period.
        shimmer: mean change of the peak from one period to the next over the mean peak.
        voiced_share: share of the frames that are voiced, [0, 1].
    """

    f0_hz: float
    f0_semitones: float
    f0_range_semitones: float
    loudness: float
    loudness_range: float
    jitter: float
    shimmer: float
    voiced_share: float


def voice_functionals(waveform: npt.NDArray[np.floating]) -> VoiceFunctionals:
    """Return the figures of (n,) samples in [-1, 1] at 16 kHz."""
    samples = np.ascontiguousarray(waveform, dtype=np.float32)
    f0_hz = pitch_track(samples)
    voiced = f0_hz[f0_hz > 0]
    levels = loudness(samples)
    jitter, shimmer = perturbation(samples, f0_hz)
    semitones = 12.0 * np.log2(voiced / _SEMITONES_FROM_HZ)
    pitch = _percentiles(semitones)
    loud = _percentiles(levels)
    return VoiceFunctionals(
        f0_hz=float(_SEMITONES_FROM_HZ * 2.0 ** (pitch[1] / 12.0)),
        f0_semitones=float(semitones.mean()) if len(voiced) else float("nan"),
        f0_range_semitones=pitch[2] - pitch[0],
        loudness=float(levels.mean()) if len(levels) else float("nan"),
        loudness_range=loud[2] - loud[0],
        jitter=jitter,
        shimmer=shimmer,
        voiced_share=len(voiced) / len(f0_hz) if len(f0_hz) else 0.0,
    )


def loudness(waveform: npt.NDArray[np.floating]) -> Float32Array:
    """Return the loudness of every frame of :data:`LOUDNESS_OPTIONS`, (frames,)."""
    power = LogMelStream(LOUDNESS_OPTIONS).push_power(waveform)
    power *= _equal_loudness()
    levels: Float32Array = np.power(power, np.float32(_COMPRESSION), out=power).sum(axis=1)
    return levels


def pitch_track(waveform: npt.NDArray[np.floating]) -> Float32Array:
    """Return the smoothed F0 of every frame of ``PitchOptions``, (frames,) Hz, 0 where unvoiced.

    Frames 40 dB under the loudest are breath or room, and are not looked into.

    Args:
        waveform: (n,) samples at 16 kHz.
    """
    options = PitchOptions()
    samples = np.ascontiguousarray(waveform, dtype=np.float32)
    frames = FrameBuffer(options.frame, options.hop, np.float32).push(samples)
    power = np.einsum("ij,ij->i", frames, frames)
    f0_hz = np.zeros(len(frames), np.float32)
    loud = np.flatnonzero(power > _QUIET * power.max(initial=0.0))
    for begin in range(0, len(loud), BLOCK):  # few at a time, which stay in the cache
        rows = loud[begin : begin + BLOCK]
        f0_hz[rows] = prosody_of_frames(frames[rows], options)[:, 0]
    return smooth_f0(f0_hz)


def smooth_f0(f0_hz: Float32Array) -> Float32Array:
    """Return (frames,) F0 with single octave slips mended: a median of three where all are voiced.

    Args:
        f0_hz: (frames,), 0 where unvoiced.
    """
    if len(f0_hz) < 3:
        return f0_hz
    before, at, after = f0_hz[:-2], f0_hz[1:-1], f0_hz[2:]
    low, high = np.minimum(before, at), np.maximum(before, at)
    median = np.maximum(low, np.minimum(high, after))
    mended = f0_hz.copy()
    mended[1:-1] = np.where(np.minimum(low, after) > 0, median, at)
    return mended


def perturbation(
    waveform: npt.NDArray[np.floating], f0_hz: npt.NDArray[np.floating]
) -> tuple[float, float]:
    """Return (jitter, shimmer); NaN with fewer than three periods.

    Args:
        waveform: (n,) samples at 16 kHz.
        f0_hz: (frames,) of :class:`~emostress_ros.modalities.voice.pitch.PitchStream`.
    """
    options = PitchOptions()
    steps: list[npt.NDArray[np.float64]] = []
    peaks: list[npt.NDArray[np.float64]] = []
    voiced = np.concatenate(([0], (f0_hz > 0).astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(voiced))
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        periods = (options.sample_rate_hz / f0_hz[first:last]).tolist()
        begin = first * options.hop + (options.frame - options.hop) // 2
        marks = _marks(waveform, begin, periods, options.hop)
        if len(marks) > 2:
            exact, heights = _refine(waveform, np.array(marks))
            steps.append(np.diff(exact))
            peaks.append(heights[1:])
    return _change(steps, steps), _change(peaks, steps)


def _marks(
    waveform: npt.NDArray[np.floating], begin: int, periods: list[float], hop: int
) -> list[int]:
    """Return the sample of the highest peak of each period of one voiced stretch."""
    end = min(begin + len(periods) * hop, len(waveform) - 2)
    period = periods[0]
    at = begin + int(waveform[begin : begin + int(period)].argmax()) if begin < end else end
    marks = []
    while at < end:
        marks.append(at)
        period = periods[(at - begin) // hop]
        low = at + int((1.0 - _WANDER) * period)
        high = at + int((1.0 + _WANDER) * period) + 1
        if high >= end:
            break
        at = low + int(waveform[low:high].argmax())
    return marks


def _refine(
    waveform: npt.NDArray[np.floating], marks: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return place and height of each peak between the samples, by a parabola."""
    inner = np.clip(marks, 1, len(waveform) - 2)
    before, at, after = (waveform[inner + shift].astype(np.float64) for shift in (-1, 0, 1))
    bend = before - 2.0 * at + after
    safe = np.where(bend < -1e-12, bend, -1.0)
    offset = np.clip(np.where(bend < -1e-12, 0.5 * (before - after) / safe, 0.0), -0.5, 0.5)
    return inner + offset, at - 0.25 * (before - after) * offset


def _change(values: list[npt.NDArray[np.float64]], periods: list[npt.NDArray[np.float64]]) -> float:
    """Return the mean change from one to the next over the mean, of periods that follow."""
    total, count = 0.0, 0
    for run, steps in zip(values, periods, strict=True):
        ratio = steps[1:] / steps[:-1]
        follows = (ratio < _LONGEST_STEP) & (ratio > 1.0 / _LONGEST_STEP)
        total += float(np.abs(np.diff(run))[follows].sum())
        count += int(follows.sum())
    mean = float(np.concatenate(values).mean()) if values else 0.0
    return total / count / mean if count and mean > 0 else float("nan")


def _percentiles(values: npt.NDArray[np.floating]) -> tuple[float, float, float]:
    if len(values) == 0:
        return (float("nan"),) * 3
    low, middle, high = np.percentile(values, (20, 50, 80))
    return float(low), float(middle), float(high)


@lru_cache(maxsize=1)
def _equal_loudness() -> Float32Array:
    """Return the weight of each band: Hermansky's equation 7 at its centre, over its unit area."""
    options = LOUDNESS_OPTIONS
    low, high = hz_to_mel([options.low_hz, options.high_hz])
    edges = mel_to_hz(np.linspace(low, high, options.n_mels + 2))
    omega = (2.0 * np.pi * edges[1:-1]) ** 2
    curve = (omega + 56.8e6) * omega**2 / ((omega + 6.3e6) ** 2 * (omega + 0.38e9))
    return (curve * (edges[2:] - edges[:-2]) / 2.0).astype(np.float32)
