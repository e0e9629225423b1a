"""Draws a text model's confusion matrices (``python -m emostress_ros.training.text.figures``)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emostress_ros.metrics import Score
from emostress_ros.modalities.text.encoder import TextEncoder
from emostress_ros.modalities.text.parameters import TextConfig
from emostress_ros.training.text.data import load_corpora
from emostress_ros.training.text.scores import SCORERS, encode_texts

_TITLES = {
    "goemotions": "GoEmotions (Ekman), dev",
    "meld": "MELD, dev",
    "dreaddit": "Dreaddit, held-out fold",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Score the held-out parts and write one picture.

    Args:
        argv: arguments; None reads the command line.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default=TextConfig().model)
    parser.add_argument("--out", type=Path, default=Path("docs/figures/text_confusion.png"))
    options = parser.parse_args(argv)
    encoder = TextEncoder(options.model)
    corpora = load_corpora(options.data, tuple(SCORERS))
    scores = {
        name: SCORERS[name](texts, encode_texts(encoder, texts.texts), encoder)
        for name, texts in corpora.held_out.items()
    }
    draw_confusions(scores, options.out)
    return 0


def draw_confusions(scores: dict[str, Score], path: Path) -> None:
    """Draw the row-normalised confusion matrix of every set side by side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    sizes = [max(4, len(score.labels)) for score in scores.values()]
    figure, axes = pyplot.subplots(
        1, len(scores), figsize=(15, 5.2), width_ratios=sizes, layout="constrained"
    )
    for axis, (name, score) in zip(np.atleast_1d(axes), scores.items(), strict=True):
        _draw(axis, score, _TITLES.get(name, name))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw(axis: Any, score: Score, title: str) -> None:
    rows = score.confusion / np.maximum(score.confusion.sum(axis=1, keepdims=True), 1)
    axis.imshow(rows, vmin=0.0, vmax=1.0, cmap="Blues")
    places = range(len(score.labels))
    axis.set_xticks(places, score.labels, rotation=40, ha="right")
    axis.set_yticks(places, score.labels)
    axis.set_xlabel("answer")
    axis.set_ylabel("truth")
    figures = (
        f"n = {score.n}, UAR {score.uar:.3f}\nmacro-F1 {score.macro_f1:.3f}, ECE {score.ece:.3f}"
    )
    axis.set_title(f"{title}\n{figures}", fontsize=11)
    for i in places:
        for j in places:
            colour = "white" if rows[i, j] > 0.55 else "black"
            axis.text(j, i, f"{rows[i, j]:.2f}", ha="center", va="center", color=colour, size=9)


if __name__ == "__main__":
    raise SystemExit(main())
