"""What the text trainers share: the three data sets, their held-out parts, and token batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.training.datasets.dreaddit import load_dreaddit
from emostress_ros.training.datasets.goemotions import load_goemotions
from emostress_ros.training.datasets.labelled_text import LabelledTexts, joined
from emostress_ros.training.datasets.meld import load_meld

DREADDIT_FOLDS = 5
HELD_OUT_FOLD = 0
"""Fold of Dreaddit that no shipped model is trained on: it has no official dev split."""

HELD_OUT = "held_out"
"""Name of that fold as a split."""


@dataclass(frozen=True)
class Corpora:
    """Training and held-out parts of the three sets; ``original`` is GoEmotions with 28 labels."""

    train: dict[str, LabelledTexts]
    held_out: dict[str, LabelledTexts]


def load_corpora(folder: Path, sources: Sequence[str]) -> Corpora:
    """Read the wanted sets below ``folder`` (``goemotions/``, ``dreaddit/``, ``meld/``).

    Raises:
        DatasetError: a set is missing or not in its official layout.
    """
    train: dict[str, LabelledTexts] = {}
    held_out: dict[str, LabelledTexts] = {}
    if "goemotions" in sources:
        home = folder / "goemotions"
        train["original"] = load_goemotions(home, "train", level="original")
        train["goemotions"] = load_goemotions(home / "original", "train")
        held_out["goemotions"] = load_goemotions(home, "dev")
    if "meld" in sources:
        train["meld"] = load_meld(folder / "meld", "train")
        held_out["meld"] = load_meld(folder / "meld", "dev")
    if "dreaddit" in sources:
        parts = dreaddit_parts(folder / "dreaddit")
        train["dreaddit"], held_out["dreaddit"] = parts
    return Corpora(train, held_out)


def emotions_without(folder: Path, comments: Collection[str]) -> Corpora:
    """Read GoEmotions' train and dev splits but for some comments, and MELD's train split.

    Args:
        folder: with ``goemotions/`` and ``meld/``.
        comments: ids of the comments that are judged.

    Raises:
        DatasetError: a set is missing or not in its official layout.
    """
    home, judged = folder / "goemotions", set(comments)
    corpora = Corpora({"meld": load_meld(folder / "meld", "train")}, {})
    for name, place, level in (
        ("original", home, "original"),
        ("goemotions", home / "original", "ekman"),
    ):
        both = joined(*(load_goemotions(place, split, level=level) for split in ("train", "dev")))
        corpora.train[name] = both.take(np.array([group not in judged for group in both.groups]))
    return corpora


def dreaddit_parts(folder: Path) -> tuple[LabelledTexts, LabelledTexts]:
    """Return the four folds of Dreaddit's train split that are learnt from, and the held-out one.

    Raises:
        DatasetError: files are missing or malformed.
    """
    whole = load_dreaddit(folder, "train")
    fold = group_folds(whole.groups, DREADDIT_FOLDS)
    return whole.take(fold != HELD_OUT_FOLD), whole.take(fold == HELD_OUT_FOLD)


def group_folds(groups: Sequence[str], folds: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Give every item a fold in ``[0, folds)`` so that a group never lies in two.

    Groups are dealt in random order, each to the fold that holds the fewest items.
    """
    names, owner, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    filled = np.zeros(folds, dtype=np.int64)
    fold_of = np.empty(len(names), dtype=np.int64)
    for group in np.random.default_rng(seed).permutation(len(names)):
        fold_of[group] = int(filled.argmin())
        filled[fold_of[group]] += sizes[group]
    return fold_of[owner]


def length_buckets(
    lengths: npt.NDArray[np.integer], batch: int, generator: np.random.Generator | None = None
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield index batches of texts of like length, so that little is spent on padding.

    With a generator the order is random: lengths are jittered before sorting, and the batches are
    shuffled.
    """
    keys = np.asarray(lengths, dtype=np.float64)
    if generator is not None:
        keys = keys * generator.uniform(0.85, 1.15, size=keys.size) + generator.random(keys.size)
    order = np.argsort(keys, kind="stable")
    batches = [order[start : start + batch] for start in range(0, order.size, batch)]
    if generator is not None:
        generator.shuffle(batches)
    yield from batches
