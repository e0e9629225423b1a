"""How each text data set is scored; torch-free, shared by training and by ``emostress score``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros import metrics
from emostress_ros.errors import DatasetError, ModelError
from emostress_ros.modalities.text import TextConfig, TextEncoder
from emostress_ros.modalities.text.encoder import Outputs
from emostress_ros.modalities.text.tokenizer import Tokens, clean
from emostress_ros.training.datasets.labelled_text import EKMAN_LABELS, LabelledTexts

BATCH = 64

_GOEMOTIONS_NOTE = (
    "macro_f1 and weighted_f1 follow Demszky et al. 2020: several labels a comment, one threshold "
    "a label. accuracy: the likeliest label is among the comment's labels. In the confusion "
    "matrix, and so in uar, a comment of several labels counts as the answer if that is among "
    "them, else as the first label given; single_label holds the figures of the likeliest label "
    "on the comments that have exactly one."
)


def encode_texts(encoder: TextEncoder, texts: Sequence[str], progress: bool = False) -> Outputs:
    """Run texts through cleaning, tokenizer and model in batches of like length.

    Returns:
        the model's outputs, first axis in the order of ``texts``.
    """
    limit = TextConfig().max_characters
    tokens = encoder.tokenizer.encode([clean(text, limit) for text in texts])
    order = np.argsort([len(item.ids) for item in tokens], kind="stable")
    starts = range(0, len(order), BATCH)
    parts: dict[str, list[npt.NDArray[np.float32]]] = {}
    for start in _tracked(starts, progress):
        batch: list[Tokens] = [tokens[i] for i in order[start : start + BATCH]]
        for name, value in encoder.encode(batch).items():
            parts.setdefault(name, []).append(value)
    back = np.argsort(order)
    return {name: np.concatenate(values)[back] for name, values in parts.items()}


def score_goemotions(texts: LabelledTexts, outputs: Outputs, encoder: TextEncoder) -> metrics.Score:
    """Score Ekman labels: F1 multi-label, the rest by the likeliest label (see the note)."""
    if texts.labels != EKMAN_LABELS:
        raise DatasetError(f"goemotions: expected the Ekman labels, got {texts.labels}")
    top = _normalised(outputs["goemotions" if "goemotions" in outputs else "probabilities"])
    answer = top.argmax(axis=1)
    contained = texts.targets[np.arange(len(texts)), answer]
    truth = np.where(contained, answer, texts.targets.argmax(axis=1))
    decided = _decided(outputs, top, encoder)
    scored = metrics.score_predictions(texts.labels, truth, top, texts.persons)
    intervals = {**scored.extra["ci95"], **_multilabel_intervals(texts.targets, decided)}
    per_label = metrics.multilabel_f1_per_class(texts.targets, decided)
    support = texts.targets.sum(axis=0)
    macro = float(np.nanmean(per_label))
    weighted = float((np.nan_to_num(per_label) * support).sum() / support.sum())
    figures = metrics.Score(
        n=scored.n,
        accuracy=scored.accuracy,
        uar=scored.uar,
        balanced_accuracy=scored.balanced_accuracy,
        macro_f1=macro,
        weighted_f1=weighted,
        f1=None,
        ece=scored.ece,
        labels=scored.labels,
        confusion=scored.confusion,
        extra={**scored.extra, "ci95": intervals, "note": _GOEMOTIONS_NOTE},
        predictions=scored.predictions,
    )
    single = texts.single
    return figures.with_extra(
        f1_per_label=dict(zip(texts.labels, np.round(per_label, 4).tolist(), strict=True)),
        single_label=_plain_figures(texts.take(single), top[single]),
    )


def score_meld(texts: LabelledTexts, outputs: Outputs, encoder: TextEncoder) -> metrics.Score:
    """Score the seven emotions; intervals over speakers."""
    rows = _normalised(outputs["meld" if "meld" in outputs else "probabilities"])
    truth = texts.targets.argmax(axis=1)
    return metrics.score_predictions(texts.labels, truth, rows, texts.persons)


def score_dreaddit(texts: LabelledTexts, outputs: Outputs, encoder: TextEncoder) -> metrics.Score:
    """Score stress or not at a probability of one half; intervals over posts."""
    if "stress" not in outputs:
        raise ModelError(f"{encoder.card.identifier} does not estimate stress")
    stress = outputs["stress"].astype(np.float64)
    rows = np.stack([1.0 - stress, stress], axis=1)
    return metrics.score_predictions(
        texts.labels, texts.targets[:, 1].astype(np.int64), rows, texts.persons
    )


def score_published(texts: LabelledTexts, outputs: Outputs) -> metrics.Score:
    """Score ``probabilities``, which the graph publishes, on texts of one label."""
    single = texts.single
    kept = texts.take(single)
    rows = _normalised(outputs["probabilities"][single])
    return metrics.score_predictions(texts.labels, kept.targets.argmax(axis=1), rows, kept.persons)


def length_slices(texts: LabelledTexts, score: Callable[[Any], metrics.Score]) -> dict[str, Any]:
    """Figures of short, middling and long texts; ``score`` scores the texts of a mask."""
    words = np.array([len(text.split()) for text in texts.texts])
    cuts = [int(cut) for cut in np.quantile(words, (1 / 3, 2 / 3))]
    masks = {
        f"up to {cuts[0]} words": words <= cuts[0],
        f"{cuts[0] + 1} to {cuts[1]} words": (words > cuts[0]) & (words <= cuts[1]),
        f"over {cuts[1]} words": words > cuts[1],
    }
    slices = {}
    for name, mask in masks.items():
        if mask.sum() >= 20:
            found = score(mask)
            names = ("accuracy", "uar", "macro_f1", "weighted_f1")
            slices[name] = {"n": found.n, **{n: round(getattr(found, n), 4) for n in names}}
    return slices


SCORERS: dict[str, Callable[[LabelledTexts, Outputs, TextEncoder], metrics.Score]] = {
    "goemotions": score_goemotions,
    "dreaddit": score_dreaddit,
    "meld": score_meld,
}
"""Data set to the function that scores it."""


def _decided(
    outputs: Outputs, top: npt.NDArray[np.float64], encoder: TextEncoder
) -> npt.NDArray[np.bool_]:
    """(N, K) labels answered: those over their threshold, else the likeliest."""
    if "multilabel" not in outputs:
        return np.asarray(top == top.max(axis=1, keepdims=True))
    cuts = np.asarray(encoder.card.extra.get("multilabel_thresholds", [0.5] * top.shape[1]))
    chosen = np.asarray(outputs["multilabel"] >= cuts)
    empty = ~chosen.any(axis=1)
    chosen[empty, outputs["multilabel"][empty].argmax(axis=1)] = True
    return chosen


def _multilabel_intervals(
    truth: npt.NDArray[np.bool_], decided: npt.NDArray[np.bool_], repetitions: int = 1000
) -> dict[str, tuple[float, float]]:
    """Bootstrap intervals over comments of the multi-label macro and weighted F1."""
    n, k = truth.shape
    counts = np.concatenate([truth & decided, truth, decided], axis=1).astype(np.float64)
    draws = np.random.default_rng(0).multinomial(n, np.full(n, 1.0 / n), size=repetitions)
    hits, given, said = np.split(draws.astype(np.float64) @ counts, [k, 2 * k], axis=1)
    scores = 2.0 * hits / np.maximum(given + said, 1.0)
    figures = {
        "macro_f1": scores.mean(axis=1),
        "weighted_f1": (scores * given).sum(axis=1) / given.sum(axis=1),
    }
    return {
        name: (float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5)))
        for name, values in figures.items()
    }


def _plain_figures(texts: LabelledTexts, rows: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Figures of the likeliest label, for texts of one label each."""
    if len(texts) == 0:
        return {"n": 0}
    scored = metrics.score_predictions(texts.labels, texts.targets.argmax(axis=1), rows)
    names = ("n", "accuracy", "uar", "macro_f1", "weighted_f1", "ece")
    return {name: getattr(scored, name) for name in names}


def _normalised(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Rows that sum to 1 in float64."""
    wide = rows.astype(np.float64)
    result: npt.NDArray[np.float64] = wide / wide.sum(axis=1, keepdims=True)
    return result


def _tracked(starts: range, progress: bool) -> Any:
    """Show a bar on standard error while iterating, if asked."""
    if not progress:
        return starts
    from rich.console import Console
    from rich.progress import track

    return track(starts, description="text", console=Console(stderr=True), transient=True)


def slices_of(
    dataset: str, texts: LabelledTexts, outputs: Outputs, encoder: TextEncoder
) -> dict[str, Any]:
    """Figures of a model's answers on short, middling and long texts."""

    def score(mask: npt.NDArray[np.bool_]) -> metrics.Score:
        chosen = {name: value[mask] for name, value in outputs.items()}
        return SCORERS[dataset](texts.take(mask), chosen, encoder)

    return length_slices(texts, score)
