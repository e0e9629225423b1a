"""One person over one bag: what was said, before what was true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emostress_ros.affect import EMOTIONS, NANOSECONDS
from emostress_ros.evaluation import canvas
from emostress_ros.evaluation.evaluate.result import BagResult
from emostress_ros.evaluation.evaluate.states import LABELS, States

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TRUTH = {True: "#f4c7c3", False: "#d5ead8"}
_GAP_S = 5.0
_LONG_S = 1200.0
_LABELLED = "#8d99ae"

Labels = Sequence[Mapping[str, Any]]


def timelines(result: BagResult) -> list[tuple[str, bytes]]:
    """(person, picture) of everybody who is labelled in a bag."""
    people = sorted({label["person"] for label in result.facts["labels"]})
    return [(name or result.name, _timeline(result, name)) for name in people]


def _timeline(result: BagResult, person: str) -> bytes:
    from matplotlib.ticker import MultipleLocator

    labels = [label for label in result.facts["labels"] if label["person"] == person]
    states = result.timeline.labelled(person)
    zero_ns = result.facts["zero_ns"]
    t = (states.at_ns - zero_ns) / NANOSECONDS
    kinds = [kind for kind in ("stress", "emotion", "mood") if _has(kind, labels)]
    shares = {"stress": 2.4, "emotion": 1.2, "mood": 2.0}
    height = 0.9 + 0.72 * sum(shares[kind] for kind in kinds)
    end_s = max([label["end_s"] for label in labels] + ([float(t[-1])] if len(t) else []))
    figure, panels = canvas.panels(height, [shares[kind] for kind in kinds], end_s, gap=0.32)
    drawers = {"stress": _stress, "emotion": _emotion, "mood": _mood}
    for axes, kind in zip(panels, kinds, strict=True):
        drawers[kind](axes, t, states, labels)
    begin_s = min([0.0, *(label["start_s"] for label in labels)])
    panels[-1].set_xlim(begin_s, end_s)
    if end_s - begin_s > _LONG_S:
        panels[-1].xaxis.set_major_locator(MultipleLocator(600))
        panels[-1].xaxis.set_major_formatter(lambda x, _: f"{x / 60:.0f}")
        panels[-1].set_xlabel("time [min]")
    return canvas.png(figure)


def _has(kind: str, labels: Labels) -> bool:
    names = ("valence", "arousal") if kind == "mood" else (kind,)
    return any(name in label for label in labels for name in names)


def _stress(axes: Axes, t: np.ndarray, states: States, labels: Labels) -> None:
    for label in labels:
        if "stress" in label:
            colour = _TRUTH[label["stress"] >= 0.5]
            axes.axvspan(label["start_s"], label["end_s"], color=colour, linewidth=0.0, zorder=0)
    axes.axhline(0.5, color=canvas.GRID, lw=1.0)
    axes.plot(*_with_gaps(t, states.values["stress"]), color="#9b2c2c", lw=1.2)
    axes.set(ylim=(0, 1), yticks=[0.0, 0.5, 1.0], ylabel="stress")
    canvas.key(axes, [("labelled calm", _TRUTH[False]), ("labelled stressed", _TRUTH[True]),
                      ("probability of stress", "#9b2c2c")])  # fmt: skip


def _emotion(axes: Axes, t: np.ndarray, states: States, labels: Labels) -> None:
    """Two strips: the truth above, the answer below."""
    for label in labels:
        if "emotion" in label:
            colour = canvas.EMOTION_COLOURS[label["emotion"]]
            axes.axvspan(label["start_s"], label["end_s"], 0.53, 1.0, color=colour, lw=0.0)
    names = [LABELS[index] for index in states.emotion.tolist()]
    first = 0
    for index in range(1, len(t) + 1):
        ends = index == len(t) or names[index] != names[first] or t[index] - t[index - 1] > _GAP_S
        if ends:
            until = (
                t[index] if index < len(t) and t[index] - t[index - 1] <= _GAP_S else t[index - 1]
            )
            colour = canvas.EMOTION_COLOURS[names[first]]
            axes.axvspan(t[first], until, 0.0, 0.47, color=colour, lw=0.0)
            first = index
    axes.set(ylim=(0, 1))
    axes.set_yticks([0.235, 0.765], ["answer", "truth"])
    axes.grid(visible=False)
    seen = {label["emotion"] for label in labels if "emotion" in label} | set(names)
    canvas.key(axes, [(x, canvas.EMOTION_COLOURS[x]) for x in (*EMOTIONS, "unknown") if x in seen])


def _mood(axes: Axes, t: np.ndarray, states: States, labels: Labels) -> None:
    colours = {"valence": "#2a9d8f", "arousal": "#c05299"}
    for name, colour in colours.items():
        axes.plot(*_with_gaps(t, states.values[name]), color=colour, lw=1.2)
        for label in labels:
            if name in label:
                x = [label["start_s"], label["end_s"]]
                axes.plot(x, [label[name]] * 2, color=colour, lw=4, alpha=0.35)
    axes.set(ylim=(-1.05, 1.05))
    canvas.key(axes, [*colours.items(), ("broad: the truth", _LABELLED)])


def _with_gaps(t: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points with a hole wherever no state came for a while."""
    gaps = np.flatnonzero(np.diff(t) > _GAP_S) + 1
    return np.insert(t, gaps, t[gaps - 1] + 1e-3), np.insert(values, gaps, np.nan)
