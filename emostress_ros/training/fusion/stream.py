"""How a fused state behaves in time: streams put together from people never seen.

A made-up person changes emotion every few seconds and stress every minute.  Frames, utterances and
windows of the tables, each with the label of its moment, are sent through the pipeline that the
node runs, at the rates of the senses.  Counted are the changes of the published state a minute,
the delay from a true change to the first state that names it, and how often the state is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS, MODALITIES, UNKNOWN, Affect, Embedding, StressLevel
from emostress_ros.fusion import FusionConfig, FusionPipeline
from emostress_ros.training.fusion.tables import Table

SMOOTHING_S = (0.0, 0.3, 0.6, 1.0, 2.0)
_PERIOD_S = {"face": 0.2, "voice": 3.0, "physiology": 5.0, "text": 4.0}
_LAG_S = {"face": 0.0, "voice": 1.0, "physiology": 2.0, "text": 0.5}
_HELD_FRAMES = 5  # a face keeps its look for a second
_EMOTION_S, _STRESS_S = (5.0, 12.0), (40.0, 80.0)
_SECOND = 1_000_000_000


@dataclass(frozen=True)
class Course:
    """What a made-up person goes through.

    Attributes:
        begins: (S,) s at which each state begins.
        labels: (S,) index of each state.
    """

    begins: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]

    @classmethod
    def draw(
        cls, kinds: int, lasting_s: tuple[float, float], length_s: float, rng: np.random.Generator
    ) -> Course:
        """Return states of random length, each other than the one before."""
        begins, labels = [0.0], [int(rng.integers(kinds))]
        while begins[-1] < length_s:
            begins.append(begins[-1] + rng.uniform(*lasting_s))
            labels.append((labels[-1] + int(rng.integers(1, kinds))) % kinds)
        return cls(np.array(begins), np.array(labels))

    def at(self, second: float) -> int:
        """Return the state at a moment."""
        return int(self.labels[np.searchsorted(self.begins, second, side="right") - 1])


def study(
    model: str, tables: Mapping[str, Table], seed: int, length_s: float = 600.0
) -> list[dict[str, Any]]:
    """Return one row of figures for each ``smoothing_s``; the first is without any smoothing.

    Args:
        model: folder of a fusion model that did not learn from these people.
        tables: of people never seen; ``text`` holds comments and posts.
        seed: of the person made up.
        length_s: of the stream.
    """
    rng = np.random.default_rng(seed)
    emotion = Course.draw(len(EMOTIONS), _EMOTION_S, length_s, rng)
    stress = Course.draw(2, _STRESS_S, length_s, rng)
    stream = sorted(_stream(tables, emotion, stress, length_s, rng), key=lambda e: e.stamp_ns)
    return [_measured(model, value, stream, emotion, stress, length_s) for value in SMOOTHING_S]


def _stream(
    tables: Mapping[str, Table],
    emotion: Course,
    stress: Course,
    length_s: float,
    rng: np.random.Generator,
) -> list[Embedding]:
    made, held = [], 0
    for name in MODALITIES:
        table = tables[name]
        for count, second in enumerate(np.arange(3.0, length_s, _PERIOD_S[name])):
            # A window ends after what it shows: the label is that of its middle.
            shown = second - _LAG_S[name]
            label = stress.at(shown) if name == "physiology" else emotion.at(shown)
            labels = table.stressed if name == "physiology" else table.emotion
            if name != "face" or count % _HELD_FRAMES == 0 or labels[held] != label:
                held = int(rng.choice(np.flatnonzero(labels == label)))
            made.append(_embedding(table, held, second))
    return made


def _embedding(table: Table, item: int, second: float) -> Embedding:
    rows = table.probabilities[0, item]
    speaks = bool(np.isfinite(rows).all())
    # A comment's own estimate of stress is no evidence about the stress that was made up.
    felt = float(table.stress[0, item]) if table.modality == "physiology" else float("nan")
    return Embedding(
        round(second * _SECOND), table.modality, table.model, table.vectors[0, item],
        float(np.clip(table.quality[0, item], 0.0, 1.0)), person_id="anna",
        labels=EMOTIONS if speaks else (),
        probabilities=rows / rows.sum() if speaks else np.empty(0, np.float32), stress=felt,
    )  # fmt: skip


def _measured(
    model: str,
    smoothing_s: float,
    stream: Sequence[Embedding],
    emotion: Course,
    stress: Course,
    length_s: float,
) -> dict[str, Any]:
    pipeline = FusionPipeline(FusionConfig(model=model, smoothing_s=smoothing_s))
    states: list[Affect] = []
    for item in stream:
        pipeline.add(item, item.stamp_ns)
        states += pipeline.advance(item.stamp_ns)
    times = np.array([state.stamp_ns / _SECOND for state in states])
    named = [EMOTIONS.index(s.emotion) if s.emotion != UNKNOWN else -1 for s in states]
    levels = [s.stress_level for s in states]
    tense = [-1 if x is StressLevel.UNKNOWN else int(x is StressLevel.HIGH) for x in levels]
    minutes = length_s / 60.0
    return {
        "smoothing_s": smoothing_s,
        **_figures("emotion", times, named, emotion, minutes),
        **_figures("stress", times, tense, stress, minutes),
        "stress_level_changes_per_min": _changes([int(x) for x in levels]) / minutes,
    }


def _figures(
    name: str, times: npt.NDArray[np.float64], said: Sequence[int], course: Course, minutes: float
) -> dict[str, float]:
    truth = [course.at(second) for second in times]
    known = [(a, b) for a, b in zip(said, truth, strict=True) if a >= 0]
    delays = _delays(times, np.array(said), course)
    return {
        f"{name}_true_changes_per_min": len(course.begins[course.begins < times[-1]]) / minutes,
        f"{name}_changes_per_min": _changes(said) / minutes,
        f"{name}_accuracy": float(np.mean([a == b for a, b in known])),
        f"{name}_coverage": len(known) / len(said),
        f"{name}_onset_delay_s": float(np.median([d for d in delays if np.isfinite(d)])),
        f"{name}_onsets_found": float(np.mean(np.isfinite(delays))),
    }


def _changes(said: Sequence[int]) -> int:
    return sum(a != b for a, b in pairwise(said))


def _delays(
    times: npt.NDArray[np.float64], said: npt.NDArray[np.int64], course: Course
) -> list[float]:
    """Return how long after each change the state first names it; infinite where it never does."""
    delays = []
    for k in range(1, len(course.begins) - 1):
        begin, end = course.begins[k], course.begins[k + 1]
        right = (times >= begin) & (times < end) & (said == course.labels[k])
        delays.append(float(times[right][0] - begin) if right.any() else float("inf"))
    return delays


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the figures as a Markdown table."""
    head = (
        "| smoothing [s] | changes of the emotion a minute (true) | onset delay, median [s] "
        "(found) | right [%] | changes of the stress level a minute (true) | onset delay [s] |"
    )
    table = [head, "|---|---|---|---|---|---|"]
    for row in rows:
        table.append(
            f"| {row['smoothing_s']:g} | {row['emotion_changes_per_min']:.1f} "
            f"({row['emotion_true_changes_per_min']:.1f}) | {row['emotion_onset_delay_s']:.1f} "
            f"({100 * row['emotion_onsets_found']:.0f} %) | {100 * row['emotion_accuracy']:.1f} | "
            f"{row['stress_level_changes_per_min']:.1f} "
            f"({row['stress_true_changes_per_min']:.1f}) | {row['stress_onset_delay_s']:.1f} |"
        )
    return table
