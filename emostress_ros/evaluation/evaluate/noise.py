"""Corruptions of what the senses take in, in three strengths, the same on every run.

Each has the form of what spoils that sense in the field: a dark and grainy picture, a loud room, a
wrist that moves, a recogniser that mishears.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from emostress_ros.evaluation.evaluate.samples import Physiology, Picture, Sample, Sound, Words

DESCRIPTIONS: Mapping[str, tuple[str, ...]] = {
    "face": tuple(f"darkened to {d:.0%}, grain of {s} of 255" for d, s in
                  ((0.7, 12), (0.45, 25), (0.25, 40))),
    "voice": ("noise at 20 dB SNR", "noise at 10 dB SNR", "noise at 0 dB SNR"),
    "physiology": tuple(f"motion in {p:.0%} of the time" for p in (0.15, 0.4, 0.8)),
    "text": tuple(f"{p:.0%} of the words lost or misheard" for p in (0.15, 0.35, 0.6)),
}  # fmt: skip
"""Sense to what each strength (1, 2, 3) does."""
_LIGHT, _GRAIN = (0.7, 0.45, 0.25), (12.0, 25.0, 40.0)
_SNR_DB = (20.0, 10.0, 0.0)
_MOVING, _WORDS = (0.15, 0.4, 0.8), (0.15, 0.35, 0.6)
_BOUT_NS = 5_000_000_000
_SPEECH_RMS = 0.05 * 32768.0
_ARTEFACT = {"bvp": 300.0, "eda": 0.8, "acceleration": 0.6, "skin_temperature": 0.3}
"""Size of a motion artefact in a signal's own unit; a heart rate is made from a pulse."""


@dataclass(frozen=True)
class Corruption:
    """One strength of what spoils a sense.

    Attributes:
        level: 1, 2 or 3.
        seed: of everything random.
    """

    level: int
    seed: int = 0

    def apply(self, sample: Sample) -> Sample:
        """The sample as a spoilt sense would have it; depends on the sample and the seed alone."""
        if isinstance(sample, Picture):
            decode, stamp = sample.rgb, sample.stamp_ns
            return replace(sample, rgb=lambda: self._picture(decode(), stamp))
        if isinstance(sample, Sound):
            return replace(sample, pcm=self._sound(sample.pcm, sample.stamp_ns))
        if isinstance(sample, Physiology):
            return replace(sample, values=self._physiology(sample))
        return replace(sample, text=self._words(sample))

    def _picture(self, rgb: npt.NDArray[np.uint8], stamp_ns: int) -> npt.NDArray[np.uint8]:
        random = self._random("face", stamp_ns)
        grain = random.standard_normal(rgb.shape, np.float32) * _GRAIN[self.level - 1]
        return np.clip(rgb * _LIGHT[self.level - 1] + grain, 0, 255).astype(np.uint8)

    def _sound(self, pcm: npt.NDArray[np.int16], stamp_ns: int) -> npt.NDArray[np.int16]:
        """Coloured noise under speech of usual loudness: a pause is as noisy as a word."""
        random = self._random("voice", stamp_ns)
        white = random.standard_normal(len(pcm) + 8)
        coloured = np.convolve(white, 0.7 ** np.arange(9), mode="valid")
        rms = _SPEECH_RMS * 10.0 ** (-_SNR_DB[self.level - 1] / 20.0)
        noise = coloured / max(1e-9, float(coloured.std())) * rms
        return np.clip(pcm + noise[:, None], -32768, 32767).astype(np.int16)

    def _physiology(self, sample: Physiology) -> npt.NDArray[np.float32]:
        """Bouts of motion: steps and shakes in every signal that motion reaches, at once."""
        size = _ARTEFACT.get(sample.signal, 0.0)
        bout = sample.stamp_ns // _BOUT_NS
        moving = self._random("bout", bout).random() < _MOVING[self.level - 1]
        if not moving or not size:
            return sample.values
        random = self._random(sample.signal, sample.stamp_ns)
        shake = random.standard_normal(sample.values.shape) * size
        step = self._random(f"{sample.signal} step", bout).standard_normal() * size
        spoilt = sample.values + shake + step
        return np.asarray(np.maximum(spoilt, 0.0) if sample.signal == "eda" else spoilt, np.float32)

    def _words(self, sample: Words) -> str:
        random = self._random("text", sample.stamp_ns)
        share = _WORDS[self.level - 1]
        heard = []
        for word in sample.text.split():
            fate = random.random()
            if fate < share / 2:
                continue
            heard.append(_misheard(word, random) if fate < share else word)
        return " ".join(heard)

    def _random(self, what: str, place: int) -> np.random.Generator:
        """A generator of its own for every sample, so that order and engine do not matter."""
        name = zlib.crc32(f"{self.level} {what}".encode())
        return np.random.default_rng([self.seed, name, place % (1 << 63)])


def _misheard(word: str, random: np.random.Generator) -> str:
    letters = list(word)
    for _ in range(max(1, len(letters) // 3)):
        letters[int(random.integers(len(letters)))] = chr(ord("a") + int(random.integers(26)))
    return "".join(letters)
