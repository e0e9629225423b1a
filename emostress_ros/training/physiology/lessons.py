"""What the study of physiology teaches, in sentences made of its own figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emostress_ros.training.physiology.architectures import ARCHITECTURES
from emostress_ros.training.study import Entry


def lessons(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Sentences about what was found; those whose entries are missing are left out."""
    return tuple([*_flattery(entries), *_features(entries), *_rest(entries), *_across(entries)])


def _best(entries: Sequence[Entry]) -> Entry | None:
    return max(entries, key=lambda entry: entry.score.uar, default=None)


def _flattery(entries: Sequence[Entry]) -> Iterator[str]:
    """How far the random split flatters."""
    for dataset in dict.fromkeys(entry.dataset for entry in entries):
        own = [entry for entry in entries if entry.dataset == dataset]
        apart = {e.model: e.score.uar for e in own if e.person_disjoint}
        gaps = {
            e.model: e.score.uar - apart[e.model]
            for e in own
            if not e.person_disjoint and e.model in apart
        }
        if gaps:
            most = max(gaps, key=lambda name: gaps[name])
            least = min(gaps, key=lambda name: gaps[name])
            yield (
                f"{dataset}: dealing windows at random flatters the balanced accuracy by "
                f"{100 * gaps[least]:.1f} (`{least}`) to {100 * gaps[most]:.1f} points (`{most}`)."
            )


def _features(entries: Sequence[Entry]) -> Iterator[str]:
    """Features against raw windows."""
    for dataset in dict.fromkeys(entry.dataset for entry in entries):
        own = [e for e in entries if e.dataset == dataset and " to " not in e.split]
        own = [e for e in own if e.person_disjoint]
        raw = {e.split for e in own if ARCHITECTURES[e.model].raw}
        own = [e for e in own if e.split in raw]
        over_features = _best([e for e in own if not ARCHITECTURES[e.model].raw])
        over_raw = _best([e for e in own if ARCHITECTURES[e.model].raw])
        if over_features and over_raw:
            yield (
                f"{dataset}: on people never seen `{over_features.model}` over features reaches "
                f"{100 * over_features.score.uar:.1f}, the best network over raw windows "
                f"(`{over_raw.model}`) {100 * over_raw.score.uar:.1f}."
            )
    if any(ARCHITECTURES[entry.model].raw for entry in entries):
        yield (
            "A raw window alone does not know what is usual for the person, the features against "
            "the past do; and a dozen to two dozen people are few for a network."
        )


def _rest(entries: Sequence[Entry]) -> Iterator[str]:
    """What a measured rest adds."""
    for name in ("WESAD", "Stress-Predict"):
        pairs = []
        for known in (True, False):
            own = [
                e for e in entries
                if e.person_disjoint and e.dataset.startswith(f"{name},")
                and ("of rest" in e.dataset) == known and not ARCHITECTURES[e.model].raw
            ]  # fmt: skip
            pairs.append(_best(own))
        if pairs[0] and pairs[1]:
            yield (
                f"{name}: with 120 s of rest known the best feature model reaches "
                f"{100 * pairs[0].score.uar:.1f}, with nothing known "
                f"{100 * pairs[1].score.uar:.1f} (those of the rest are not judged)."
            )


def _across(entries: Sequence[Entry]) -> Iterator[str]:
    """What is left on the other data set."""
    for split in dict.fromkeys(e.split for e in entries if " to " in e.split):
        best = _best([e for e in entries if e.split == split])
        if best:
            yield (
                f"{split}: the best is `{best.model}` ({best.dataset.split(', ')[-1]}) with "
                f"{100 * best.score.uar:.1f} balanced, AUROC "
                f"{100 * float(best.score.extra['auroc']):.1f}."
            )
