"""A study's pictures: both splits as bars, training curves, confusion of the best model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emostress_ros.training.study_pages import NAMES, Row, datasets, figure, is_official, rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from emostress_ros.training.study import Entry, Study

APART, RANDOM, OFFICIAL = "#2a6f97", "#e9a23b", "#7d8fa3"
"""Colours of the splits: people kept apart, random, and the set's own that keeps nobody apart."""
_INK, _GRID = "#2b3440", "#dfe4ea"
_LOSSES = ("training_loss", "loss")
_MOST_NUMBERED = 12  # classes whose cells still hold a number


def draw(study: Study, folder: Path) -> dict[str, str]:
    """Write the pictures and return caption to file name; curves only where there are some."""
    made = {
        "Both splits": ("splits", split_bars(study)),
        "Confusion of the best model": ("confusion", _confusions(study)),
    }
    if any(entry.curves for entry in study.entries):
        made["Training"] = ("curves", _curves(study))
    files = {}
    for caption, (name, drawn) in made.items():
        files[caption] = f"{study.name}_{name}.png"
        drawn.savefig(folder / files[caption], dpi=110)
    return files


def _figure(shape: tuple[int, int], size: tuple[float, float]) -> tuple[Figure, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=size, facecolor="white", layout="constrained")
    FigureCanvasAgg(made)
    axes = made.subplots(*shape, squeeze=False)
    for axis in axes.flat:
        axis.tick_params(colors=_INK, labelsize=8, length=0)
        axis.set_axisbelow(True)
        for side in axis.spines.values():
            side.set_visible(False)
    return made, axes


def split_bars(study: Study) -> Figure:
    """Return a bar for each split of each model, named and coloured by the split."""
    names = datasets(study)
    heights = [0.46 * len(rows(study, name)) + 0.9 for name in names]
    made, axes = _figure((len(names), 1), (8.6, sum(heights) + 0.3))
    axes[0, 0].get_gridspec().set_height_ratios(heights)
    for axis, name in zip(axes[:, 0], names, strict=True):
        _bars(axis, rows(study, name), study.headline)
        axis.set_title(f"{name}  {NAMES[study.headline]} [%]".strip(), fontsize=9, loc="left")
    made.legend(
        handles=_legend(study), frameon=False, fontsize=8, ncols=3, loc="outside upper right"
    )
    return made


def _legend(study: Study) -> list[Patch]:
    """One patch for each kind of split that there is."""
    from matplotlib.patches import Patch

    there = {_colour_of(entry) for entry in study.entries}
    kinds = ((APART, study.apart), (RANDOM, "random"), (OFFICIAL, "official"))
    return [Patch(color=colour, label=name) for colour, name in kinds if colour in there]


def _colour_of(entry: Entry) -> str:
    if entry.person_disjoint:
        return APART
    return OFFICIAL if is_official(entry) else RANDOM


def _bars(axis: Axes, table: Sequence[Row], headline: str) -> None:
    places = np.arange(len(table))[::-1]
    for place, row in zip(places, table, strict=True):
        pair = [entry for entry in (row.apart, row.random) if entry is not None]
        # A bar that stands alone stands beside its name.
        for entry, shift in zip(pair, (0.2, -0.2) if len(pair) > 1 else (0.0,), strict=True):
            value = 100 * figure(entry, headline)
            if math.isfinite(value):
                axis.barh(place + shift, value, 0.38, color=_colour_of(entry))
                _mark(axis, place + shift, value, entry, headline)
    several = len({row.model for row in table}) < len(table)
    axis.set_yticks(places, [_name(row, several=several) for row in table])
    axis.set_xlim(0.0, 108.0)
    axis.grid(axis="x", color=_GRID, linewidth=0.7)


def _name(row: Row, *, several: bool) -> str:
    shown = row.apart or row.random
    return f"{row.model}\n{shown.split}" if several and shown else row.model


