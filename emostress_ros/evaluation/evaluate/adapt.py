"""A bag that others made into one of this package's own messages, to be replayed into the graph."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import EmostressError
from emostress_ros.evaluation.bags import messages
from emostress_ros.evaluation.bags.media import AudioBlock
from emostress_ros.evaluation.bags.messages import Record
from emostress_ros.evaluation.bags.reader import BagMessage, bag_info, read_messages
from emostress_ros.evaluation.bags.transcript import Line
from emostress_ros.evaluation.bags.wearable import WearableBlock
from emostress_ros.evaluation.bags.writer import BagSummary, write_bag
from emostress_ros.evaluation.evaluate.routes import NO_REMAP, Remap, Route, routes_of
from emostress_ros.evaluation.evaluate.samples import (
    Physiology,
    Picture,
    Sample,
    SampleReader,
    Sound,
)


@dataclass(frozen=True)
class Adapted:
    """What an adaptation did.

    Attributes:
        bag: the new bag.
        unstamped: topic to messages that were given the time of their recording.
        rejected: topic to messages that could not be used.
    """

    bag: BagSummary
    unstamped: dict[str, int]
    rejected: dict[str, int]


def adapt_bag(
    bag: Path,
    out: Path,
    remap: Remap = NO_REMAP,
    *,
    storage: str = "mcap",
    overwrite: bool = False,
) -> Adapted:
    """Write a bag's sensor messages anew, as this package's own where they are foreign.

    Pictures stay as they are. Everything keeps the time at which it was recorded.

    Args:
        bag: rosbag2 folder, `.mcap` or `.db3`.
        out: folder of the new bag.
        remap: which topic is what.
        storage: `mcap` or `sqlite3`.
        overwrite: replace a bag that is there.

    Raises:
        BagError: the bag cannot be read, holds nothing for a sense, or `out` cannot be written.
        ParameterError: a topic is told to be what its type cannot be.
    """
    routes = routes_of(bag_info(bag).topics, remap)
    readers = {route.topic: SampleReader(route) for route in routes}
    rejected: Counter[str] = Counter()
    records = _records(bag, readers, rejected)
    summary = write_bag(out, records, storage, overwrite=overwrite)
    unstamped = {x: reader.unstamped for x, reader in readers.items() if reader.unstamped}
    return Adapted(summary, unstamped, dict(rejected))


def _records(
    bag: Path, readers: dict[str, SampleReader], rejected: Counter[str]
) -> Iterator[Record]:
    for item in read_messages(bag, sorted(readers)):
        reader = readers[item.topic]
        try:
            sample = reader.read(item)
        except EmostressError:
            rejected[item.topic] += 1
            continue
        record = _record(item, sample, reader.route)
        yield replace(record, log_ns=item.log_ns)


def _record(item: BagMessage, sample: Sample, route: Route) -> Record:
    made: Sequence[Any]
    if isinstance(sample, Picture):
        return messages.restamped(item.message, route.msgtype, sample.stamp_ns)
    if isinstance(sample, Sound):
        made = [AudioBlock(sample.stamp_ns, sample.sample_rate_hz, sample.pcm)]
        return next(messages.audio_records(iter(made), 0))
    if isinstance(sample, Physiology):
        made = [
            WearableBlock(
                sample.stamp_ns, sample.signal, sample.unit, sample.sample_rate_hz,
                sample.values, sample.device_id,
            )
        ]  # fmt: skip
        return next(messages.physiology_records(iter(made), 0, sample.person_id))
    start_s, end_s = sample.start_ns / NANOSECONDS, sample.stamp_ns / NANOSECONDS
    sure = None if math.isnan(sample.confidence) else sample.confidence
    made = [Line(start_s or end_s, end_s, sample.text, sample.person_id, sample.locale, sure)]
    return next(messages.utterance_records(iter(made), 0, sample.person_id))
