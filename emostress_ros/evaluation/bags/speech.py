"""A small voice: a source–filter synthesiser for the sample, so that no recording is needed.

A glottal pulse train (with jitter, and noise for breath and hiss) drives a cascade of formant
resonators whose frequencies glide between the targets of successive sounds: Klatt, "Software for
a cascade/parallel formant synthesizer", JASA 67 (1980). Vowel formants are those of Peterson and
Barney, "Control methods used in a study of the vowels", JASA 24 (1952). It is understood with good
will and passes for speech with a voice activity detector; it carries no emotion of a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from emostress_ros.errors import MediaError

RATE = 16000
_HOP = 80  # 5 ms: formants move little within it
_BANDWIDTHS = (60.0, 90.0, 150.0, 200.0)  # Hz, Klatt 1980, table II
_F4 = 3500.0


@dataclass(frozen=True)
class Sound:
    """A speech sound.

    Attributes:
        formants: F1, F2, F3 in Hz.
        voiced: level of the pulse train, [0, 1].
        noise: level of the noise, [0, 1].
        seconds: length at normal pace.
        hiss: noise passes by the formants (a fricative) instead of through them.
    """

    formants: tuple[float, float, float]
    voiced: float = 1.0
    noise: float = 0.02
    seconds: float = 0.11
    hiss: bool = False


_VOWELS = {
    "IY": (270, 2290, 3010), "IH": (390, 1990, 2550), "EH": (530, 1840, 2480),
    "AE": (660, 1720, 2410), "AH": (640, 1190, 2390), "AA": (730, 1090, 2440),
    "AO": (570, 840, 2410), "UH": (440, 1020, 2240), "UW": (300, 870, 2240),
    "ER": (490, 1350, 1690),
}  # fmt: skip
_GLIDES = {"AY": ("AA", "IY"), "EY": ("EH", "IY"), "OW": ("AO", "UW"), "AW": ("AA", "UW")}
SOUNDS: dict[str, Sound] = {
    **{name: Sound(formants, seconds=0.13) for name, formants in _VOWELS.items()},
    "M": Sound((250, 1000, 2200), 0.5, seconds=0.08),
    "N": Sound((250, 1500, 2500), 0.5, seconds=0.08),
    "NG": Sound((250, 2000, 2600), 0.5, seconds=0.09),
    "L": Sound((360, 1100, 2600), 0.7, seconds=0.08),
    "R": Sound((310, 1060, 1380), 0.7, seconds=0.08),
    "W": Sound((290, 610, 2150), 0.7, seconds=0.08),
    "Y": Sound((260, 2070, 3020), 0.7, seconds=0.07),
    "S": Sound((320, 1390, 2530), 0.0, 0.35, 0.11, hiss=True),
    "Z": Sound((240, 1390, 2530), 0.4, 0.2, 0.09, hiss=True),
    "SH": Sound((300, 1840, 2750), 0.0, 0.4, 0.11),
    "F": Sound((340, 1100, 2080), 0.0, 0.12, 0.1, hiss=True),
    "V": Sound((220, 1100, 2080), 0.5, 0.06, 0.07, hiss=True),
    "TH": Sound((320, 1290, 2540), 0.0, 0.1, 0.09, hiss=True),
    "DH": Sound((270, 1290, 2540), 0.5, 0.06, 0.06, hiss=True),
    "HH": Sound((500, 1500, 2500), 0.0, 0.25, 0.07),
    "P": Sound((400, 1100, 2150), 0.0, 0.0, 0.07), "B": Sound((200, 1100, 2150), 0.15, 0.0, 0.06),
    "T": Sound((400, 1600, 2600), 0.0, 0.0, 0.07), "D": Sound((200, 1600, 2600), 0.15, 0.0, 0.06),
    "K": Sound((300, 1990, 2850), 0.0, 0.0, 0.08), "G": Sound((200, 1990, 2850), 0.15, 0.0, 0.07),
    "_": Sound((500, 1500, 2500), 0.0, 0.0, 0.06),
}  # fmt: skip
_BURSTS = frozenset("PTKBDG")


def speak(
    phonemes: str, *, pitch_hz: float = 120.0, pace: float = 1.0, seed: int = 0
) -> npt.NDArray[np.int16]:
    """Say a sentence.

    Args:
        phonemes: ARPAbet symbols between blanks, `_` for a short pause.
        pitch_hz: pitch at the beginning; it falls by a fifth of it towards the end.
        pace: how fast; 1 is about eleven sounds a second.
        seed: of the jitter and the noise.

    Returns:
        (n,) int16 at 16 kHz.

    Raises:
        MediaError: a symbol that is not known.
    """
    names = _expand(phonemes.split())
    tracks = _tracks(names, pace)
    random = np.random.default_rng(seed)
    pulses = _glottal_pulses(tracks.voiced, pitch_hz, random)
    breath = random.standard_normal(len(pulses)) * np.repeat(tracks.breath, _HOP)
    hiss = random.standard_normal(len(pulses)) * np.repeat(tracks.hiss, _HOP)
    throat = _resonate(pulses + 0.3 * breath, tracks.formants)
    sound = throat / max(1e-9, float(np.max(np.abs(throat)))) + 0.25 * np.diff(hiss, prepend=0.0)
    return np.asarray(np.round(9000.0 * np.clip(sound, -3.0, 3.0) / 1.3), dtype=np.int16)


@dataclass(frozen=True)
class _Tracks:
    """Targets for every 5 ms: formants (n, 3) Hz, and the levels of the three sources (n,)."""

    formants: npt.NDArray[np.float64]
    voiced: npt.NDArray[np.float64]
    breath: npt.NDArray[np.float64]
    hiss: npt.NDArray[np.float64]


def _expand(symbols: Sequence[str]) -> list[str]:
    names: list[str] = []
    for symbol in symbols:
        names.extend(_GLIDES.get(symbol, (symbol,)))
    if unknown := sorted(set(names) - set(SOUNDS)):
        known = ", ".join([*SOUNDS, *_GLIDES])
        raise MediaError(f"unknown speech sound {', '.join(unknown)}; known are {known}")
    if not names:
        raise MediaError("nothing to say: give at least one speech sound")
    return names


def _tracks(names: Sequence[str], pace: float) -> _Tracks:
    rows: list[tuple[float, ...]] = []
    for name in names:
        sound = SOUNDS[name]
        steps = max(2, round(sound.seconds / pace * RATE / _HOP))
        breath, hiss = (0.0, sound.noise) if sound.hiss else (sound.noise, 0.0)
        rows += [(*sound.formants, sound.voiced, breath, hiss)] * steps
        if name in _BURSTS:  # the closure opens with a short puff
            rows += [(*sound.formants, 0.0, 0.5, 0.1)] * 3
    table = np.array([rows[0]] * 4 + rows + [rows[-1]] * 4, dtype=np.float64)
    table[:2, 3:] = table[-2:, 3:] = 0.0
    smooth = np.hanning(9) / np.hanning(9).sum()  # 45 ms: how fast a tongue moves
    glides = np.column_stack([np.convolve(column, smooth, "same") for column in table.T])
    glides[:, :3] = np.maximum(glides[:, :3], 200.0)
    return _Tracks(glides[:, :3], glides[:, 3], glides[:, 4], glides[:, 5])


def _glottal_pulses(
    level: npt.NDArray[np.float64], pitch_hz: float, random: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Rosenberg pulses, differentiated at the lips, with 1 % jitter and a falling pitch."""
    samples = len(level) * _HOP
    out = np.zeros(samples)
    position = 0.0
    while position < samples:
        progress = position / samples
        pitch = pitch_hz * (1.05 - 0.2 * progress + 0.05 * np.sin(9.0 * progress))
        period = RATE / pitch * (1.0 + 0.01 * random.standard_normal())
        begin = int(position)
        opening, closing = int(0.4 * period), int(0.16 * period)
        pulse = np.concatenate([
            0.5 * (1.0 - np.cos(np.pi * np.arange(opening) / opening)),
            np.cos(0.5 * np.pi * np.arange(closing) / closing),
        ])  # fmt: skip
        part = np.diff(pulse, prepend=0.0, append=0.0)[: samples - begin]
        out[begin : begin + len(part)] += part * level[min(len(level) - 1, begin // _HOP)]
        position += period
    return out


def _resonate(
    source: npt.NDArray[np.float64], formants: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Second-order resonators in cascade, their state carried from one 5 ms to the next."""
    out = source.copy()
    for index, bandwidth in enumerate(_BANDWIDTHS):
        radius = np.exp(-np.pi * bandwidth / RATE)
        state = np.zeros(2)
        for step in range(len(formants)):
            frequency = _F4 if index == 3 else formants[step, index]
            b = 2.0 * radius * np.cos(2.0 * np.pi * frequency / RATE)
            c = -radius * radius
            span = slice(step * _HOP, (step + 1) * _HOP)
            out[span], state = lfilter([1.0 - b - c], [1.0, -b, -c], out[span], zi=state)
    return out
