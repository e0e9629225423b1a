"""Scores a text model on GoEmotions, Dreaddit or MELD in their official layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from emostress_ros import metrics
from emostress_ros.errors import DatasetError
from emostress_ros.modalities.text import TextConfig, TextEncoder
from emostress_ros.training.datasets.dreaddit import load_dreaddit
from emostress_ros.training.datasets.goemotions import load_goemotions
from emostress_ros.training.datasets.labelled_text import LabelledTexts
from emostress_ros.training.datasets.meld import load_meld
from emostress_ros.training.text.data import HELD_OUT, dreaddit_parts
from emostress_ros.training.text.scores import SCORERS, encode_texts, slices_of

LOADERS: dict[str, Callable[..., LabelledTexts]] = {
    "goemotions": load_goemotions,
    "dreaddit": load_dreaddit,
    "meld": load_meld,
}
_GROUPS = {"goemotions": "comments", "dreaddit": "posts", "meld": "speakers"}


def score(
    dataset: str,
    path: Path,
    *,
    split: str | None = None,
    model: str | None = None,
    baseline: str = "rest",
    progress: bool = True,
) -> metrics.Score:
    """Score a model on every split file of a folder.

    Args:
        dataset: ``goemotions``, ``dreaddit`` or ``meld``.
        path: the folder in the official layout.
        split: the only split scored; None scores every split file that is there. Of Dreaddit
            ``held_out`` is the part of ``train`` that the shipped model did not learn from.
        model: model folder's name or path; None takes the shipped one.
        baseline: without meaning for text.
        progress: show a bar on standard error.

    Raises:
        DatasetError: an unknown set, or files that are missing or malformed.
        ModelError: the model cannot be used, or has no answer for this set.
    """
    if dataset not in LOADERS:
        raise DatasetError(f"text: no data set '{dataset}'; there are {', '.join(LOADERS)}")
    texts = _read(dataset, Path(path), split)
    encoder = TextEncoder(model or TextConfig().model, threads=TextConfig().threads)
    outputs = encode_texts(encoder, texts.texts, progress)
    scored = SCORERS[dataset](texts, outputs, encoder)
    extra: dict[str, Any] = {
        "dataset": dataset,
        "split": split if split == HELD_OUT else ", ".join(texts.splits),
        "model": encoder.card.identifier,
        "groups": _GROUPS[dataset],
        "slices": slices_of(dataset, texts, outputs, encoder),
    }
    if texts.skipped:
        extra["skipped"] = texts.skipped
    if "train" in texts.splits and split != HELD_OUT:
        extra["warning"] = "the train split is scored: the model may have been trained on it"
    return scored.with_extra(**extra)


def _read(dataset: str, path: Path, split: str | None) -> LabelledTexts:
    if dataset == "dreaddit" and split == HELD_OUT:
        return dreaddit_parts(path)[1]
    return LOADERS[dataset](path, split)
