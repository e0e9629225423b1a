"""``emostress train voice``: train, cross-validate, calibrate and export the voice model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from emostress_ros.metrics import Score, score_predictions
from emostress_ros.training.common import CsvLog, plot_curves, progress_bar
from emostress_ros.training.datasets import ravdess, tess
from emostress_ros.training.datasets.speech_clips import (
    SpeechClip,
    check_disjoint,
    person_folds,
)
from emostress_ros.training.voice_card import LABEL_MAP, write_card
from emostress_ros.training.voice_data import VARIANTS, Material, cache_key, material
from emostress_ros.training.voice_export import DeployedVoiceNet, export
from emostress_ros.training.voice_fit import (
    FitOptions,
    UpperPart,
    fit,
    pooled_at_start,
    pooled_of,
    predict,
)
from emostress_ros.training.voice_lower import lower_encoder
from emostress_ros.training.voice_net import VoiceNet
from emostress_ros.training.voice_pretrained import load_pretrained

FOLDS = 5
TESS_STRIDE = 4
"""Every fourth clip of TESS is learned from and scored."""
TESS_IMPORTANCE = 0.2
"""Weight of a TESS clip in the loss: two voices must not outweigh twenty."""
FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Corpus:
    """All clips, RAVDESS first, in every variant.

    Attributes:
        clips: N clips.
        labels: (N,) index into RAVDESS's labels.
        ravdess: (N,) True where the clip is RAVDESS's.
        variants: the encoder output of every variant.
        pooled: (V, N, inputs) statistics of every variant by the start weights.
        net: network with the start weights.
    """

    clips: list[SpeechClip]
    labels: npt.NDArray[np.int64]
    ravdess: npt.NDArray[np.bool_]
    variants: list[Material]
    pooled: Tensor
    net: VoiceNet


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    torch.set_num_threads(1)
    options = _parser().parse_args(argv)
    progress = not options.no_progress
    corpus = load_corpus(options.data, options.cache, options.seed, progress=progress)
    fitting = FitOptions(block_epochs=options.block_epochs, seed=options.seed)
    held_out, curves = cross_validate(corpus, fitting, FOLDS, progress=progress)
    scores, temperature = evaluate(corpus, held_out)
    scores["tess, other speaker"] = tess_across(corpus, fitting)
    _report(scores, temperature)
    if options.cv:
        return 0
    columns = _log_curves(curves, options.output / "training.csv")
    plot_curves(
        columns, {"loss": ["loss"], "UAR, actors held out": ["uar"]},
        "voice: mean of five person-disjoint folds", options.figure,
    )  # fmt: skip
    upper = _fitted(corpus, np.arange(len(corpus.clips)), fitting)
    deployed = DeployedVoiceNet(corpus.net, upper, _circumplex_labels(), temperature)
    file = options.output / "model.onnx"
    parity = export(deployed, file)
    write_card(options.output, scores, temperature, fitting, parity)
    print(f"wrote {file} ({file.stat().st_size / 1e6:.1f} MB, parity {parity:.1e})")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="emostress train voice", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with ravdess/ and tess/")
    parser.add_argument("--output", type=Path, default=Path("models/voice_speech"))
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/emostress/voice")
    parser.add_argument("--figure", type=Path, default=Path("docs/figures/voice_training.png"))
    parser.add_argument("--block-epochs", type=int, default=FitOptions.block_epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cv", action="store_true", help="cross-validate and stop")
    parser.add_argument("--no-progress", action="store_true")
    return parser


def load_corpus(data: Path, cache: Path, seed: int, *, progress: bool) -> Corpus:
    """Read both sets and run the untrained part of the encoder over every variant."""
    parts = [ravdess.load(data / "ravdess"), tess.load(data / "tess")[::TESS_STRIDE]]
    net = VoiceNet(len(ravdess.LABELS)).eval()
    load_pretrained(net.stem, list(net.blocks))
    encode = lower_encoder(net)
    variants = []
    for name in VARIANTS:
        halves = [material(part, name, encode, cache, seed=seed, progress=progress)
                  for part in parts]  # fmt: skip
        lower = np.concatenate([half.lower for half in halves])
        variants.append(Material(lower, [row for half in halves for row in half.frames]))
    names = [clip.label for clip in parts[0]] + [tess.RAVDESS_OF[c.label] for c in parts[1]]
    labels = np.array([ravdess.LABELS.index(name) for name in names], dtype=np.int64)
    clips = [*parts[0], *parts[1]]
    pooled = _cached_pooled(net, variants, cache / f"voice-pooled-{cache_key(clips)}.npy", progress)
    from_ravdess = np.arange(len(labels)) < len(parts[0])
    return Corpus(clips, labels, from_ravdess, variants, pooled, net)


def _cached_pooled(net: VoiceNet, variants: list[Material], file: Path, progress: bool) -> Tensor:
    if not file.is_file():
        np.save(file, pooled_at_start(net.blocks[-1], variants, progress=progress).numpy())
    return torch.from_numpy(np.load(file))


def cross_validate(
    corpus: Corpus, options: FitOptions, folds: int, *, progress: bool
) -> tuple[FloatArray, list[list[tuple[float, float]]]]:
    """Train once for every fold of RAVDESS's actors; TESS is always learned from.

    Returns:
        (N, 8) probabilities of the RAVDESS clips by the network that never heard their speaker
        (zeros for TESS), and (loss, held-out UAR) after every epoch of every fold.
    """
    spoken = np.nonzero(corpus.ravdess)[0]
    fold_of = person_folds([corpus.clips[i] for i in spoken], folds)
    probabilities = np.zeros((len(corpus.clips), len(ravdess.LABELS)), dtype=np.float32)
    curves: list[list[tuple[float, float]]] = []
    epochs = options.head_epochs + options.block_epochs
    with progress_bar(folds * epochs, "cross-validation", enabled=progress) as advance:
        for fold in range(folds):
            test = spoken[fold_of == fold]
            train = np.setdiff1d(np.arange(len(corpus.clips)), test)
            check_disjoint([corpus.clips[i] for i in train], [corpus.clips[i] for i in test])
            curve = []
            for loss, upper in _fit(corpus, train, options):
                rows = _predict(corpus, upper, test, options)
                curve.append((loss, _uar(corpus.labels[test], rows)))
                advance(f"fold {fold + 1}: loss {loss:.3f}, UAR {curve[-1][1]:.3f}")
            probabilities[test] = rows
            curves.append(curve)
    return probabilities, curves


def tess_across(corpus: Corpus, options: FitOptions) -> Score:
    """Learn from RAVDESS and one speaker of TESS, score the other, both ways."""
    people = np.array([clip.person for clip in corpus.clips])
    rows, truth, persons = [], [], []
    for person in ("tess-OAF", "tess-YAF"):
        test = np.nonzero(people == person)[0]
        upper = _fitted(corpus, np.nonzero(people != person)[0], options)
        rows.append(tess.from_ravdess(_predict(corpus, upper, test, options)))
        truth += [tess.LABELS.index(corpus.clips[i].label) for i in test]
        persons += [person] * len(test)
    return score_predictions(tess.LABELS, truth, np.concatenate(rows), persons)


def evaluate(corpus: Corpus, held_out: FloatArray) -> tuple[dict[str, Score], float]:
    """Score held-out predictions, calibrated by a temperature that other folds gave.

    Returns:
        scores by name, and the temperature over all folds.
    """
    spoken = np.nonzero(corpus.ravdess)[0]
    clips, truth = [corpus.clips[i] for i in spoken], corpus.labels[spoken]
    fold_of = person_folds(clips, FOLDS)
    rows = np.zeros_like(held_out[spoken])
    for fold in range(FOLDS):
        others = fold_of != fold
        temperature = fit_temperature(truth[others], held_out[spoken][others])
        rows[~others] = soften(held_out[spoken][~others], temperature)
    persons = [clip.person for clip in clips]
    scores = {"all": score_predictions(ravdess.LABELS, truth, rows, persons)}
    for field in ("sex", "intensity"):
        for value in sorted({getattr(clip, field) for clip in clips}):
            part = np.array([getattr(clip, field) == value for clip in clips])
            scores[f"{field} {value}"] = score_predictions(
                ravdess.LABELS, truth[part], rows[part], np.array(persons)[part]
            )
    return scores, fit_temperature(truth, held_out[spoken])


def fit_temperature(truth: npt.NDArray[np.int64], probabilities: FloatArray) -> float:
    """Return the temperature of least negative log-likelihood (Guo et al., ICML 2017)."""
    grid = np.exp(np.linspace(np.log(0.3), np.log(4.0), 121))
    losses = [
        -np.mean(np.log(soften(probabilities, value)[np.arange(len(truth)), truth] + 1e-12))
        for value in grid
    ]
    return float(grid[int(np.argmin(losses))])


def soften(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Return (N, K) probabilities with their logarithms divided by the temperature."""
    powered = np.maximum(probabilities, 1e-8) ** (1.0 / temperature)
    return powered / powered.sum(axis=1, keepdims=True)


