"""Reliability diagrams and risk–coverage curves of a model, one row a data set."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emostress_ros.evaluation.calibration import RAW, SHIPPED, Honesty
from emostress_ros.metrics import ReliabilityBins

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _GRID, _BLUE, _ORANGE, _RED = "#2b3440", "#dfe4ea", "#3d6fb6", "#e07a3f", "#c2476b"


def plot_model(found: Sequence[Honesty], path: Path) -> None:
    """Draw one model's calibration on each of its sets and write a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.5 * len(found)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(found), 2, squeeze=False)
    for (left, right), item in zip(panels, found, strict=True):
        _reliability(left, item)
        _risk(right, item)
    figure.suptitle(f"{found[0].model}: held-out predictions", fontsize=11, color=_INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _reliability(axes: Axes, item: Honesty) -> None:
    """Accuracy over confidence; bars below show where the answers lie."""
    bins = item.bins
    width = bins.edges[1] - bins.edges[0]
    share = bins.count / bins.count.sum()
    axes.bar(bins.edges[:-1], share, width, align="edge", color="#c9d6e6", label="share of answers")
    axes.plot([0, 1], [0, 1], color=_INK, lw=0.8, ls=":")
    if item.raw_bins is not None:
        _line(axes, item.raw_bins, _ORANGE, f"uncalibrated, ECE {item.ece[RAW]:.3f}", "--")
    _line(axes, bins, _BLUE, f"as shipped, ECE {item.ece[SHIPPED]:.3f}", "-")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share that is right")
    axes.set_title(textwrap.fill(f"{item.dataset} ({item.n} items)", 62), fontsize=9)
    _tidy(axes)


def _line(axes: Axes, bins: ReliabilityBins, colour: str, label: str, style: str) -> None:
    there = bins.count > 0
    axes.plot(
        bins.confidence[there], bins.accuracy[there], style, marker="o", ms=3.5, lw=1.4,
        color=colour, label=label,
    )  # fmt: skip


def _risk(axes: Axes, item: Honesty) -> None:
    """Risk over coverage, with the threshold under which the answer is *unknown*."""
    curve = item.curve
    axes.plot(curve.coverage, curve.risk, color=_BLUE, lw=1.6, label=f"area {curve.area:.3f}")
    axes.axhline(curve.risk[-1], color=_INK, lw=0.8, ls=":")
    if item.coverage > 0:
        axes.plot(
            [item.coverage], [item.risk], "D", color=_RED, ms=7,
            label=f"unknown below {item.threshold:.2f}: {item.coverage:.0%} answered, "
            f"{item.risk:.1%} of them wrong",
        )  # fmt: skip
    top = float(np.nanmax(curve.risk[curve.coverage > 0.02])) if len(curve.risk) > 1 else 1.0
    axes.set(xlim=(0, 1.02), ylim=(0, min(1.0, 1.25 * max(top, curve.risk[-1]) + 0.01)))
    axes.set(xlabel="coverage: share answered", ylabel="risk: share of answers wrong")
    axes.set_title("the surest answers first", fontsize=9)
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    axes.grid(color=_GRID, lw=0.7)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
