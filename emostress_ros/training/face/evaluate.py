"""How well a face model's file does on labelled faces: truth, predictions, figures (no torch)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros import metrics
from emostress_ros.errors import DatasetError, ModelError
from emostress_ros.inference import ModelCard, Session
from emostress_ros.training.datasets import fer2013

DATASETS = ("fer2013", "ferplus")
BATCH = 128
_NO_PERSONS = "FER2013 has no person ids: the interval is a bootstrap over images"


def evaluate(
    dataset: str, card: ModelCard, data: fer2013.Fer2013, *, progress: bool = False
) -> metrics.Score:
    """Score a model's file on labelled faces.

    Args:
        dataset: ``fer2013``, or ``ferplus`` for the majority vote of the FER+ raters.
        card: of the model.
        data: the faces to score; those without a label are skipped and counted.
        progress: show a bar on standard error.

    Raises:
        DatasetError: no face has a label.
        ModelError: the model has no answer for this set.
    """
    labels, truth = truth_of(dataset, data)
    known = truth >= 0
    if not known.any():
        raise DatasetError(f"{dataset}: no face of the split has a label")
    outputs = predict(card, data.images[known], progress=progress)
    probabilities = _probabilities(dataset, card, outputs, labels)
    # Every image stands for itself in the bootstrap, as the set does not know its persons.
    scored = metrics.score_predictions(
        labels, truth[known], probabilities, persons=np.arange(int(known.sum()))
    )
    return scored.with_extra(
        slices=_slices(labels, truth[known], probabilities, data.select(known).votes),
        dataset=dataset,
        split=", ".join(sorted(set(data.usage.tolist()))),
        model=card.identifier,
        skipped=int((~known).sum()),
        persons=None,
        note=_NO_PERSONS,
    )


def agreement(votes: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which faces (N,) the ten raters of FER+ agreed on, by the name of the slice.

    How much raters agree stands in for how plain an expression is: the set has no intensities.

    Args:
        votes: (N, 10).
    """
    share = votes.max(1) / np.maximum(votes.sum(1), 1)
    return {
        "raters unanimous": share >= 1.0,
        "raters mostly agree": (share > 0.5) & (share < 1.0),
        "raters disputed": share <= 0.5,
    }


def _slices(
    labels: tuple[str, ...],
    truth: npt.NDArray[np.int64],
    probabilities: npt.NDArray[Any],
    votes: npt.NDArray[np.uint8] | None,
) -> dict[str, dict[str, Any]]:
    """Return figures by agreement of the raters, where known, and the recall of each class."""
    found: dict[str, dict[str, Any]] = {}
    for name, rows in ({} if votes is None else agreement(votes)).items():
        if rows.any():
            part = _part(labels, truth[rows], probabilities[rows])
            found[name] = {key: part[key] for key in ("n", "accuracy", "uar", "ece", "ci95")}
    for index, label in enumerate(labels):
        rows = truth == index
        if rows.any():
            part = _part(labels, truth[rows], probabilities[rows])
            found[f"label {label}"] = {
                "n": part["n"], "recall": part["accuracy"], "ece": part["ece"],
                # One image has no interval.
                "ci95": {"recall": part["ci95"]["accuracy"]} if part["ci95"] else {},
            }  # fmt: skip
    return found


def _part(
    labels: tuple[str, ...], truth: npt.NDArray[np.int64], probabilities: npt.NDArray[Any]
) -> dict[str, Any]:
    persons = np.arange(len(truth))
    return metrics.score_predictions(labels, truth, probabilities, persons=persons).to_json_dict()


def predict(
    card: ModelCard, images: npt.NDArray[np.uint8], *, progress: bool = False
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the model's outputs for (N, 48, 48) uint8 faces, each (N, …)."""
    session = Session(card, threads=1)
    parts = [
        session.run({"face": images[start : start + BATCH, None]})
        for start in _track(range(0, len(images), BATCH), progress)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _track(batches: range, progress: bool) -> Iterator[int]:
    if not progress:
        yield from batches
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(batches, "scoring faces", console=Console(stderr=True), transient=True)


def truth_of(dataset: str, data: fer2013.Fer2013) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the class names and (N,) class indices, -1 where there is none."""
    if dataset == "fer2013":
        return fer2013.LABELS, data.labels
    if data.votes is None:
        raise DatasetError("FER+ needs the raters' votes ('ferplus_votes'), which the file lacks")
    distribution = fer2013.ferplus_distribution(data.votes)
    majority = np.where(distribution.sum(1) > 0, distribution.argmax(1), -1)
    return fer2013.FERPLUS_LABELS, majority.astype(np.int64)


def _probabilities(
    dataset: str,
    card: ModelCard,
    outputs: dict[str, npt.NDArray[np.float32]],
    labels: tuple[str, ...],
) -> npt.NDArray[Any]:
    name = "probabilities" if dataset == "fer2013" else "ferplus_probabilities"
    if name not in outputs:
        raise ModelError(f"{card.identifier} has no output '{name}', which {dataset} needs")
    native = card.labels if dataset == "fer2013" else labels
    if sorted(native) != sorted(labels) or outputs[name].shape[1] != len(labels):
        raise ModelError(f"{card.identifier} knows {native}, {dataset} has {labels}")
    return outputs[name][:, [native.index(label) for label in labels]]
