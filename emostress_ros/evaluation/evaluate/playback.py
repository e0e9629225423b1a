"""Embeddings through the fusion as its node would be given them, on the bag's clock alone."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from emostress_ros.affect import NANOSECONDS
from emostress_ros.evaluation.evaluate.senses import Heard, Rest
from emostress_ros.evaluation.evaluate.states import States, StatesBuilder
from emostress_ros.fusion import FusionConfig, FusionPipeline

_TAIL_NS = NANOSECONDS // 2


@dataclass(frozen=True)
class Played:
    """What the fusion said of some embeddings.

    Attributes:
        states: of everybody.
        owners: whom each embedding was about, in the order in which they were given; None: nobody.
        counts: events by name; see `FusionPipeline`.
        readings: person to the face and voice of the rest that was measured.
    """

    states: States
    owners: list[str | None]
    counts: Counter[str]
    readings: dict[str, dict[str, Any]]


def merge(heard: Mapping[str, Sequence[Heard]]) -> list[Heard]:
    """Embeddings of several senses in the order of their arrival; ties by the order of senses."""
    return list(heapq.merge(*heard.values(), key=lambda item: item.arrival_ns))


def play(
    heard: Iterable[Heard], config: FusionConfig, end_ns: int, rests: Sequence[Rest] = ()
) -> Played:
    """Give embeddings to a fresh fusion and collect its states.

    Between arrivals the fusion is asked as often as its node's timer asks, so that a deadline is
    kept as it is there.

    Args:
        heard: in the order of arrival.
        config: of the fusion.
        end_ns: when the bag ends.
        rests: when people rest, for what the fusion reads against a rest (face and voice).
    """
    pipeline = FusionPipeline(config)
    builder = StatesBuilder(config.modalities)
    owners: list[str | None] = []
    tick_ns = _tick_ns(config)
    next_ns = 0
    waiting = sorted(rests, key=lambda rest: rest.start_ns)

    def ask(now_ns: int) -> None:
        while waiting and waiting[0].start_ns <= now_ns and pipeline.people:
            _begin_rest(pipeline, waiting.pop(0))
        for affect in pipeline.advance(now_ns):
            builder.add(now_ns, affect)

    for item in heard:
        while next_ns <= item.arrival_ns:
            if not pipeline.people:  # nobody to speak of: nothing is due before the next arrival
                next_ns = item.arrival_ns - item.arrival_ns % tick_ns + tick_ns
                break
            ask(next_ns)
            next_ns += tick_ns
        owners.append(pipeline.add(item.embedding, item.arrival_ns))
        ask(item.arrival_ns)
    while pipeline.people and next_ns <= end_ns + _TAIL_NS:
        ask(next_ns)
        next_ns += tick_ns
    resting = pipeline.resting
    rested = [person for person in pipeline.people if resting.complete(person)]
    readings = {person: resting.to_dict(person) for person in rested}
    return Played(builder.build(), owners, Counter(pipeline.counts), readings)


def _begin_rest(pipeline: FusionPipeline, rest: Rest) -> None:
    people = [rest.person] if rest.person in pipeline.people else pipeline.people
    for person in people:
        if rest.kept:
            pipeline.resting.restore(person, rest.kept.get("readings", {}))
        else:
            pipeline.start_baseline(person, rest.duration_s)


def owned(heard: Sequence[Heard], owners: Sequence[str | None], default: str) -> list[Heard]:
    """Embeddings that carry whom they were found to be about; without those about nobody.

    Who is who is settled once, with every sense: a subset of the senses is then asked what it
    knows of that person, not whether it can tell people apart. What was said of the default person
    before the only other one came into view is that one's.
    """
    named = sorted({owner for owner in owners if owner not in (None, default)})
    heir = named[0] if len(named) == 1 else default
    result = []
    for item, owner in zip(heard, owners, strict=True):
        if owner is not None:
            person = heir if owner == default else owner
            # A source that is configured to be somebody must not overrule what was found.
            embedding = replace(item.embedding, person_id=person, source_id=f"@{person}")
            result.append(replace(item, embedding=embedding))
    return result


def only(heard: Sequence[Heard], modalities: Sequence[str]) -> list[Heard]:
    """Embeddings of some of the senses."""
    return [item for item in heard if item.embedding.modality in modalities]


def shifted(heard: Sequence[Heard], modality: str, offset_ms: int) -> list[Heard]:
    """Embeddings with one sense's clock set off: above 0 it comes, and is stamped, too late."""
    offset_ns = offset_ms * 1_000_000

    def shift(item: Heard) -> Heard:
        if item.embedding.modality != modality:
            return item
        stamp_ns = max(0, item.embedding.stamp_ns + offset_ns)
        embedding = replace(item.embedding, stamp_ns=stamp_ns)
        return Heard(max(0, item.arrival_ns + offset_ns), embedding)

    return sorted(map(shift, heard), key=lambda item: item.arrival_ns)


def _tick_ns(config: FusionConfig) -> int:
    """Period of the fusion node's timer."""
    return round(NANOSECONDS * max(0.01, min(0.2 / config.rate_hz, 0.05)))
