"""What the study of voices teaches, said from its own figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emostress_ros.training.study import Entry
from emostress_ros.training.voice.nets import ARCHITECTURES, FROZEN, SHIPPED

LITERATURE = {
    ("RAVDESS", "logistic"): 65.79,
    ("RAVDESS", "lstm"): 52.26,
    ("RAVDESS", "gru"): 57.14,
    ("RAVDESS", "cnn1d"): 77.82,
    ("TESS", "cnn_bilstm_attention"): 91.81,
}
"""Accuracy in per cent that the systems this project answers report, on random splits."""


def lessons_of(entries: Sequence[Entry], *, quick: bool) -> tuple[str, ...]:
    """Return sentences about the best model, the gap, and the literature; figures in points."""
    told = []
    for dataset in dict.fromkeys(entry.dataset for entry in entries):
        told += _of_set(dataset, [entry for entry in entries if entry.dataset == dataset])
    told += [
        "The networks over frames are judged after their last epoch, and no epoch was chosen by "
        "what is judged; probabilities are as the networks give them, so the ECE is that before "
        "any calibration. The logistic regression chooses its penalty by folds inside the training "
        "part.",
        "The reported accuracies are of their authors' own random splits, RAVDESS with all 24 "
        "actors; here it is 20 of them, and every clip is judged once.",
        _lengths(),
        "Training times were taken beside other work on the same machine: read their order of "
        "magnitude, not more.",
        "An interval over TESS's two speakers says little about other women, nothing about men.",
    ]
    if {SHIPPED, FROZEN} & {entry.model for entry in entries}:
        told.append(
            f"`{SHIPPED}` learns from every fourth clip of TESS, so that it and its head alone are "
            "judged on every fourth; all others learn from all clips and are judged on all."
        )
    if quick:
        told.append(
            "A quick study: fewer clips, folds and epochs, and without the shipped network, which "
            "needs start weights and a longer training."
        )
    return tuple(told)


def _lengths() -> str:
    epochs = ", ".join(f"`{name}` {chosen.epochs}" for name, chosen in ARCHITECTURES.items()
                       if chosen.epochs > 1)  # fmt: skip
    return (
        f"Passes over RAVDESS in a full study: {epochs}; over TESS a seventh of them, at least "
        "three. That is what an hour of one shared core allows, not where every network ends: "
        "on 192 clips kept back from the training part of the first random fold, an "
        "LSTM of 128 units came to an accuracy of 62 after 30 passes, 71 after 60 and 75 after 150."
    )


def _of_set(dataset: str, entries: Sequence[Entry]) -> list[str]:
    apart = {e.model: e for e in entries if e.person_disjoint}
    random = {e.model: e for e in entries if not e.person_disjoint}
    if not apart or not random:
        return []
    best = max(apart.values(), key=lambda e: e.score.uar)
    gaps = {name: 100 * (random[name].score.uar - apart[name].score.uar)
            for name in apart if name in random}  # fmt: skip
    first = max(random.values(), key=lambda e: e.score.uar)
    told = _start_weights(dataset, list(apart.values()))
    told += [
        f"{dataset}: on voices never heard `{best.model}` is best with a UAR of "
        f"{100 * best.score.uar:.1f}; at random `{first.model}` with {100 * first.score.uar:.1f}.",
        f"{dataset}: a random split flatters by {min(gaps.values()):.0f} to "
        f"{max(gaps.values()):.0f} points, and the gap is not the same for all: a ranking at "
        "random is no ranking for strangers.",
    ]
    told += _pretrained_random(dataset, random)
    for (where, model), theirs in LITERATURE.items():
        if where == dataset and model in random:
            ours = 100 * random[model].score.accuracy
            verdict = "above" if ours > theirs else "below"
            told.append(
                f"{dataset}, random split, `{model}`: accuracy {ours:.1f}, {verdict} the "
                f"{theirs:.2f} that is reported for this kind of network; `{first.model}` reaches "
                f"{100 * first.score.accuracy:.1f}."
            )
    return told


def _start_weights(dataset: str, apart: Sequence[Entry]) -> list[str]:
    """What a pretrained encoder brings on voices never heard."""
    parts = [[e for e in apart if (e.model in ARCHITECTURES) == fresh] for fresh in (True, False)]
    if not all(parts):
        return []
    fresh, started = (max(part, key=lambda e: e.score.uar) for part in parts)
    return [
        f"{dataset}, voices never heard: an encoder that had learned to transcribe speech is worth "
        f"{100 * (started.score.uar - fresh.score.uar):.0f} points of UAR (`{started.model}` "
        f"{100 * started.score.uar:.1f}, best network from scratch `{fresh.model}` "
        f"{100 * fresh.score.uar:.1f})."
    ]


def _pretrained_random(dataset: str, random: Mapping[str, Entry]) -> list[str]:
    """Why the shipped network need not be the best one on a random split."""
    if FROZEN not in random or SHIPPED not in random:
        return []
    frozen, whole = (100 * random[name].score.uar for name in (FROZEN, SHIPPED))
    return [
        f"{dataset}, random split: the head alone reaches {frozen:.1f}, the shipped network "
        f"{whole:.1f}; it is trained on both sets at once and for strangers, with TESS's two "
        "voices weighing a fifth."
    ]
