"""A bag's messages through the cores of the modality nodes: what each sense said, and when.

No message is dropped and nothing depends on the machine's pace: an embedding is known at the time
at which the message that completed it was recorded.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emostress_ros.affect import Embedding
from emostress_ros.errors import BagError, EmostressError
from emostress_ros.evaluation.bags.reader import BagMessage, bag_info, read_messages, stamp_ns
from emostress_ros.evaluation.evaluate.noise import Corruption
from emostress_ros.evaluation.evaluate.routes import MODALITY_OF, Route, routes_of
from emostress_ros.evaluation.evaluate.samples import (
    Physiology,
    Picture,
    Sample,
    SampleReader,
    Sound,
    Words,
)
from emostress_ros.evaluation.evaluate.settings import Settings, bag_name
from emostress_ros.modalities.face import FacePipeline
from emostress_ros.modalities.physiology import PhysiologyPipeline
from emostress_ros.modalities.text import TextPipeline
from emostress_ros.modalities.voice.frontend import VoicePipeline
from emostress_ros.person.baseline import RestingBaseline

Tick = Callable[[float], None]
"""Told how far a bag has been heard, [0, 1]."""
_TICK_EVERY = 200


@dataclass(frozen=True)
class Heard:
    """One embedding and when it was known.

    Attributes:
        arrival_ns: when the message that completed it was recorded.
        embedding: what the sense said.
    """

    arrival_ns: int
    embedding: Embedding


@dataclass(frozen=True)
class Rest:
    """A person's rest in a bag.

    Attributes:
        person: whose; empty: the one person's.
        start_ns: when it begins, sensor clock.
        duration_s: how long it is.
        kept: what was measured before the bag begins, as the nodes keep it: `physiology` (of
            `RestingBaseline`) and `readings` (of `RestingReadings`); empty: the rest is in the bag.
    """

    person: str
    start_ns: int = 0
    duration_s: float = 0.0
    kept: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Hearing:
    """What the senses made of one bag.

    Attributes:
        heard: sense to its embeddings, in the order of their arrival.
        used: messages by topic that a sense took in.
        rejected: topic to counts by kind of error.
        unstamped: topic to messages that were given the time of their recording.
        seconds: sense to the time that its work took, on this machine.
        baselines: person to the physiology of the rest that was measured.
    """

    heard: dict[str, list[Heard]] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)
    rejected: dict[str, Counter[str]] = field(default_factory=dict)
    unstamped: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)


class FaceSense:
    """The face node's core."""

    def __init__(self, config: Any, rests: Sequence[Rest]) -> None:
        self._pipeline = FacePipeline(config)

    def take(self, sample: Picture) -> list[Embedding]:
        """Look at one picture."""
        faces = self._pipeline.process(sample.rgb(), sample.stamp_ns)
        return [face.embedding for face in faces]


class VoiceSense:
    """The voice node's core."""

    def __init__(self, config: Any, rests: Sequence[Rest]) -> None:
        self._pipeline = VoicePipeline(config)

    def take(self, sample: Sound) -> list[Embedding]:
        """Hear one chunk."""
        said = self._pipeline.process(sample.pcm, sample.sample_rate_hz, sample.stamp_ns)
        return [item.embedding for item in said]


class PhysiologySense:
    """The physiology node's core, told when each person rests."""

    def __init__(self, config: Any, rests: Sequence[Rest]) -> None:
        self._pipeline = PhysiologyPipeline(config)
        self._rests = list(rests)
        self._known: set[str] = set()

    def take(self, sample: Physiology) -> list[Embedding]:
        """Take one chunk of one signal in."""
        if sample.person_id not in self._known:
            self._known.add(sample.person_id)
            self._begin_rest(sample.person_id)
        self._pipeline.add(
            signal=sample.signal,
            unit=sample.unit,
            sample_rate_hz=sample.sample_rate_hz,
            channels=sample.values.shape[1],
            data=sample.values,
            stamp_ns=sample.stamp_ns,
            person_id=sample.person_id,
            device_id=sample.device_id,
        )
        return self._pipeline.step()

    def _begin_rest(self, person: str) -> None:
        own = [x for x in self._rests if x.person == person]
        nameless = self._rests if len(self._rests) == 1 else []
        for rest in (own or nameless)[:1]:
            if "physiology" in rest.kept:
                kept = RestingBaseline.from_dict(rest.kept["physiology"])
                self._pipeline.set_baseline(person, kept)
            elif not rest.kept:
                self._pipeline.start_baseline(person, rest.start_ns, rest.duration_s)

    def baselines(self) -> dict[str, dict[str, Any]]:
        """Return the rests that were measured, by person."""
        found = {person: self._pipeline.baseline(person) for person in self._known}
        return {name: x.to_dict() for name, x in found.items() if x is not None and x.complete}


