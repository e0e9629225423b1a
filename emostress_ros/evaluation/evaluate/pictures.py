"""Pictures of an evaluation, as PNG: what is drawn from the summary alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emostress_ros.evaluation import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Entry = Mapping[str, Any]
_MAIN, _SECOND, _FAINT, _BETTER = "#3d6fb6", "#c2476b", "#b9c3ce", "#4f9d69"
METRICS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "emotion": (("uar", "UAR"),),
    "stress": (("auroc", "AUROC"), ("uar", "UAR")),
    "valence": (("ccc", "CCC"),),
    "arousal": (("ccc", "CCC"),),
}
"""Task to the figures that stand for it, the better one first."""


def chief(figures: Entry, task: str) -> tuple[str, str]:
    """(key, name) of the figure that stands for a task, where it could be had."""
    offered = METRICS[task]
    return next((x for x in offered if figures.get(x[0]) is not None), offered[-1])


def value_of(entry: Entry, task: str, metric: str) -> float:
    """A figure of an entry of the summary; NaN where it is not there."""
    found = (entry.get(task) or {}).get(metric)
    return math.nan if found is None else float(found)


def confidence_figure(figures: Entry) -> bytes:
    """Reliability, risk over coverage, and ROC where there is one."""
    roc = figures.get("roc") or []
    figure, axes = canvas.row(3.4, [1.0] * (3 if roc else 2))
    _reliability(axes[0], figures["reliability"])
    points = figures["risk_coverage"]
    axes[1].plot([p["coverage"] for p in points], [p["risk"] for p in points], color=_MAIN, lw=2)
    axes[1].set(xlim=(0, 1), ylim=(0, None), xlabel="coverage", ylabel="risk (share of errors)")
    axes[1].set_title(f"Risk over coverage, area {figures['aurc']:.3f}", fontsize=10)
    if roc:
        axes[2].plot(*zip(*roc, strict=True), color=_MAIN, lw=2)
        axes[2].plot([0, 1], [0, 1], ":", color=_FAINT)
        axes[2].set(xlim=(0, 1), ylim=(0, 1.01), xlabel="calm called stressed",
                    ylabel="stressed called stressed")  # fmt: skip
        axes[2].set_title(f"ROC, area {figures['auroc']:.3f}", fontsize=10)
    return canvas.png(figure)


def _reliability(axes: Axes, bins: Sequence[Entry]) -> None:
    total = sum(b["n"] for b in bins)
    axes.plot([0, 1], [0, 1], ":", color=_FAINT)
    x, y = [b["confidence"] for b in bins], [b["accuracy"] for b in bins]
    axes.plot(x, y, color=_MAIN, lw=1.5, zorder=2)
    axes.scatter(x, y, s=[20 + 300 * b["n"] / total for b in bins], color=_MAIN, zorder=3)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="stated confidence", ylabel="share right")
    axes.set_title("Reliability (size: number of moments)", fontsize=10)


def confusion_figure(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> bytes:
    """Confusion matrix, each row scaled by its truth."""
    counts = np.array(confusion, np.float64)
    shares = counts / np.maximum(1.0, counts.sum(axis=1, keepdims=True))
    size = len(labels)
    figure, axes = canvas.row(1.2 + 0.45 * size, [1.0, 0.35])
    axes[0].imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    axes[0].set_xticks(range(size), labels)
    axes[0].set_yticks(range(size), labels)
    axes[0].grid(visible=False)
    for edge in np.arange(0.5, size - 0.5):
        axes[0].axhline(edge, color="white", lw=2)
        axes[0].axvline(edge, color="white", lw=2)
    axes[0].set(xlabel="answer", ylabel="truth")
    for i, j in np.ndindex(size, size):
        if counts[i, j]:
            colour = "white" if shares[i, j] > 0.55 else canvas.INK
            text = f"{shares[i, j]:.0%}\n({int(counts[i, j])})"
            axes[0].text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
    recalls = np.where(counts.sum(axis=1) > 0, np.diag(shares), np.nan)
    axes[1].barh(range(size), np.nan_to_num(recalls), color=_MAIN, height=0.6)
    axes[1].set(xlim=(0, 1), ylim=(size - 0.5, -0.5), xlabel="recall")
    axes[1].set_yticks([])
    return canvas.png(figure)


def ablation_figure(entries: Sequence[Entry], task: str, metric: str, name: str) -> bytes:
    """A bar for every subset of the senses, with its interval."""
    shown = [x for x in entries if not math.isnan(value_of(x, task, metric))]
    shown = sorted(shown, key=lambda x: (len(x["senses"]), value_of(x, task, metric)))
    figure, (axes,) = canvas.row(1.0 + 0.3 * len(shown), [1.0])
    values = [value_of(x, task, metric) for x in shown]
    shades = ("#b9c9e0", "#8fa9d0", "#6389bf", _MAIN)
    colours = [shades[min(len(x["senses"]), 4) - 1] for x in shown]
    axes.barh(range(len(shown)), values, color=colours, height=0.68)
    for place, entry in enumerate(shown):
        low, high = interval_of(entry, task, metric)
        end = max(values[place], 0.0)
        if not math.isnan(low):
            axes.plot([low, high], [place, place], color=canvas.INK, lw=1.2)
            end = max(end, high)
        text = f"{values[place]:.3f}"
        axes.text(end + 0.006, place, text, va="center", fontsize=8, color=canvas.INK)
    axes.set_yticks(range(len(shown)), [" + ".join(x["senses"]) for x in shown])
    axes.grid(axis="y", visible=False)
    axes.set_xlim(min([-0.01, *values]), 1.06)
    axes.set_xlabel(f"{name} ({task})")
    return canvas.png(figure)


def interval_of(entry: Entry, task: str, metric: str) -> tuple[float, float]:
    """95 % interval of a figure of an entry; NaN where there is none."""
    found = ((entry.get(task) or {}).get("ci95") or {}).get(metric) or (None, None)
    return tuple(math.nan if x is None else float(x) for x in found)  # type: ignore[return-value]


def offset_figure(entries: Sequence[Entry], tasks: Sequence[str]) -> bytes:
    """The chief figure of each task over the shift of the voice."""
    figure, axes = canvas.row(3.0, [1.0] * len(tasks))
    for panel, task in zip(axes, tasks, strict=True):
        metric, name = chief(entries[0].get(task) or {}, task)
        panel.axvline(0.0, color=_FAINT, lw=1.0)
        x = [entry["offset_ms"] for entry in entries]
        panel.plot(x, [value_of(e, task, metric) for e in entries], "o-", color=_MAIN, lw=2)
        panel.set(xlabel="voice after face [ms]", ylabel=f"{name} ({task})")
        _room(panel)
    return canvas.png(figure)


def noise_figure(entries: Sequence[Entry], task: str) -> bytes:
    """The chief figure and the spoilt sense's weight over the strength, a panel a sense."""
    senses = list(dict.fromkeys(entry["sense"] for entry in entries))
    figure, axes = canvas.row(3.1, [1.0] * len(senses))
    metric, name = chief(entries[0].get(task) or {}, task)
    for panel, sense in zip(axes, senses, strict=True):
        own = [entry for entry in entries if entry["sense"] == sense]
        x = [entry["level"] for entry in own]
        colour = canvas.MODALITY_COLOURS.get(sense, canvas.other(0))
        panel.plot(x, [value_of(e, task, metric) for e in own], "o-", color=colour, lw=2)
        weights = [value if (value := e["mean_weight"]) is not None else math.nan for e in own]
        panel.plot(x, weights, "o:", color=canvas.INK, lw=1.2, ms=3)
        panel.set(xticks=x, ylim=(0, 1.02), xlabel="strength of what spoils it", title=sense)
        panel.title.set_fontsize(10)
    axes[0].set_ylabel(f"{name} ({task}); dotted: weight")
    return canvas.png(figure)


