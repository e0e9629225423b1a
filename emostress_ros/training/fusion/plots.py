"""Pictures of the study of the fusion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emostress_ros.affect import MODALITIES
from emostress_ros.training.common import CsvLog, plot_curves
from emostress_ros.training.fusion.evaluate import ALONE, name_of
from emostress_ros.training.fusion.pairs import SUBSETS

_COLOURS = {
    ALONE: "#8d99ae", "late": "#e9b44c", "early": "#4f9d8f", "hybrid": "#7d5ba6",
    "attention": "#c2476b",
}  # fmt: skip
Figures = Mapping[str, Any]


def draw_subsets(table: Figures, path: Path) -> None:
    """Draw the UAR of every subset under every strategy, with its interval."""
    axes, figure = _axes(8.6, 6.4)
    names = [name_of(s) for s in SUBSETS if name_of(s) in table["attention"]]
    for place, (strategy, colour) in enumerate(_COLOURS.items()):
        shown = [(i, table[strategy][n]) for i, n in enumerate(names) if n in table[strategy]]
        height = np.array([i for i, _ in shown]) + 0.14 * (place - 2)
        value = np.array([100 * f["uar"] for _, f in shown])
        low, high = (np.array([100 * f["ci95"]["uar"][end] for _, f in shown]) for end in (0, 1))
        axes.errorbar(
            value, height, xerr=np.maximum(0.0, [value - low, high - value]), fmt="o",
            color=colour, markersize=4.5, elinewidth=1.2, label=strategy,
        )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("UAR of the emotion [%], people never seen, paired by label")
    axes.legend(frameon=False, fontsize=9, loc="lower left")
    _save(figure, path)


def draw_noise(emotion: Figures, stress: Figures, path: Path) -> None:
    """Draw, for the attention, each modality absent, replaced by noise, and by unnoticed noise."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9.6, 3.4), layout="constrained")
    conditions = {"without it": "#8d99ae", "noise": "#4f9d8f", "unnoticed noise": "#c2476b"}
    for axes, table, title in zip(panels, (emotion, stress), ("emotion", "stress"), strict=True):
        said = table["attention"]
        for m, modality in enumerate(MODALITIES):
            rest = name_of([name for name in MODALITIES if name != modality])
            keys = (rest, f"{modality} noise", f"{modality} forged noise")
            for place, (key, colour) in enumerate(zip(keys, conditions.values(), strict=True)):
                axes.bar(m + 0.26 * (place - 1), 100 * said[key]["uar"], 0.24, color=colour)
        whole = 100 * said[name_of(MODALITIES)]["uar"]
        axes.axhline(whole, color="#2b3440", lw=1.0, ls="--")
        axes.set_xticks(range(len(MODALITIES)), MODALITIES)
        axes.set(title=f"{title} (dashed: everything clean)", ylabel="UAR [%]", ylim=(50, 101))
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in conditions.values()]
    figure.legend(handles, list(conditions), frameon=False, ncols=3, loc="outside lower center")
    _save(figure, path)


def draw_losses(log: Path, path: Path) -> None:
    """Draw every term of the loss over the steps."""
    columns = CsvLog(log, resume=True).read()
    panels = {
        "loss": ["loss", "training_loss", "classification"],
        "consistency": ["consistency"],
        "regularisation": ["regularisation", "noise", "detection"],
        "accuracy, random subset": ["accuracy"],
    }
    title = "fusion_attention: terms of the loss as weighted, over steps"
    plot_curves(columns, panels, title, path, over="step")


def _axes(width: float, height: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    axes.grid(axis="x", alpha=0.3)
    return axes, figure


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
