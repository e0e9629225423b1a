"""Signals spoilt as a room, a camera and a wrist spoil them: pure functions over numpy.

The kinds are named in the order of the tables: first the signal as it is, last noise in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import scipy.signal

from emostress_ros.training.datasets.empatica import E4Recording, E4Signal
from emostress_ros.training.fusion.tables import CLEAN, REPLACED

Float32Array = npt.NDArray[np.float32]
Rng = np.random.Generator
Faces = npt.NDArray[np.uint8]

FACE_KINDS = (CLEAN, "blurred", "moved", "grainy", REPLACED)
VOICE_KINDS = (CLEAN, "noisy", "babble", "clipped", REPLACED)
TEXT_KINDS = (CLEAN, "misheard", "mistyped", REPLACED)
PHYSIOLOGY_KINDS = (CLEAN, "moved", REPLACED)
_DARKEST, _BRIGHTEST = 0, 255


def spoil_faces(faces: Faces, kind: str, rng: Rng) -> Faces:
    """Spoil (N, 48, 48) uint8 faces: out of focus, moved, in the dark, or noise."""
    if kind == CLEAN:
        return faces
    if kind == REPLACED:
        return rng.integers(0, 256, faces.shape, dtype=np.uint8)
    spoilt = np.stack([_FACE[kind](face.astype(np.float32), rng) for face in faces])
    return np.clip(spoilt, _DARKEST, _BRIGHTEST).astype(np.uint8)


def _blurred(face: Float32Array, rng: Rng) -> Float32Array:
    return np.asarray(scipy.ndimage.gaussian_filter(face, rng.uniform(1.0, 2.5)))


def _moved(face: Float32Array, rng: Rng) -> Float32Array:
    length = int(rng.integers(5, 12))
    axis = int(rng.integers(2))
    return np.asarray(scipy.ndimage.uniform_filter1d(face, length, axis=axis))


def _grainy(face: Float32Array, rng: Rng) -> Float32Array:
    # A dark room: little light, and the noise of a high gain.
    dim = face * rng.uniform(0.25, 0.8)
    return np.asarray(dim + rng.normal(0.0, rng.uniform(10.0, 35.0), face.shape), np.float32)


_FACE: Mapping[str, Callable[[Float32Array, Rng], Float32Array]] = {
    "blurred": _blurred,
    "moved": _moved,
    "grainy": _grainy,
}


def spoil_speech(
    speech: Sequence[Float32Array], which: int, kind: str, rng: Rng
) -> tuple[Float32Array, float]:
    """Spoil one of several stretches of speech.

    Args:
        speech: (n,) waveforms; those besides ``which`` are the babble.
        which: index of the one to spoil.
        kind: ``clean``, ``noisy``, ``babble``, ``clipped`` or ``replaced``.
        rng: of the noise.

    Returns:
        the waveform, and the level of the noise in dBFS; NaN where none was added.
    """
    wave = speech[which]
    if kind == CLEAN:
        return wave, float("nan")
    if kind == "clipped":
        gain = rng.uniform(1.5, 6.0) / (float(np.abs(wave).max()) + 1e-6)
        return np.clip(wave * gain, -1.0, 1.0).astype(np.float32), float("nan")
    noise = _babble(speech, len(wave), rng) if kind == "babble" else _coloured(len(wave), rng)
    loud = float(np.sqrt(np.mean(wave**2))) + 1e-6
    if kind == REPLACED:
        mixed, level = noise * loud, loud
    else:
        snr_db = rng.uniform(0.0, 12.0) if kind == "babble" else rng.uniform(3.0, 25.0)
        level = loud * 10.0 ** (-snr_db / 20.0)
        mixed = wave + noise * level
    return mixed.astype(np.float32), 20.0 * float(np.log10(level))


def _coloured(length: int, rng: Rng) -> Float32Array:
    colour = rng.uniform(0.0, 0.95)
    return _unit(scipy.signal.lfilter([1.0], [1.0, -colour], rng.normal(size=length)))


def _babble(speech: Sequence[Float32Array], length: int, rng: Rng) -> Float32Array:
    voices = np.zeros(length)
    for other in rng.integers(len(speech), size=6):
        voices += _unit(np.resize(np.roll(speech[other], int(rng.integers(16_000))), length))
    return _unit(voices)


def _unit(wave: npt.NDArray[np.floating]) -> Float32Array:
    return np.asarray(wave / (np.sqrt(np.mean(np.square(wave))) + 1e-9), np.float32)


def spoil_text(texts: Sequence[str], which: int, kind: str, rng: Rng) -> str:
    """Spoil one of several texts: words lost and misheard, letters mistyped, or a salad of words.

    Args:
        texts: the words of the others are what is misheard.
        which: index of the one to spoil.
        kind: ``clean``, ``misheard``, ``mistyped`` or ``replaced``.
        rng: of the errors.
    """
    words = texts[which].split() or [texts[which]]
    if kind == CLEAN:
        return texts[which]
    if kind == REPLACED:
        return " ".join(_any_word(texts, rng) for _ in words)
    if kind == "misheard":
        chance = rng.random(len(words))
        heard = [_any_word(texts, rng) if c < 0.2 else word for word, c in zip(words, chance)  # noqa: B905
                 if not 0.2 <= c < 0.35]  # fmt: skip
        return " ".join(heard or words[:1])
    return " ".join(_mistype(word, rng) for word in words)


def _any_word(texts: Sequence[str], rng: Rng) -> str:
    words = texts[int(rng.integers(len(texts)))].split() or ["so"]
    return words[int(rng.integers(len(words)))]


def _mistype(word: str, rng: Rng) -> str:
    if len(word) < 3 or rng.random() > 0.25:
        return word
    at = int(rng.integers(len(word) - 1))
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def spoil_recording(recording: E4Recording, kind: str, rng: Rng) -> E4Recording:
    """Spoil a wearable's recording: a hand that moves, electrodes that slip, or noise.

    ``moved`` adds bursts of motion to the pulse and the acceleration, ``loose`` lets the skin
    conductance lose contact and the pulse fade, ``replaced`` puts noise in place of every signal.
    The wearable's own heart rate and beats are dropped: they come from the pulse.
    """
    if kind == CLEAN:
        return recording
    spoilt = {
        name: replace(signal, data=_spoil_signal(signal, kind, rng))
        for name, signal in recording.signals.items()
        if name != "heart_rate"
    }
    nobody = np.zeros(0, np.int64), np.zeros(0, np.float32)
    return replace(recording, signals=spoilt, ibi_stamps_ns=nobody[0], ibi_ms=nobody[1])


def _spoil_signal(signal: E4Signal, kind: str, rng: Rng) -> Float32Array:
    data = signal.data.astype(np.float64)
    scale = np.std(data, axis=0, keepdims=True) + 1e-6
    noise = rng.normal(size=data.shape)
    bursts = _bursts(len(data), signal.sample_rate_hz, rng)[:, None]
    if kind == REPLACED:
        data = np.mean(data, axis=0, keepdims=True) + scale * noise
    elif kind == "moved" and signal.name in ("bvp", "acceleration"):
        size = 3.0 * scale if signal.name == "bvp" else 0.4
        data = data + bursts * size * scipy.ndimage.uniform_filter1d(noise, 4, axis=0) * 2.0
    elif kind == "loose" and signal.name in ("bvp", "eda"):
        data = data * (1.0 - bursts) + bursts * 0.02 * scale * noise
    return data.astype(np.float32)


def _bursts(length: int, rate_hz: float, rng: Rng) -> npt.NDArray[np.float64]:
    """Return (n,) 1 during bursts that take about half of the time, each of 5 to 30 s."""
    envelope = np.zeros(length)
    at = 0.0
    while at * rate_hz < length:
        begin = at + rng.uniform(5.0, 30.0)
        at = begin + rng.uniform(5.0, 30.0)
        envelope[int(begin * rate_hz) : int(at * rate_hz)] = 1.0
    return envelope
