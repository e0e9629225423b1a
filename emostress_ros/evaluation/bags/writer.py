"""Writes records into a rosbag2, all of them or none.

The bag comes into being beside its place and moves there when it is whole: nobody finds half a bag.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.errors import WriterError

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import BagError
from emostress_ros.evaluation.bags.messages import Record
from emostress_ros.evaluation.bags.typestore import typestore

LEAD_END_KEY = "emostress_lead_end_ns"
"""Custom data of a bag: when its lead-in, the wearable alone, is over and the clip begins."""
STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
_FOREVER = QosTime(9223372036, 854775807)
_RELIABLE = Qos(
    QosHistory.KEEP_LAST, 50, QosReliability.RELIABLE, QosDurability.VOLATILE, _FOREVER, _FOREVER,
    QosLiveliness.AUTOMATIC, _FOREVER, False,
)  # fmt: skip


@dataclass(frozen=True)
class BagSummary:
    """What was written.

    Attributes:
        path: the bag.
        counts: messages by topic.
        start_ns: stamp of the first message.
        end_ns: stamp of the last.
        lead_in_s: seconds of the wearable alone before the clip begins.
    """

    path: Path
    counts: dict[str, int]
    start_ns: int
    end_ns: int
    lead_in_s: float

    @property
    def duration_s(self) -> float:
        """From the first to the last message."""
        return (self.end_ns - self.start_ns) / NANOSECONDS


def write_bag(
    out: Path | str,
    records: Iterable[Record],
    storage: str = "mcap",
    *,
    overwrite: bool = False,
    lead_end_ns: int | None = None,
) -> BagSummary:
    """Write records into a new bag, all of them or none.

    Args:
        out: folder of the new bag.
        records: in order of `log_ns`.
        storage: `mcap` or `sqlite3`.
        overwrite: replace a bag that is there.
        lead_end_ns: when a lead-in is over; noted in the bag's custom data.

    Raises:
        BagError: there is no record, `out` exists, or it cannot be written.
    """
    out = Path(out).absolute()
    check_target(out, storage, overwrite)
    with _workshop(out) as workshop:
        draft = workshop / out.name  # rosbags names the files after the folder
        try:
            writer = Writer(draft, version=8, storage_plugin=STORAGES[storage])
            if lead_end_ns is not None:
                writer.set_custom_data(LEAD_END_KEY, str(lead_end_ns))
            with writer:
                counts, start_ns, end_ns = _write(writer, records)
                if not counts:
                    raise BagError(f"{out}: not one message came of the sources")
        except (WriterError, OSError) as error:
            raise BagError(f"{out}: cannot write the bag: {error}") from error
        if out.exists():
            shutil.rmtree(out)
        os.replace(draft, out)
    lead_in_s = max(0, (lead_end_ns or start_ns) - start_ns) / NANOSECONDS
    return BagSummary(out, counts, start_ns, end_ns, lead_in_s)


def _write(writer: Writer, records: Iterable[Record]) -> tuple[dict[str, int], int, int]:
    """Write; returns counts by topic and the first and last time."""
    connections: dict[str, Connection] = {}
    counts: dict[str, int] = {}
    start_ns = end_ns = 0
    for record in records:
        if record.topic not in connections:
            connections[record.topic] = writer.add_connection(
                record.topic,
                record.msgtype,
                typestore=typestore(),
                offered_qos_profiles=[_RELIABLE],
            )
        writer.write(connections[record.topic], record.log_ns, record.data)
        start_ns = record.log_ns if not counts else start_ns
        counts[record.topic] = counts.get(record.topic, 0) + 1
        end_ns = max(end_ns, record.log_ns)
    return counts, start_ns, end_ns


@contextlib.contextmanager
def _workshop(out: Path) -> Iterator[Path]:
    """A folder beside the bag's place, on the same file system, gone afterwards."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".bag-", dir=out.parent) as folder:
            yield Path(folder)
    except PermissionError as error:
        raise BagError(f"{out}: cannot write there: {error.strerror}") from error


def check_target(out: Path, storage: str, overwrite: bool) -> None:
    """Check where a bag is to be written, before any work is done.

    Raises:
        BagError: an unknown storage, or `out` exists and may not be replaced.
    """
    if storage not in STORAGES:
        raise BagError(f"storage must be one of {', '.join(STORAGES)}; got '{storage}'")
    if out.exists() and not overwrite:
        raise BagError(f"{out}: exists already; choose another name or allow overwriting")
    if out.exists() and not (out / "metadata.yaml").is_file():
        raise BagError(f"{out}: exists and is no bag; it is not replaced")
