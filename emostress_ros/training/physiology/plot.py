"""The figure of a leave-one-subject-out evaluation: how it went for each person."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emostress_ros.training.physiology.fit import Array, Windows

_NAMES = {"wesad": "WESAD", "stress_predict": "Stress-Predict"}


def plot_subjects(test: Mapping[str, Windows], logits: Mapping[str, Array], path: Path) -> None:
    """Draw each held-out person's accuracy, worst first, one panel for each data set.

    Args:
        test: person to judged windows.
        logits: person to held-out, calibrated logits.
        path: PNG to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sets = list(dict.fromkeys(key.split("/")[0] for key in logits))
    sizes = [sum(key.startswith(f"{name}/") for key in logits) for name in sets]
    figure, axes = plt.subplots(
        1, len(sets), figsize=(11, 3.6), sharey=True, squeeze=False,
        gridspec_kw={"width_ratios": [size + 2 for size in sizes]}, layout="constrained",
    )  # fmt: skip
    for axis, name in zip(axes[0], sets, strict=True):
        found = {
            key.split("/")[1]: float(np.mean((logits[key] > 0) == test[key].stress))
            for key in logits
            if key.startswith(f"{name}/")
        }
        ordered = sorted(found, key=lambda person: found[person])
        axis.bar(ordered, [100 * found[person] for person in ordered], color="#4c78a8")
        mean = 100 * float(np.mean(list(found.values())))
        axis.axhline(mean, color="#e45756", linewidth=1.2, label=f"mean of persons {mean:.1f} %")
        axis.set_title(f"{_NAMES.get(name, name)}, {len(found)} persons")
        axis.tick_params(axis="x", rotation=90, labelsize=8)
        axis.legend(loc="lower right", fontsize=8)
        axis.set_ylim(0, 100)
    axes[0][0].set_ylabel("stressed or not, accuracy (%)")
    figure.suptitle("Each person judged by a model that never saw them (60 s windows)", fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
