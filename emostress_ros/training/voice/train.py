"""``emostress train voice``: train, cross-validate, calibrate and export the voice model."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from emostress_ros.metrics import Score, score_predictions
from emostress_ros.training.common import CsvLog, plot_curves, progress_bar
from emostress_ros.training.datasets import ravdess
from emostress_ros.training.datasets.speech_sets import SETS
from emostress_ros.training.datasets.splits import person_folds
from emostress_ros.training.devices import use
from emostress_ros.training.options import add_device, whole
from emostress_ros.training.voice.card import LABEL_MAP, update_figures, write_card
from emostress_ros.training.voice.export import DeployedVoiceNet, export
from emostress_ros.training.voice.fit import FitOptions
from emostress_ros.training.voice.nets import ARCHITECTURES, SHIPPED
from emostress_ros.training.voice.runs import (
    FINAL,
    FOLD_RUNS,
    FOLDS,
    RANDOM_RUNS,
    RUNS,
    TESS_RUNS,
    Corpus,
    Run,
    held_run,
    load_corpus,
)
from emostress_ros.training.voice.runs import SETS as SETS_LEARNED

FloatArray = npt.NDArray[np.floating]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    torch.set_num_threads(1)
    words = list(sys.argv[1:] if argv is None else argv)
    if _asks_for_other(words):
        from emostress_ros.training.voice.arch import main as train_other

        return train_other(words)
    options = _parser().parse_args(words)
    use(options.device)
    corpus = load_corpus(
        options.data, options.cache, options.seed, progress=not options.no_progress
    )
    fitting = FitOptions(tuning_epochs=options.tuning_epochs, seed=options.seed)
    names = options.run or _names(options)
    runs = _runs(corpus, names, fitting, options.cache, progress=not options.no_progress)
    if options.run:
        return 0
    scores, temperature = evaluate(corpus, held_out(corpus, runs))
    if options.tess:
        unheard = {name: runs[name] for name in TESS_RUNS}
        scores["tess, other speaker"] = across(corpus, unheard, "tess", temperature)
    if options.random:
        mixed = {name: runs[name] for name in RANDOM_RUNS}
        for dataset in SETS_LEARNED:
            scores[f"{dataset}, random"] = across(corpus, mixed, dataset, temperature)
    _report(scores, temperature)
    if options.card:
        update_figures(options.output, scores, temperature)
    if options.cv:
        return 0
    _draw(runs, options.output / "training.csv", options.figure, fitting)
    deployed = DeployedVoiceNet(runs[FINAL].net, circumplex_labels(), temperature)
    file = options.output / "model.onnx"
    parity = export(deployed, file)
    write_card(options.output, scores, temperature, fitting, parity)
    print(f"wrote {file} ({file.stat().st_size / 1e6:.1f} MB, parity {parity:.1e})")
    return 0


def _asks_for_other(words: Sequence[str]) -> bool:
    """Whether another architecture than the shipped one is meant, which has its own options."""
    asked = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    asked.add_argument("--arch", default=SHIPPED)
    return bool(asked.parse_known_args(list(words))[0].arch != SHIPPED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="emostress train voice", description=__doc__)
    parser.add_argument(
        "--arch",
        default=SHIPPED,
        help=f"{SHIPPED} (shipped), or one with options of its own: {', '.join(ARCHITECTURES)}",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with ravdess/ and tess/")
    parser.add_argument("--output", type=Path, default=Path("models/voice_speech"))
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/emostress/voice")
    parser.add_argument("--figure", type=Path, default=Path("docs/figures/voice_training.png"))
    parser.add_argument("--tuning-epochs", type=whole(), default=FitOptions.tuning_epochs)
    parser.add_argument("--seed", type=whole(), default=0)
    parser.add_argument("--cv", action="store_true", help="cross-validate and stop")
    parser.add_argument(
        "--tess", action="store_true", help="two more trainings: each speaker of TESS held out"
    )
    parser.add_argument(
        "--random", action="store_true", help="five more: random fifths held out, whoever speaks"
    )
    parser.add_argument(
        "--card", action="store_true", help="write the figures into the card that is there"
    )
    parser.add_argument(
        "--run",
        nargs="+",
        choices=RUNS,
        help="train these into the cache and stop, so that several can run at once",
    )
    add_device(parser)
    parser.add_argument("--no-progress", action="store_true")
    return parser


def _names(options: argparse.Namespace) -> list[str]:
    names = [*FOLD_RUNS]
    names += TESS_RUNS if options.tess else ()
    names += RANDOM_RUNS if options.random else ()
    return [*names, *(() if options.cv else (FINAL,))]


def _runs(
    corpus: Corpus, names: Sequence[str], options: FitOptions, cache: Path, *, progress: bool
) -> dict[str, Run]:
    epochs = options.head_epochs + options.tuning_epochs
    with progress_bar(len(names) * epochs, "training", enabled=progress) as advance:
        return {name: held_run(corpus, name, options, cache, advance) for name in names}


def held_out(corpus: Corpus, runs: Mapping[str, Run]) -> FloatArray:
    """Return (N, 8) probabilities of RAVDESS's clips by the network that never heard their voice.

    Rows of TESS are zeros.
    """
    probabilities = np.zeros((len(corpus.clips), len(ravdess.LABELS)), dtype=np.float32)
    for name in FOLD_RUNS:
        probabilities[runs[name].index] = runs[name].probabilities
    return probabilities


def across(corpus: Corpus, runs: Mapping[str, Run], dataset: str, temperature: float) -> Score:
    """Score one set's clips that some runs held out, calibrated by a given temperature.

    Args:
        corpus: all clips.
        runs: judged together.
        dataset: ``ravdess`` or ``tess``.
        temperature: found on other clips, or the card's.
    """
    chosen = SETS[dataset]
    rows, clips = [], []
    for run in runs.values():
        own = corpus.ravdess[run.index] == (dataset == "ravdess")
        rows.append(chosen.fold(soften(run.probabilities[own], temperature)))
        clips += [corpus.clips[i] for i in run.index[own]]
    truth = [chosen.labels.index(clip.label) for clip in clips]
    persons = [clip.person for clip in clips]
    return score_predictions(chosen.labels, truth, np.concatenate(rows), persons)


def evaluate(corpus: Corpus, held_out: FloatArray) -> tuple[dict[str, Score], float]:
    """Score held-out predictions, calibrated by a temperature that other folds gave.

    Returns:
        scores by name, and the temperature over all folds.
    """
    spoken = np.nonzero(corpus.ravdess)[0]
    clips, truth = [corpus.clips[i] for i in spoken], corpus.labels[spoken]
    persons = [clip.person for clip in clips]
    rows = np.zeros_like(held_out[spoken])
    for fold in person_folds(persons, FOLDS):
        temperature = fit_temperature(truth[fold.train], held_out[spoken][fold.train])
        rows[fold.test] = soften(held_out[spoken][fold.test], temperature)
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


def circumplex_labels() -> tuple[str, ...]:
    """RAVDESS's labels under the names of the circumplex, in the model's order."""
    return tuple(label if label == "calm" else LABEL_MAP.get(label, label)
                 for label in ravdess.LABELS)  # fmt: skip


def _draw(runs: Mapping[str, Run], file: Path, figure: Path, options: FitOptions) -> None:
    log = CsvLog(file)
    curves = np.mean([runs[name].curve for name in FOLD_RUNS], axis=0)
    for epoch, (loss, uar) in enumerate(curves, start=1):
        log.write({"epoch": epoch, "loss": loss, "uar": uar})
    plot_curves(
        log.read(), {"loss": ["loss"], "UAR, actors held out": ["uar"]},
        f"voice: mean of five person-disjoint folds; all weights from epoch "
        f"{options.head_epochs + 1} on", figure,
    )  # fmt: skip


def _report(scores: dict[str, Score], temperature: float) -> None:
    lines = {name: {"n": score.n, "accuracy": round(score.accuracy, 4),
                    "uar": round(score.uar, 4), "ece": round(score.ece, 4)}
             for name, score in scores.items()}  # fmt: skip
    print(json.dumps({"temperature": round(temperature, 3), **lines}, indent=1))
