"""Score stress-or-not on WESAD and Stress-Predict, through the pipeline that the node runs.

Each recording is played from its first sample, second by second. A window is scored when it lies
wholly inside one labelled segment; scored windows do not overlap. With `baseline="rest"` the first
120 s of the person's first unstressed segment are that person's resting baseline: they are not
scored, and every window after them is read against them. Windows before (there are none in either
set) would be read without.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import DatasetError, ParameterError
from emostress_ros.inference import ModelCard
from emostress_ros.metrics import Score, score_predictions
from emostress_ros.modalities.physiology import (
    PhysiologyConfig,
    PhysiologyEncoder,
    PhysiologyPipeline,
)
from emostress_ros.training.datasets import stress_predict, wesad
from emostress_ros.training.datasets.wearable_stress import (
    REST_S,
    Subject,
    label_windows,
    seconds_since_start,
)
from emostress_ros.training.physiology.data import play

LABELS = ("calm", "stressed")
BASELINES = ("rest", "none")
_DATASETS = {"wesad": wesad.subjects, "stress_predict": stress_predict.subjects}


@dataclass(frozen=True)
class _Answers:
    """What the pipeline said of one person's scored windows."""

    stress: npt.NDArray[np.int64]
    probability: npt.NDArray[np.float64]
    skipped: int


def score(
    dataset: str,
    path: Path | str,
    *,
    split: str | None = None,
    model: str | None = None,
    baseline: str = "rest",
    progress: bool = True,
) -> Score:
    """Score a model of stress.

    Args:
        dataset: `wesad` or `stress_predict`.
        path: folder with `segments.csv` and the folder of the set.
        split: names of subjects, comma-separated; None: all that are there.
        model: name or folder of a model; None: the shipped one for `baseline`.
        baseline: `rest` (against the first 120 s of rest) or `none` (nothing known).
        progress: show a bar.

    Raises:
        DatasetError: a file is missing or odd, or `split` names a subject that is not there.
        ParameterError: an unknown data set or baseline, or a model that does not fit it.
        ModelError: the model cannot be used.
    """
    if dataset not in _DATASETS:
        raise ParameterError(f"dataset must be one of {', '.join(_DATASETS)}; got '{dataset}'")
    if baseline not in BASELINES:
        raise ParameterError(f"baseline must be one of {', '.join(BASELINES)}; got '{baseline}'")
    subjects = _chosen(_DATASETS[dataset](path), split)
    pipeline = _pipeline(model, baseline)
    answers = [_answers(subject, pipeline, baseline) for subject in _shown(subjects, progress)]
    return _score(subjects, answers, pipeline, baseline)


def _chosen(subjects: list[Subject], split: str | None) -> list[Subject]:
    if split is None:
        return subjects
    wanted = [name.strip() for name in split.split(",") if name.strip()]
    known = [subject.name for subject in subjects]
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise DatasetError(f"split must name subjects of {', '.join(known)}; got '{split}'")
    return [subject for subject in subjects if subject.name in wanted]


def _pipeline(model: str | None, baseline: str) -> PhysiologyPipeline:
    """The node's pipeline; every window that any sensor covers is scored, however poor."""
    if model is None:
        return PhysiologyPipeline(PhysiologyConfig(min_quality=0.0))
    encoder = PhysiologyEncoder(ModelCard.load(model))
    if not encoder.needs_rest:
        return PhysiologyPipeline(PhysiologyConfig(min_quality=0.0, model_rest=""), encoder)
    if baseline == "none":
        raise ParameterError(f"model '{model}' needs a resting baseline: score it with 'rest'")
    return PhysiologyPipeline(PhysiologyConfig(min_quality=0.0), encoder_rest=encoder)


def _answers(subject: Subject, pipeline: PhysiologyPipeline, baseline: str) -> _Answers:
    """Play one recording and keep what is said of the scored windows."""
    recording = subject.read()
    person = subject.key
    from_s = 0.0
    if baseline == "rest":
        rest_ns = recording.start_ns + round(subject.rest_start_s * NANOSECONDS)
        pipeline.start_baseline(person, rest_ns, REST_S)
        from_s = subject.rest_start_s + REST_S
    seen = list(play(pipeline, recording, person))
    pipeline.forget(person)
    end_s = seconds_since_start(recording, [view.timed.stamp_ns for view in seen])
    window_s = pipeline.config.window_s
    chosen = label_windows(
        subject.segments, end_s, window_s=window_s, every_s=window_s, from_s=from_s
    )
    # A window in which no sensor spoke has no answer; it is counted, not guessed.
    heard = np.array([bool(seen[i].timed.window.channels) for i in chosen.index], bool)
    said = [pipeline.encode(person, seen[i]).stress for i in chosen.index[heard]]
    return _Answers(chosen.stress[heard], np.asarray(said), int(np.sum(~heard)))


def _score(
    subjects: Sequence[Subject],
    answers: Sequence[_Answers],
    pipeline: PhysiologyPipeline,
    baseline: str,
) -> Score:
    stress = np.concatenate([answer.stress for answer in answers])
    probability = np.concatenate([answer.probability for answer in answers])
    people = [s.name for s, answer in zip(subjects, answers, strict=True) for _ in answer.stress]
    rest = baseline == "rest" and pipeline.encoder_rest is not None
    encoder = pipeline.encoder_rest if rest else pipeline.encoder
    assert encoder is not None
    extra = {
        "baseline": baseline,
        "model": encoder.card.identifier,
        "window_s": pipeline.config.window_s,
        "step_s": pipeline.config.window_s,
        "skipped": sum(answer.skipped for answer in answers),
    }
    rows = np.stack([1.0 - probability, probability], axis=1)
    return score_predictions(LABELS, stress, rows, people, extra=extra)


def _shown(subjects: list[Subject], progress: bool) -> Iterable[Subject]:
    if not progress:
        return subjects
    from rich.console import Console
    from rich.progress import track

    return track(subjects, description="physiology", console=Console(stderr=True))
