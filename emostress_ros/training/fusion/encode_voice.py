"""RAVDESS through voice encoders that never heard the actor, in the shipped encoder's space.

The shipped voice model learned from all actors at hand, so what it says of them is too sure.
Each actor is therefore judged by the training of the fold that left the actor out.  Its embedding
has axes of its own; a ridge regression from that fold's embedding to the shipped one, fitted on
the actors that *both* learned from, turns it into the shipped embedding's axes, so that the fusion
learns to read the encoder that is shipped, on people whom it never heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from emostress_ros.affect import EMOTIONS
from emostress_ros.modalities.voice.encoder import SpeechFeatures, VoiceEncoder, wire_matrix
from emostress_ros.modalities.voice.log_mel import LogMelStream
from emostress_ros.modalities.voice.parameters import VoiceConfig
from emostress_ros.modalities.voice.pitch import PitchStream
from emostress_ros.modalities.voice.quality import voice_quality
from emostress_ros.training.common import progress_bar
from emostress_ros.training.datasets import ravdess
from emostress_ros.training.fusion.spoil import VOICE_KINDS, spoil_speech
from emostress_ros.training.fusion.tables import Table, nothing, unlabelled, wire_index
from emostress_ros.training.voice.fit import FitOptions
from emostress_ros.training.voice.lower import start_encoder
from emostress_ros.training.voice.runs import FOLD_RUNS, held_run, load_corpus
from emostress_ros.training.voice.train import fit_temperature, soften

Float32Array = npt.NDArray[np.float32]
RIDGE = 10.0


@dataclass(frozen=True)
class _Fold:
    """One fold's answers: embeddings and log-probabilities of clips."""

    vectors: Float32Array
    logarithms: Float32Array


def voice_table(
    data: Path, cache: Path, seed: int, *, progress: bool = True, tuning_epochs: int = 0
) -> Table:
    """Return RAVDESS speech by encoders that never heard the speaker.

    Args:
        data: holds ``ravdess/`` and ``tess/``.
        cache: of the voice trainings; what is there is used.
        seed: of the noise and the trainings.
        progress: show a bar.
        tuning_epochs: epochs in which the folds train all weights; with 0 they train the head on
            the start weights, which costs minutes in place of hours and one point of UAR.
    """
    torch.set_num_threads(1)
    cache.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(data, cache, seed, progress=progress)
    clips = [clip for clip, own in zip(corpus.clips, corpus.ravdess, strict=True) if own]
    speech = corpus.speech[: len(clips)]
    waves, quality = _spoilt(speech, seed)
    shipped = VoiceEncoder(VoiceConfig())
    target = _shipped_vectors(shipped, speech)
    shape = (len(VOICE_KINDS), len(clips))
    vectors = np.zeros((*shape, target.shape[1]), np.float32)
    native = np.zeros((*shape, len(ravdess.LABELS)), np.float32)
    options = FitOptions(tuning_epochs=tuning_epochs, seed=seed)
    with progress_bar(len(FOLD_RUNS), "voice folds", enabled=progress) as advance:
        for name in FOLD_RUNS:
            run = held_run(corpus, name, options, cache, lambda text: None)
            encode = start_encoder(run.net)
            known = np.setdiff1d(np.arange(len(clips)), run.index)
            seen = _answer(run.net, np.stack([encode(speech[i]) for i in known]))
            turn = ridge(seen.vectors, target[known], RIDGE)
            for v, kind in enumerate(waves):
                said = _answer(run.net, np.stack([encode(kind[i]) for i in run.index]))
                vectors[v, run.index] = _extended(said.vectors) @ turn
                native[v, run.index] = np.exp(said.logarithms)
            advance(name)
    labels = corpus.labels[: len(clips)]
    softened = soften(native, 1.0).reshape(-1, len(ravdess.LABELS))
    probabilities = soften(softened, fit_temperature(labels, native[0])).reshape(native.shape)
    wire = [shipped.card.label_map.get(clip.label, clip.label) for clip in clips]
    wired = (probabilities @ wire_matrix(shipped.card)).reshape(*shape, len(EMOTIONS))
    return Table(
        "voice", shipped.card.identifier, VOICE_KINDS, vectors, wired.astype(np.float32),
        nothing(*shape), quality, wire_index(wire), unlabelled(len(clips)),
        np.array([clip.person for clip in clips]),
    )  # fmt: skip


def _spoilt(speech: list[Float32Array], seed: int) -> tuple[list[list[Float32Array]], Float32Array]:
    """Return the waveforms of every kind, and the (V, N) quality that the front end would give."""
    waves, quality = [], []
    for v, kind in enumerate(VOICE_KINDS):
        rng = np.random.default_rng((seed, v))
        made = [spoil_speech(speech, i, kind, rng) for i in range(len(speech))]
        waves.append([wave for wave, _ in made])
        pitch = [PitchStream().push(wave)[:, 0] for wave, _ in made]
        quality.append([voice_quality(wave, f0, level).value
                        for (wave, level), f0 in zip(made, pitch, strict=True)])  # fmt: skip
    return waves, np.asarray(quality, np.float32)


def _shipped_vectors(encoder: VoiceEncoder, speech: list[Float32Array]) -> Float32Array:
    rows = [
        encoder.perceive(SpeechFeatures(wave, LogMelStream().push(wave), PitchStream().push(wave)))
        for wave in speech
    ]
    return np.stack([row.vector for row in rows])


def _answer(net: torch.nn.Module, statistics: Float32Array) -> _Fold:
    net.eval()
    with torch.no_grad():
        vectors, logarithms = net.head(torch.from_numpy(statistics))
    return _Fold(vectors.numpy(), logarithms.numpy())


def ridge(inputs: Float32Array, targets: Float32Array, penalty: float) -> Float32Array:
    """Return the (D + 1, E) weights of a ridge regression; the last row is the bias."""
    design = _extended(inputs).astype(np.float64)
    square = design.T @ design + penalty * np.eye(design.shape[1])
    return np.linalg.solve(square, design.T @ targets).astype(np.float32)


def _extended(inputs: Float32Array) -> Float32Array:
    return np.c_[inputs, np.ones(len(inputs), np.float32)]
