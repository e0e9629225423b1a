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
_LEVEL = 0.02
_WEIGHT = (
    "a head alone, learned from both sets on the frozen encoder, has a UAR of 96.6 on TESS and "
    "86.9 on RAVDESS at random with TESS at a fifth, of 99.9 and 85.2 with TESS at full weight, "
    "and on unheard voices 68.4 and 76.6 against 69.7 and 75.9 (`emostress train voice --cv --tess "
    "--random --tuning-epochs 0`, with `TESS_IMPORTANCE` at 0.2 and at 1)"
)
_SHORTER = (
    "with 18, 18, 10 and 12 passes `lstm`, `gru`, `cnn2d` and `cnn_bilstm_attention` had a UAR of "
    "59.6, 59.7, 55.9 and 57.0 at random, and of 46.5, 48.2, 42.6 and 45.6 for strangers; `gru` "
    "with 40 had 68.6 and 52.5, so that the two that have no more than 40 may still gain"
)
_FEWER = "from every fourth clip that head had 100.0 too, and 67.4 for the speaker it had not heard"


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
        *([] if quick else _lengths(entries)),
        "Training times were taken beside other work on the same machine: read their order of "
        "magnitude, not more.",
        "An interval over TESS's two speakers says little about other women, nothing about men.",
    ]
    if SHIPPED in {entry.model for entry in entries}:
        told.append(
            f"`{SHIPPED}` learns from every fourth clip of TESS, so that it is judged on every "
            "fourth; all others learn from all clips and are judged on all."
        )
    if quick:
        told.append(
            "A quick study: fewer clips, folds and epochs, and without the shipped network, which "
            "needs start weights and a longer training."
        )
    return tuple(told)


def _lengths(entries: Sequence[Entry]) -> list[str]:
    """How long the networks over frames were trained, and from when they gained no more."""
    level: dict[str, int] = {}
    for entry in entries:
        if entry.dataset == "RAVDESS" and entry.model in ARCHITECTURES and entry.curves:
            level[entry.model] = max(level.get(entry.model, 0), level_from(entry.curves))
    if not level:
        return []
    told = ", ".join(f"`{name}` {epoch} of {ARCHITECTURES[name].epochs}"
                     for name, epoch in level.items())  # fmt: skip
    return [
        f"Passes over RAVDESS after which the UAR stayed within {100 * _LEVEL:.0f} points of the "
        f"last one under both splits: {told}. Over TESS a seventh of the passes, at least three. "
        "The learning rate falls to zero along a half cosine, so that every curve ends level; "
        f"whether a longer training brings more only a longer training tells: {_SHORTER}."
    ]


def level_from(curves: Mapping[str, Sequence[float]]) -> int:
    """Return the judged epoch from which on a curve's UAR stays near its last."""
    last = curves["uar"][-1]
    far = [i for i, value in enumerate(curves["uar"]) if abs(value - last) > _LEVEL]
    return round(curves["epoch"][far[-1] + 1 if far else 0])


def _of_set(dataset: str, entries: Sequence[Entry]) -> list[str]:
    apart = {e.model: e for e in entries if e.person_disjoint}
    random = {e.model: e for e in entries if not e.person_disjoint}
    if not apart or not random:
        return []
    best = max(apart.values(), key=lambda e: e.score.uar)
    gaps = {name: 100 * (random[name].score.uar - apart[name].score.uar)
            for name in apart if name in random}  # fmt: skip
    # Of several that make no error at random, the one that strangers get most of.
    heard = {name: apart[name].score.uar if name in apart else 0.0 for name in random}
    first = max(random.values(), key=lambda e: (round(e.score.uar, 4), heard[e.model]))
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
    alone, whole = random[FROZEN], random[SHIPPED]
    ours, theirs = (100 * entry.score.accuracy for entry in (alone, whole))
    told = (
        f"{dataset}, random split: the frozen encoder with a head learned from this set alone "
        f"reaches an accuracy of {ours:.1f} (n = {alone.score.n:,}, `emostress study voice "
        f"--models {FROZEN}`), the shipped recipe {theirs:.1f} (n = {whole.score.n:,}), which "
        "learns from both sets at once and for strangers, with TESS's two voices weighing a fifth."
    )
    return [told, *([_why_less(alone, whole)] if dataset == "TESS" else [])]


def _why_less(alone: Entry, whole: Entry) -> str:
    """Which figure is TESS's own, and what the shipped recipe gives up for strangers."""
    counts, labels = whole.score.confusion, whole.score.labels
    wrong = counts.sum() - counts.trace()
    happy = labels.index("happy")
    lost = counts[happy].sum() - counts[happy, happy]
    return (
        f"TESS's seven classes at random, asked on all clips, are answered by `{FROZEN}` with "
        f"{100 * alone.score.accuracy:.1f}; {_FEWER}. That the shipped recipe has less is the "
        f"doing of the weight, not of the network: {lost} of its {wrong} errors are clips of "
        f"happiness, and {_WEIGHT}."
    )