def forest_figure(persons: Sequence[Entry], task: str, metric: str, name: str) -> bytes:
    """A point a person with its interval."""
    shown = [p for p in persons if not math.isnan(value_of(p, task, metric))]
    figure, (axes,) = canvas.row(0.9 + 0.28 * max(2, len(shown)), [1.0])
    for place, person in enumerate(reversed(shown)):
        low, high = interval_of(person, task, metric)
        if not math.isnan(low):
            axes.plot([low, high], [place, place], color=_FAINT, lw=3, solid_capstyle="round")
        axes.plot(value_of(person, task, metric), place, "o", color=_MAIN, ms=7)
    axes.set_yticks(range(len(shown)), [p["person"] for p in reversed(shown)])
    axes.set(xlim=(0.0 if metric != "ccc" else -1.0, 1.02), xlabel=f"{name} ({task})")
    if metric in ("auroc", "uar"):
        chance = 0.5 if task == "stress" else 1.0 / 7.0
        axes.axvline(chance, color=canvas.INK, lw=1.0, ls=":")
    return canvas.png(figure)


def baseline_figure(persons: Sequence[Entry]) -> bytes:
    """What the resting baseline changes for each person, in every figure that there is."""
    offered = [x for x in METRICS["stress"] if any(p["on"][x[0]] is not None for p in persons)]
    figure, axes = canvas.row(1.3 + 0.28 * len(persons), [1.0] * len(offered))
    for panel, (metric, name) in zip(axes, offered, strict=True):
        low = 0.5
        for place, person in enumerate(reversed(persons)):
            off, on = person["off"][metric], person["on"][metric]
            if off is not None and on is not None:
                panel.plot([off, on], [place] * 2, color=_BETTER if on >= off else _SECOND, lw=2)
                panel.plot(off, place, "o", color=_FAINT, ms=9)
                panel.plot(on, place, "o", color=_MAIN, ms=6)
                low = min(low, off, on)
        panel.set_yticks(range(len(persons)), [p["person"] for p in reversed(persons)])
        panel.set(xlabel=f"{name} of stress", xlim=(low - 0.02, 1.02))
    canvas.key(axes[0], [("without a baseline", _FAINT), ("with the resting baseline", _MAIN)])
    return canvas.png(figure)


def onset_figure(onset: Mapping[str, Entry]) -> bytes:
    """Every delay of a change that was followed, a row a kind."""
    kinds = list(onset)
    figure, (axes,) = canvas.row(0.9 + 0.4 * len(kinds), [1.0])
    for place, kind in enumerate(reversed(kinds)):
        delays = onset[kind]["delays_s"]
        axes.plot(delays, np.full(len(delays), place), "o", color=_MAIN, alpha=0.45, ms=7)
        if onset[kind]["median_s"] is not None:
            axes.plot(onset[kind]["median_s"], place, "|", color=canvas.INK, ms=22, mew=2)
    axes.set_yticks(range(len(kinds)), list(reversed(kinds)))
    axes.set(ylim=(-0.6, len(kinds) - 0.4), xlabel="delay [s]; bar: median")
    slowest = max([1.0, *(delay for x in onset.values() for delay in x["delays_s"])])
    axes.set_xlim(-0.02 * slowest, 1.03 * slowest)
    return canvas.png(figure)


def _room(axes: Axes) -> None:
    """Small differences are not blown up to fill a panel."""
    low, high = axes.get_ylim()
    middle, half = (low + high) / 2.0, max(0.1, (high - low) / 2.0)
    axes.set_ylim(middle - half, middle + half)