def _mark(axis: Axes, place: float, value: float, entry: Entry, headline: str) -> None:
    """The interval over persons as a whisker, and the figure in numbers."""
    low, high = (entry.score.extra.get("ci95") or {}).get(headline) or (math.nan, math.nan)
    edge = value
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        axis.plot([100 * low, 100 * high], [place, place], color=_INK, linewidth=1.0)
        edge = max(edge, 100 * high)
    axis.text(edge + 0.8, place, f"{value:.1f}", va="center", fontsize=7.5, color=_INK)


def _confusions(study: Study) -> Figure:
    best = [rows(study, name)[0] for name in datasets(study)]
    classes = max(len(e.score.labels) for row in best for e in (row.apart, row.random) if e)
    side = max(3.2, 0.42 * classes + 1.4)
    made, axes = _figure((len(best), 2), (2 * side + 0.4, side * len(best)))
    for line, row, name in zip(axes, best, datasets(study), strict=True):
        for axis, entry in zip(line, (row.apart, row.random), strict=True):
            if entry is None:
                axis.set_axis_off()
                continue
            _confusion(axis, entry)
            axis.set_title(f"{name}  {row.model}\n{entry.split}".strip(), fontsize=8.5)
    made.suptitle("share of each true class [%] (row: truth, column: answer)", fontsize=9)
    return made


def _confusion(axis: Axes, entry: Entry) -> None:
    counts = np.asarray(entry.score.confusion, dtype=np.float64)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    axis.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    places = range(len(entry.score.labels))
    axis.set_xticks(places, entry.score.labels, rotation=50, ha="right", rotation_mode="anchor")
    axis.set_yticks(places, entry.score.labels)
    if len(entry.score.labels) > _MOST_NUMBERED:
        return
    for i, row in enumerate(share):
        for j, value in enumerate(row):
            ink = "white" if value > 0.55 else _INK
            axis.text(j, i, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=ink)


def _curves(study: Study) -> Figure:
    names = [n for n in datasets(study) if any(e.curves for e in study.entries if e.dataset == n)]
    made, axes = _figure((len(names), 3), (11.4, 3.2 * len(names) + 0.5))
    models = list(dict.fromkeys(entry.model for entry in study.entries if entry.curves))
    for line, name in zip(axes, names, strict=True):
        entries = [e for e in study.entries if e.dataset == name and e.curves]
        _panel(line[0], [e for e in entries if e.person_disjoint] or entries, _LOSSES, models)
        line[0].set_title(f"{name}\ntraining loss".strip(), fontsize=9)
        for axis, apart in ((line[1], True), (line[2], False)):
            chosen = [e for e in entries if e.person_disjoint == apart]
            _panel(axis, chosen, (study.headline,), models)
            kind = study.apart if apart else "random split"
            axis.set_title(f"{name}\n{NAMES[study.headline]}, {kind}".strip(), fontsize=9)
            axis.set_ylim(0.0, 1.02)
            axis.set_visible(bool(chosen))
    handles = [_line(models.index(model), model) for model in models]
    made.legend(handles=handles, loc="outside lower center", ncols=min(8, len(models)),
                frameon=False, fontsize=8)  # fmt: skip
    return made


def _panel(
    axis: Axes, entries: Sequence[Entry], columns: Sequence[str], models: Sequence[str]
) -> None:
    for entry in entries:
        values = _column(entry.curves, columns)
        if values:
            # Trainings differ in their number of epochs: the part done is what they share.
            done = np.arange(1, len(values) + 1) / len(values)
            axis.plot(100 * done, values, color=_colour(models.index(entry.model)), linewidth=1.3)
    axis.set_xlabel("training done [%]", fontsize=8)
    axis.grid(color=_GRID, linewidth=0.7)


def _column(curves: Mapping[str, Sequence[float]], names: Sequence[str]) -> list[float]:
    for name in names:
        if name in curves:
            return [math.nan if value is None else float(value) for value in curves[name]]
    return []


def _line(index: int, name: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=_colour(index), label=name)


def _colour(index: int) -> Any:
    import matplotlib

    return matplotlib.colormaps["tab10"](index % 10)