def _fit(
    corpus: Corpus, index: npt.NDArray[np.int64], options: FitOptions
) -> Iterator[tuple[float, UpperPart]]:
    block = corpus.net.blocks[-1]
    classes = len(ravdess.LABELS)
    importance = np.where(corpus.ravdess, 1.0, TESS_IMPORTANCE)
    return fit(block, corpus.pooled, corpus.variants, corpus.labels, index, classes, options,
               importance)  # fmt: skip


def _predict(
    corpus: Corpus, upper: UpperPart, index: npt.NDArray[np.int64], options: FitOptions
) -> FloatArray:
    if options.block_epochs:
        return predict(upper, pooled_of(upper, corpus.variants[0], index))
    return predict(upper, corpus.pooled[0, index])


def _fitted(corpus: Corpus, index: npt.NDArray[np.int64], options: FitOptions) -> UpperPart:
    *_, (_, upper) = _fit(corpus, index, options)
    return upper.eval()


def _uar(truth: npt.NDArray[np.int64], probabilities: FloatArray) -> float:
    return score_predictions(ravdess.LABELS, truth, probabilities).uar


def _circumplex_labels() -> tuple[str, ...]:
    return tuple(label if label == "calm" else LABEL_MAP.get(label, label)
                 for label in ravdess.LABELS)  # fmt: skip


def _log_curves(curves: list[list[tuple[float, float]]], file: Path) -> dict[str, list[float]]:
    log = CsvLog(file)
    for epoch, (loss, uar) in enumerate(np.mean(np.array(curves), axis=0), start=1):
        log.write({"epoch": epoch, "loss": loss, "uar": uar})
    return log.read()


def _report(scores: dict[str, Score], temperature: float) -> None:
    lines = {name: {"n": score.n, "accuracy": round(score.accuracy, 4),
                    "uar": round(score.uar, 4), "ece": round(score.ece, 4)}
             for name, score in scores.items()}  # fmt: skip
    print(json.dumps({"temperature": round(temperature, 3), **lines}, indent=1))
