"""What the figures of all reports share: colours, panels, legends, and PNG without a display."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from emostress_ros.affect import UNKNOWN, ContributionStatus, StressLevel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EMOTION_COLOURS = {
    "neutral": "#a3b1bf", "angry": "#d1495b", "sad": "#3d6fb6", "happy": "#edae49",
    "surprised": "#e07a3f", "disgusted": "#5b8c5a", "scared": "#7d5ba6", UNKNOWN: "#e4e8ec",
}  # fmt: skip
LEVEL_COLOURS = {
    StressLevel.UNKNOWN: "#eef1f4", StressLevel.LOW: "#d5ead8",
    StressLevel.MODERATE: "#fbe7bf", StressLevel.HIGH: "#f4c7c3",
}  # fmt: skip
MODALITY_COLOURS = {
    "face": "#3d6fb6", "voice": "#e07a3f", "physiology": "#c2476b", "text": "#4f9d8f",
}  # fmt: skip
STATUS_COLOURS = {
    ContributionStatus.USED: "#4f9d69", ContributionStatus.MISSING: "#cfd6dd",
    ContributionStatus.STALE: "#e9b44c", ContributionStatus.LOW_QUALITY: "#b07aa1",
    ContributionStatus.NO_CONSENT: "#2f3b47",
}  # fmt: skip
OTHER_COLOURS = ("#8d99ae", "#6b705c", "#bc6c25", "#457b9d", "#9d4edd", "#588157")
INK, GRID = "#2b3440", "#dfe4ea"
WIDTH = 11.0


def panels(
    height: float, shares: Sequence[float], span_s: float | None, gap: float = 0.12
) -> tuple[Figure, Sequence[Axes]]:
    """A figure of the report's width with panels above one another, sharing a time axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    # Fixed margins: the time axes of all figures lie below one another.
    margins = {"left": 0.085, "right": 0.99, "top": 1 - 0.32 / height, "bottom": 0.55 / height}
    ratios = {"height_ratios": list(shares), "hspace": gap, **margins}
    rows = figure.subplots(len(shares), 1, sharex=True, squeeze=False, gridspec_kw=ratios)[:, 0]
    for axes in rows:
        axes.margins(x=0.0)
        dress(axes, grid="x")
    if span_s is not None:
        rows[-1].set_xlim(0.0, max(span_s, 0.1))
        rows[-1].set_xlabel("time [s]", fontsize=10, color=INK)
    return figure, list(rows)


def row(height: float, widths: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """A figure of the report's width with panels side by side, each with axes of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=110, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    columns = figure.subplots(1, len(widths), squeeze=False, width_ratios=list(widths))[0]
    for axes in columns:
        dress(axes, grid="both")
    return figure, list(columns)


def dress(axes: Axes, grid: Literal["x", "y", "both"]) -> None:
    """Quiet ticks, a faint grid, no frame."""
    axes.tick_params(colors=INK, labelsize=9, length=0)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(10)
        label.set_color(INK)
    axes.set_axisbelow(True)
    axes.grid(axis=grid, color=GRID, linewidth=0.7)
    for side in axes.spines.values():
        side.set_visible(False)


def key(axes: Axes, entries: Sequence[tuple[str, str]], *, below: bool = False) -> None:
    """Legend in one line over or under a panel."""
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=name) for name, colour in entries]
    where: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0)}
    if below:
        where = {"loc": "upper right", "bbox_to_anchor": (1.0, -0.7)}
    axes.legend(
        handles=handles, ncols=len(handles), frameon=False, fontsize=9, handlelength=1.0,
        columnspacing=1.4, borderaxespad=0.2, **where,
    )  # fmt: skip


def other(index: int) -> str:
    """Colour of something that has none of its own."""
    return OTHER_COLOURS[index % len(OTHER_COLOURS)]


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
