"""Changes of a voice that leave its emotion: rate, pitch, room, noise, and masks.

Sources: Ko et al., "Audio augmentation for speech recognition", Interspeech 2015 (speed);
Flanagan and Golden, "Phase vocoder", Bell System Technical Journal 45 (1966); Polack, "La
transmission de l'énergie sonore dans les salles" (1988) (reverberation); Park et al.,
"SpecAugment", Interspeech 2019 (masks).
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import scipy.signal

Float32Array = npt.NDArray[np.float32]
_FRAME, _HOP = 512, 128  # of the phase vocoder, 32 ms and 8 ms at 16 kHz
_FINEST = 40  # resampling ratios are fractions of at most this denominator


def change_speed(waveform: Float32Array, factor: float) -> Float32Array:
    """Return the waveform faster and higher by ``factor``, as another throat would speak it.

    Args:
        waveform: (n,) samples.
        factor: above 1 is faster; (n / factor,) samples come out.
    """
    ratio = Fraction(1.0 / factor).limit_denominator(_FINEST)
    changed = scipy.signal.resample_poly(waveform, ratio.numerator, ratio.denominator)
    return np.asarray(changed, dtype=np.float32)


def change_rate(waveform: Float32Array, factor: float) -> Float32Array:
    """Return the waveform spoken faster by ``factor`` at the same pitch (phase vocoder).

    Args:
        waveform: (n,) samples.
        factor: above 1 is faster; about n / factor samples come out.
    """
    if len(waveform) < 2 * _FRAME:
        return waveform
    _, _, spectrum = scipy.signal.stft(waveform, nperseg=_FRAME, noverlap=_FRAME - _HOP)
    place = np.arange(0.0, spectrum.shape[1] - 1, factor)
    before = place.astype(np.int64)
    share = place - before
    size = np.abs(spectrum)
    level = (1.0 - share) * size[:, before] + share * size[:, before + 1]
    # Each bin turns on from frame to frame as it did between the two frames it comes from.
    turn = np.angle(spectrum[:, before + 1] * np.conj(spectrum[:, before]))
    phase = np.angle(spectrum[:, :1]) + np.cumsum(turn, axis=1) - turn[:, :1]
    _, changed = scipy.signal.istft(
        level * np.exp(1j * phase), nperseg=_FRAME, noverlap=_FRAME - _HOP
    )
    return np.asarray(changed, dtype=np.float32)


def shift_pitch(waveform: Float32Array, semitones: float) -> Float32Array:
    """Return the waveform with pitch and formants moved, as long as it was.

    Args:
        waveform: (n,) samples.
        semitones: above 0 is higher.
    """
    factor = float(2.0 ** (semitones / 12.0))
    return change_speed(change_rate(waveform, 1.0 / factor), factor)


def reverberate(waveform: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Return the (n,) waveform in a room: a tail of noise that fades exponentially."""
    decay = np.exp(-np.arange(4000) / rng.uniform(300.0, 1500.0))
    tail = rng.normal(size=4000) * decay
    tail *= rng.uniform(0.0, 0.5) / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    wet = scipy.signal.fftconvolve(waveform, tail)[: len(waveform)]
    return np.asarray(wet, dtype=np.float32)


def add_noise(waveform: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Return the (n,) waveform in noise of a random colour, at 10 to 30 dB SNR."""
    colour = rng.uniform(0.0, 0.95)
    noise = scipy.signal.lfilter([1.0], [1.0, -colour], rng.normal(size=len(waveform)))
    level = np.std(waveform) / (np.std(noise) + 1e-9) * 10.0 ** (-rng.uniform(10.0, 30.0) / 20.0)
    return np.asarray(waveform + level * noise, dtype=np.float32)


def augment(waveform: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Return a random change: of speed, rate or pitch, and in half of the cases of the place.

    Args:
        waveform: (n,) samples at 16 kHz.
        rng: the same state gives the same change.
    """
    kind = rng.integers(3)
    if kind == 0:
        changed = change_speed(waveform, float(rng.uniform(0.88, 1.14)))
    elif kind == 1:
        changed = change_rate(waveform, float(rng.uniform(0.85, 1.2)))
    else:
        changed = shift_pitch(waveform, float(rng.uniform(-2.5, 2.5)))
    return add_noise(reverberate(changed, rng), rng) if rng.random() < 0.5 else changed


def mask(
    frames: Float32Array, bands: int, rng: np.random.Generator, *, widest: float = 0.2
) -> Float32Array:
    """Return (N, T, F) frames, in each item one stretch of time and one of bands set to 0.

    Args:
        frames: standardised, so that 0 is the mean.
        bands: the first columns, which are bands of frequency; others are never masked by band.
        rng: draws both.
        widest: greatest share of time and of the bands that is hidden.
    """
    masked = frames.copy()
    masked[_stretches(len(frames), frames.shape[1], rng, widest)] = 0.0
    hidden = _stretches(len(frames), bands, rng, widest)
    masked[..., :bands] *= ~hidden[:, None]
    return masked


def _stretches(
    count: int, size: int, rng: np.random.Generator, widest: float
) -> npt.NDArray[np.bool_]:
    """Return (count, size) rows, each with one stretch of at most ``widest`` of it True."""
    width = rng.integers(int(widest * size) + 1, size=(count, 1))
    begin = rng.integers(size - width + 1)
    place = np.arange(size)
    return (place >= begin) & (place < begin + width)
