"""The trainings behind a voice model: one a fold, one a speaker of TESS, and the final one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from emostress_ros.errors import DatasetError
from emostress_ros.metrics import score_predictions
from emostress_ros.training.common import load_checkpoint, save_checkpoint
from emostress_ros.training.datasets import ravdess, tess
from emostress_ros.training.datasets.speech_clips import SpeechClip
from emostress_ros.training.datasets.speech_sets import speech_set
from emostress_ros.training.datasets.splits import (
    BY_PERSON,
    RANDOM,
    Split,
    person_folds,
    random_folds,
)
from emostress_ros.training.voice.data import cache_key, speech_of, start_statistics
from emostress_ros.training.voice.fit import FitOptions, IntArray, Lessons, fit, predict
from emostress_ros.training.voice.lower import start_encoder
from emostress_ros.training.voice.net import VoiceNet
from emostress_ros.training.voice.pretrained import load_pretrained

FOLDS = 5
TESS_STRIDE = 4
"""Every fourth clip of TESS is learned from and scored."""
TESS_IMPORTANCE = 0.2
"""Weight of a TESS clip in the loss: two voices must not outweigh twenty."""
FOLD_RUNS = tuple(f"fold{fold}" for fold in range(1, FOLDS + 1))
TESS_RUNS = ("tess-OAF", "tess-YAF")
RANDOM_RUNS = tuple(f"random{fold}" for fold in range(1, FOLDS + 1))
FINAL = "final"
RUNS = (*FOLD_RUNS, *TESS_RUNS, *RANDOM_RUNS, FINAL)
"""What is held out: a fold of RAVDESS's actors, a speaker of TESS, one of five random fifths of the
clips of both sets whoever speaks, or nobody."""
SETS = ("ravdess", "tess")
_SHUFFLE = 0  # seed of the random fifths


@dataclass(frozen=True)
class Corpus:
    """All clips, RAVDESS first.

    Attributes:
        clips: N clips.
        labels: (N,) index into RAVDESS's labels.
        ravdess: (N,) True where the clip is RAVDESS's.
        speech: waveform of every clip.
        start: (V, N, inputs) statistics of every variant by the start weights.
        net: network with the start weights.
    """

    clips: list[SpeechClip]
    labels: IntArray
    ravdess: npt.NDArray[np.bool_]
    speech: list[npt.NDArray[np.float32]]
    start: npt.NDArray[np.float32]
    net: VoiceNet

    def held_out(self, run: str) -> IntArray:
        """Return the clips that a run of :data:`RUNS` does not learn from."""
        persons = [clip.person for clip in self.clips]
        if run == FINAL:
            return np.empty(0, dtype=np.int64)
        if run in TESS_RUNS:
            return np.nonzero([person == run for person in persons])[0]
        if run in RANDOM_RUNS:
            fold = RANDOM_RUNS.index(run)
            parts = [
                rows[random_folds([persons[i] for i in rows], self.labels[rows], FOLDS, _SHUFFLE)
                     [fold].test]
                for rows in (np.nonzero(self.ravdess)[0], np.nonzero(~self.ravdess)[0])
            ]  # fmt: skip
            return np.concatenate(parts)
        spoken = np.nonzero(self.ravdess)[0]
        folds = person_folds([persons[i] for i in spoken], FOLDS)
        return spoken[folds[FOLD_RUNS.index(run)].test]

    def train(self, run: str) -> IntArray:
        """Return the clips that a run of :data:`RUNS` learns from.

        Raises:
            DatasetError: a voice is on both sides, and the run is not a random one.
        """
        held = self.held_out(run)
        rest = np.setdiff1d(np.arange(len(self.clips)), held)
        if len(held):
            name = RANDOM if run in RANDOM_RUNS else BY_PERSON
            Split(name, rest, held, tuple(clip.person for clip in self.clips))
        return rest


@dataclass(frozen=True)
class Run:
    """What a training gave.

    Attributes:
        index: clips held out.
        probabilities: (n, 8) of those clips, not yet calibrated.
        curve: (loss, held-out UAR) after every epoch; NaN where nothing is held out.
        net: the trained network, on the CPU.
        seconds: how long it took.
    """

    index: IntArray
    probabilities: npt.NDArray[np.float32]
    curve: npt.NDArray[np.float64]
    net: VoiceNet
    seconds: float


def load_corpus(data: Path, cache: Path, seed: int, *, progress: bool) -> Corpus:
    """Read both sets and run the start weights over every variant of every clip."""
    parts = {
        "ravdess": ravdess.load(data / "ravdess"),
        "tess": tess.load(data / "tess")[::TESS_STRIDE],
    }
    # Too few people are told now, not after all has been computed.
    person_folds([clip.person for clip in parts["ravdess"]], FOLDS)
    return corpus_of(parts, cache, seed, progress=progress)


def corpus_of(
    parts: Mapping[str, Sequence[SpeechClip]], cache: Path, seed: int, *, progress: bool
) -> Corpus:
    """Run the start weights over every variant of every clip.

    Args:
        parts: clips by the name of their set, RAVDESS first where it is there.
        cache: what is computed is kept here.
        seed: of the variants' noise.
        progress: show bars.
    """
    net = VoiceNet(len(ravdess.LABELS)).eval()
    load_pretrained(net.stem, list(net.blocks))
    clips = [clip for part in parts.values() for clip in part]
    speech = [item for part in parts.values() for item in speech_of(part, cache, progress=progress)]
    file = cache / f"voice-start-{cache_key(clips, seed)}.npy"
    start = start_statistics(speech, start_encoder(net), file, seed=seed, progress=progress)
    read = [
        speech_set(name).ravdess_of[clip.label] for name, part in parts.items() for clip in part
    ]
    labels = np.array([ravdess.LABELS.index(label) for label in read], dtype=np.int64)
    from_ravdess = np.arange(len(labels)) < len(parts.get("ravdess", ()))
    return Corpus(clips, labels, from_ravdess, speech, start, net)


def learn(corpus: Corpus, name: str, options: FitOptions, say: Callable[[str], Any]) -> Run:
    """Train without the clips that the run ``name`` holds out, and judge those.

    Args:
        corpus: all clips.
        name: one of :data:`RUNS`.
        options: of the training.
        say: is told of every epoch.
    """
    began = time.perf_counter()
    test = corpus.held_out(name)
    train = corpus.train(name)
    importance = np.where(corpus.ravdess, 1.0, TESS_IMPORTANCE)
    lessons = Lessons(corpus.speech, corpus.start, corpus.labels, importance, train)
    curve, rows = [], np.empty((0, len(ravdess.LABELS)), dtype=np.float32)
    for epoch, (loss, net) in enumerate(fit(corpus.net, lessons, options)):
        uar = float("nan")
        if len(test):
            rows = predict(net, lessons, test, tuned=epoch >= options.head_epochs)
            uar = score_predictions(ravdess.LABELS, corpus.labels[test], rows).uar
        curve.append((loss, uar))
        say(f"{name}: loss {loss:.3f}, UAR {uar:.3f}")
    return Run(test, rows, np.array(curve), net.eval().cpu(), time.perf_counter() - began)


def held_run(
    corpus: Corpus, name: str, options: FitOptions, cache: Path, say: Callable[[str], Any]
) -> Run:
    """Return a run from the cache, or train it and keep it there.

    Raises:
        DatasetError: the cached file is damaged.
    """
    key = hashlib.sha256(f"{cache_key(corpus.clips)} {options}".encode()).hexdigest()[:12]
    file = cache / f"voice-run-{key}-{name}.pt"
    if not file.is_file():
        run = learn(corpus, name, options, say)
        state = {"index": torch.from_numpy(run.index), "curve": torch.from_numpy(run.curve),
                 "probabilities": torch.from_numpy(run.probabilities),
                 "net": run.net.state_dict(), "seconds": run.seconds}  # fmt: skip
        save_checkpoint(file, state)
        return run
    held = load_checkpoint(file)
    net = VoiceNet(len(ravdess.LABELS))
    net.load_state_dict(held["net"])
    index = held["index"].numpy()
    if not np.array_equal(index, corpus.held_out(name)):
        raise DatasetError(f"{file} holds out other clips; remove it")
    rows, curve = held["probabilities"].numpy(), held["curve"].numpy()
    return Run(index, rows, curve, net.eval(), held["seconds"])