class TextSense:
    """The text node's core."""

    def __init__(self, config: Any, rests: Sequence[Rest]) -> None:
        self._pipeline = TextPipeline(config)

    def take(self, sample: Words) -> list[Embedding]:
        """Read one utterance."""
        embedding = self._pipeline.process(
            sample.text, sample.stamp_ns, start_ns=sample.start_ns, end_ns=sample.end_ns,
            person_id=sample.person_id, confidence=sample.confidence, locale=sample.locale,
        )  # fmt: skip
        return [] if embedding is None else [embedding]


SENSES: Mapping[str, Callable[[Any, Sequence[Rest]], Any]] = {
    "face": FaceSense, "voice": VoiceSense, "physiology": PhysiologySense, "text": TextSense,
}  # fmt: skip


def routes(bag: Path, settings: Settings) -> list[Route]:
    """Topics of a bag that a configured sense takes in.

    Raises:
        BagError: there is none.
    """
    wanted = settings.config("fusion", bag_name(bag)).modalities
    found = routes_of(bag_info(bag).topics, settings.remap)
    chosen = [route for route in found if MODALITY_OF[route.role] in wanted]
    if not chosen:
        raise BagError(f"{bag}: no topic of the senses {', '.join(wanted)}")
    return chosen


def zero_ns(bag: Path, chosen: Sequence[Route]) -> int:
    """Stamp that labels count from: the first of any sensor, or where the lead-in ends."""
    info = bag_info(bag)
    if info.lead_in_ns:
        return info.start_ns + info.lead_in_ns
    waiting = {route.topic for route in chosen if info.counts.get(route.topic)}
    first = [info.start_ns]
    for item in read_messages(bag, sorted(waiting)):
        if item.topic in waiting:
            first.append(stamp_ns(item.message) or item.log_ns)
            waiting.discard(item.topic)
        if not waiting or item.log_ns - info.start_ns > 5_000_000_000:
            break
    return min(first)


def hear(
    bag: Path,
    chosen: Sequence[Route],
    settings: Settings,
    *,
    rests: Sequence[Rest] = (),
    corruption: Corruption | None = None,
    tick: Tick | None = None,
) -> Hearing:
    """Let the senses take in what a bag holds for them.

    Args:
        bag: the bag.
        chosen: topics to hear.
        settings: of the senses.
        rests: when people rest, for the resting baseline.
        corruption: spoils every sample first.
        tick: told how far the bag has been heard.

    Raises:
        BagError: the bag cannot be read.
        ModelError: a model cannot be used.
    """
    hearing = Hearing()
    readers = {route.topic: SampleReader(route) for route in chosen}
    senses: dict[str, Any] = {}
    for modality in sorted({MODALITY_OF[route.role] for route in chosen}, key=list(SENSES).index):
        senses[modality] = SENSES[modality](settings.config(modality, bag_name(bag)), rests)
        hearing.heard[modality] = []
        hearing.seconds[modality] = 0.0
    for item in _ticking(bag, sorted(readers), tick):
        modality = MODALITY_OF[readers[item.topic].route.role]
        hearing.used[item.topic] += 1
        began = time.perf_counter()
        try:
            sample: Sample = readers[item.topic].read(item)
            spoilt = corruption.apply(sample) if corruption else sample
            said = senses[modality].take(spoilt)
        except EmostressError as error:
            kinds = hearing.rejected.setdefault(item.topic, Counter())
            kinds[f"{type(error).__name__}: {error}"[:160]] += 1
            said = []
        hearing.seconds[modality] += time.perf_counter() - began
        hearing.heard[modality] += [Heard(item.log_ns, embedding) for embedding in said]
    hearing.unstamped = {x: r.unstamped for x, r in readers.items() if r.unstamped}
    if "physiology" in senses:
        hearing.baselines = senses["physiology"].baselines()
    return hearing


def _ticking(bag: Path, topics: list[str], tick: Tick | None) -> Iterator[BagMessage]:
    info = bag_info(bag)
    span_ns = max(1, info.end_ns - info.start_ns)
    for number, item in enumerate(read_messages(bag, topics)):
        if tick is not None and number % _TICK_EVERY == 0:
            tick((item.log_ns - info.start_ns) / span_ns)
        yield item
