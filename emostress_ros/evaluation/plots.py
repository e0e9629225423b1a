"""Figures of a report, as PNG: what was felt, how stressed, and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS, ContributionStatus
from emostress_ros.evaluation import canvas
from emostress_ros.evaluation.report_data import AffectRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP_S = 2.0  # without a state for longer, nothing is drawn

Floats = npt.NDArray[np.float64]


def emotion_figure(states: Sequence[AffectRecord], zero_s: float, span_s: float) -> bytes:
    """Probabilities of the emotions over time, and the label that was given.

    Args:
        states: of one person, in order of time.
        zero_s: stamp that counts as 0 on the axis.
        span_s: where the axis ends.
    """
    figure, (upper, lower) = canvas.panels(4.0, (6.0, 0.45), span_s)
    labels = _labels(states)
    t, table = _timeline(
        states, zero_s, [[s.probabilities.get(x, np.nan) for x in labels] for s in states]
    )
    _stack(
        upper,
        t,
        table,
        [canvas.EMOTION_COLOURS.get(x, canvas.other(i)) for i, x in enumerate(labels)],
    )
    upper.set_ylabel("probability")
    canvas.key(
        upper, [(x, canvas.EMOTION_COLOURS.get(x, canvas.other(i))) for i, x in enumerate(labels)]
    )
    _strip(
        lower,
        states,
        zero_s,
        [canvas.EMOTION_COLOURS.get(s.emotion, canvas.other(0)) for s in states],
    )
    lower.set_yticks([0.5], ["label"])
    return canvas.png(figure)


def mood_figure(states: Sequence[AffectRecord], zero_s: float, span_s: float) -> bytes:
    """Valence, arousal and the confidence in the label over time."""
    figure, (axes,) = canvas.panels(2.6, (1.0,), span_s)
    rows = [[s.valence, s.arousal, s.confidence] for s in states]
    t, table = _timeline(states, zero_s, rows)
    axes.axhline(0.0, color=canvas.GRID, linewidth=1.2)
    colours = ("#2a9d8f", "#c05299", "#9aa5b1")
    names = ("valence", "arousal", "confidence of the label")
    for column, colour, name in zip(table.T, colours, names, strict=True):
        style = ":" if name.startswith("confidence") else "-"
        axes.plot(t, column, style, color=colour, linewidth=1.8)
    axes.set_ylim(-1.05, 1.05)
    canvas.key(axes, list(zip(names, colours, strict=True)))
    return canvas.png(figure)


def stress_figure(states: Sequence[AffectRecord], zero_s: float, span_s: float) -> bytes:
    """Probability of stress over time, its level behind it, its confidence below."""
    figure, (upper, lower) = canvas.panels(3.2, (4.0, 1.0), span_s)
    t, table = _timeline(states, zero_s, [[s.stress, s.stress_confidence] for s in states])
    _strip(upper, states, zero_s, [canvas.LEVEL_COLOURS[s.stress_level] for s in states])
    upper.plot(t, table[:, 0], color="#9b2c2c", linewidth=2.0)
    upper.set_ylim(0.0, 1.0)
    upper.set_yticks([0.0, 0.5, 1.0])
    upper.set_ylabel("stress")
    canvas.key(
        upper, [(level.name.lower(), colour) for level, colour in canvas.LEVEL_COLOURS.items()]
    )
    lower.fill_between(t, 0.0, table[:, 1], color="#b9c3ce", linewidth=0.0)
    lower.set_ylim(0.0, 1.0)
    lower.set_yticks([0.5], ["confidence"])
    return canvas.png(figure)


def weight_figure(
    states: Sequence[AffectRecord], modalities: Sequence[str], zero_s: float, span_s: float
) -> bytes:
    """Share of every modality in the state, and what became of its evidence."""
    rows = len(modalities)
    figure, panels = canvas.panels(2.4 + 0.36 * rows, (5.0, *[0.75] * rows), span_s)
    colours = [canvas.MODALITY_COLOURS.get(x, canvas.other(i)) for i, x in enumerate(modalities)]
    weights = [[_weight(s, x) for x in modalities] for s in states]
    t, table = _timeline(states, zero_s, weights)
    _stack(panels[0], t, table, colours)
    panels[0].set_ylabel("weight")
    canvas.key(panels[0], list(zip(modalities, colours, strict=True)))
    for axes, modality in zip(panels[1:], modalities, strict=True):
        given = [s.contributions.get(modality) for s in states]
        marks = [
            canvas.STATUS_COLOURS[g.status if g else ContributionStatus.MISSING] for g in given
        ]
        _strip(axes, states, zero_s, marks)
        axes.set_yticks([0.5], [modality])
    legend = [
        (status.name.lower().replace("_", " "), c) for status, c in canvas.STATUS_COLOURS.items()
    ]
    canvas.key(panels[-1], legend, below=True)
    return canvas.png(figure)


def latency_figure(latencies_ms: Floats) -> bytes:
    """Histogram of a state's latency with its percentiles."""
    figure, (axes,) = canvas.panels(2.4, (1.0,), None)
    top = max(1.0, float(np.percentile(latencies_ms, 99.5)))
    axes.hist(np.clip(latencies_ms, 0.0, top), bins=60, range=(0.0, top), color="#7f9cbc")
    for percent, colour in ((50, "#2a9d8f"), (90, "#e9b44c"), (99, "#d1495b")):
        value = float(np.percentile(latencies_ms, percent))
        axes.axvline(value, color=colour, linewidth=2.0, label=f"p{percent} = {value:.0f} ms")
    axes.set_xlabel("newest sensor stamp to publication [ms]")
    axes.set_ylabel("states")
    axes.set_xlim(0.0, top)
    axes.legend(frameon=False, fontsize=9)
    return canvas.png(figure)


