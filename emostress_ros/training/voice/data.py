"""Clips to training material: the speech of every clip, its variants, their statistics.

The head is trained first, on what the start weights make of every variant of every clip; that is
computed once and kept in a cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.files import whole_file
from emostress_ros.modalities.voice.parameters import VoiceConfig
from emostress_ros.modalities.voice.utterance import speech_extent
from emostress_ros.modalities.voice.vad import SileroVad
from emostress_ros.training.common import progress_bar
from emostress_ros.training.datasets.speech_clips import SpeechClip, read_mono_16k
from emostress_ros.training.voice.augment import add_noise, change_speed, reverberate

Float32Array = npt.NDArray[np.float32]
Encode = Callable[[Float32Array], Float32Array]
"""(n,) waveform to (inputs,) statistics by the start weights, as the head takes them."""
VARIANTS = ("plain", "slow", "fast", "noisy")
"""The clip as it is, 10 % slower and lower, 10 % faster and higher, in a noisy room."""


def speech_of(
    clips: Sequence[SpeechClip], cache: Path, *, progress: bool = True
) -> list[Float32Array]:
    """Return the stretch of speech of every clip at 16 kHz, trimmed as the front end would."""
    file = cache / f"voice-speech-{cache_key(clips)}.npz"
    if not file.is_file():
        vad, config, speech = SileroVad(), VoiceConfig(), []
        with progress_bar(len(clips), "finding speech", enabled=progress) as advance:
            for clip in clips:
                waveform = read_mono_16k(clip.path)
                start, end = speech_extent(waveform, vad, config)
                speech.append(waveform[start:end])
                advance("")
        length = [len(item) for item in speech]
        with whole_file(file) as draft:
            np.savez(draft, samples=np.concatenate(speech), length=length)
    with np.load(file) as held:
        return np.split(held["samples"], np.cumsum(held["length"])[:-1])


def cache_key(clips: Sequence[SpeechClip], *more: object) -> str:
    """Return a hash of clips and of what else a cached file depends on."""
    names = "\n".join(f"{clip.person} {clip.path.name}" for clip in clips)
    return hashlib.sha256(f"{names}\n{more}".encode()).hexdigest()[:16]


def make_variant(waveform: Float32Array, variant: str, rng: np.random.Generator) -> Float32Array:
    """Return one of the :data:`VARIANTS` of a waveform."""
    if variant == "slow":
        return change_speed(waveform, 0.9)
    if variant == "fast":
        return change_speed(waveform, 1.1)
    if variant == "noisy":
        return add_noise(reverberate(waveform, rng), rng)
    return waveform


def variant_of(speech: Float32Array, which: int, clip: int, seed: int) -> Float32Array:
    """Return variant number ``which`` of a clip: the same clip and seed give the same noise."""
    return make_variant(speech, VARIANTS[which], np.random.default_rng((seed, clip)))


def start_statistics(
    speech: Sequence[Float32Array],
    encode: Encode,
    file: Path,
    *,
    seed: int = 0,
    progress: bool = True,
) -> Float32Array:
    """Return the (V, N, inputs) statistics of every variant of N clips.

    Args:
        speech: of every clip.
        encode: see :data:`Encode`.
        file: read where it is there, else written.
        seed: of the noise.
        progress: show a bar.
    """
    if not file.is_file():
        rows = []
        total = len(VARIANTS) * len(speech)
        with progress_bar(total, "encoding", enabled=progress) as advance:
            for which, name in enumerate(VARIANTS):
                for clip, waveform in enumerate(speech):
                    rows.append(encode(variant_of(waveform, which, clip, seed)))
                    advance(name)
        with whole_file(file) as draft:
            np.save(draft, np.stack(rows).reshape(len(VARIANTS), len(speech), -1))
    return np.asarray(np.load(file), dtype=np.float32)