def _labels(states: Sequence[AffectRecord]) -> list[str]:
    present = {label for state in states for label in state.probabilities}
    return [x for x in EMOTIONS if x in present] + sorted(present - set(EMOTIONS))


def _weight(state: AffectRecord, modality: str) -> float:
    given = state.contributions.get(modality)
    return given.weight if given and state.used else float("nan")


def _timeline(
    states: Sequence[AffectRecord], zero_s: float, rows: Sequence[Sequence[float]]
) -> tuple[Floats, Floats]:
    """Times and rows, with a row of NaN wherever no state came for a while."""
    width = len(rows[0]) if rows else 0
    t = np.array([s.stamp_s - zero_s for s in states], dtype=np.float64)
    table = np.array(rows, dtype=np.float64).reshape(len(t), width)
    gaps = np.flatnonzero(np.diff(t) > _GAP_S) + 1
    t = np.insert(t, gaps, t[gaps - 1] + 1e-3)
    return t, np.insert(table, gaps, np.nan, axis=0)


def _stack(axes: Axes, t: Floats, table: Floats, colours: Sequence[str]) -> None:
    """Stacked areas; nothing where a row is NaN."""
    known = ~np.isnan(table).all(axis=1)
    tops = np.cumsum(np.nan_to_num(table), axis=1)
    bottoms = np.column_stack([np.zeros(len(t)), tops[:, :-1]]) if table.size else tops
    for column in range(table.shape[1]):
        axes.fill_between(
            t, bottoms[:, column], tops[:, column], where=known, color=colours[column],
            linewidth=0.0, step="post",
        )  # fmt: skip
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([0.0, 0.5, 1.0])


def _strip(
    axes: Axes, states: Sequence[AffectRecord], zero_s: float, colours: Sequence[str]
) -> None:
    """Coloured bands, each from one state to the next."""
    t = np.array([s.stamp_s - zero_s for s in states])
    steps = np.diff(t)
    usual = float(np.median(steps)) if len(steps) else 0.2
    ends = t + np.append(np.where(steps > _GAP_S, usual, steps), usual)
    first = 0
    for index in range(1, len(t) + 1):
        here = index < len(t)
        if here and colours[index] == colours[first] and t[index] - ends[index - 1] < 1e-6:
            continue
        axes.axvspan(t[first], ends[index - 1], color=colours[first], linewidth=0.0, zorder=0)
        first = index
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([])
    axes.grid(visible=False)
