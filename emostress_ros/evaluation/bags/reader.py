"""Bags read back: their topics, their raw messages, their messages as objects."""

from __future__ import annotations

import copy
import sqlite3
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.rosbag2 import Reader
from rosbags.rosbag2.errors import ReaderError
from rosbags.serde import SerdeError
from rosbags.typesys import get_types_from_idl, get_types_from_msg
from rosbags.typesys.base import TypesysError
from rosbags.typesys.store import Typestore

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import BagError
from emostress_ros.evaluation.bags.messages import Record
from emostress_ros.evaluation.bags.typestore import foreign_types, typestore
from emostress_ros.evaluation.bags.writer import LEAD_END_KEY
from emostress_ros.resources import PACKAGE

try:  # newer rosbags read SQLite through apsw, older ones through the standard library
    from apsw import Error as ApswError
except ImportError:
    ApswError = sqlite3.Error  # type: ignore[assignment, misc]

# What rosbags lets through when a file is cut off or overwritten.
_DAMAGE = (
    *(ReaderError, ApswError, sqlite3.Error, OSError, AssertionError, struct.error),
    *(ValueError, TypeError, KeyError),
)


@dataclass(frozen=True)
class BagInfo:
    """What a bag holds.

    Attributes:
        path: the bag.
        topics: type by topic.
        counts: messages by topic.
        start_ns: time of the first message.
        end_ns: time of the last.
        lead_in_ns: how much of the beginning is a wearable's lead-in, played without pause.
        outdated: types of this package whose definition has changed since the bag was made.
    """

    path: Path
    topics: dict[str, str]
    counts: dict[str, int]
    start_ns: int
    end_ns: int
    lead_in_ns: int
    outdated: frozenset[str] = frozenset()

    @property
    def duration_s(self) -> float:
        """From the first to the last message."""
        return (self.end_ns - self.start_ns) / NANOSECONDS


@dataclass(frozen=True)
class BagMessage:
    """One message of a bag.

    Attributes:
        topic: absolute name.
        msgtype: its type.
        log_ns: when it was recorded.
        message: an object with the message's fields.
    """

    topic: str
    msgtype: str
    log_ns: int
    message: Any


def bag_info(path: Path | str) -> BagInfo:
    """Look into a bag.

    Args:
        path: a rosbag2 folder, or one of its `.mcap` or `.db3` files.

    Raises:
        BagError: no bag there, or a damaged one.
    """
    with _reading(path) as reader:
        counts: dict[str, int] = {}
        for connection in reader.connections:
            counts[connection.topic] = counts.get(connection.topic, 0) + connection.msgcount
        types = {connection.topic: connection.msgtype for connection in reader.connections}
        custom = getattr(reader.storage.metadata, "custom", None) or {}
        lead_end = str(custom.get(LEAD_END_KEY, "0"))
        if reader.message_count == 0:
            return BagInfo(Path(path), types, counts, 0, 0, 0)
        start_ns, end_ns = reader.start_time, reader.end_time - 1
        lead_in_ns = max(0, int(lead_end) - start_ns) if lead_end.isdigit() else 0
        outdated = frozenset(c.msgtype for c in reader.connections if _outdated(c))
        return BagInfo(Path(path), types, counts, start_ns, end_ns, lead_in_ns, outdated)


def read_records(
    path: Path | str, topics: Sequence[str] | None = None, *, from_ns: int | None = None
) -> Iterator[Record]:
    """Serialised messages of a bag in order of time.

    Args:
        path: the bag.
        topics: absolute names; None: all.
        from_ns: leave out what was recorded before.

    Raises:
        BagError: no bag there, a damaged one, or a topic that it does not hold.
    """
    with _reading(path) as reader:
        connections = _chosen(reader, path, topics)
        if not connections:
            return
        for connection, log_ns, data in reader.messages(connections, start=from_ns):
            yield Record(log_ns, connection.topic, connection.msgtype, data)


def read_messages(path: Path | str, topics: Sequence[str] | None = None) -> Iterator[BagMessage]:
    """Messages of a bag as objects, in order of time.

    Args:
        path: the bag.
        topics: absolute names; None: all.

    Raises:
        BagError: no bag there, a damaged one, a topic that it does not hold, or a type that
            neither this package nor the bag defines.
    """
    with _reading(path) as reader:
        store = _store_for(reader, path)
        chosen = _chosen(reader, path, topics)
        for connection in filter(_outdated, chosen):
            raise BagError(
                f"{path}: {connection.topic} was recorded with another definition of "
                f"{connection.msgtype}; record or build the bag again"
            )
        for connection, log_ns, data in reader.messages(chosen):
            try:
                message = store.deserialize_cdr(data, connection.msgtype)
            except (SerdeError, KeyError) as error:
                raise BagError(
                    f"{path}: cannot decode {connection.msgtype} on {connection.topic}: {error}"
                ) from error
            yield BagMessage(connection.topic, connection.msgtype, log_ns, message)


def stamp_ns(message: Any) -> int | None:
    """Stamp of a message's header in nanoseconds; None where it has no header."""
    header = getattr(message, "header", None)
    if header is None:
        return None
    return int(header.stamp.sec) * NANOSECONDS + int(header.stamp.nanosec)


def record_stamp_ns(record: Record) -> int | None:
    """Stamp of a serialised message's header in nanoseconds; None where it has no header."""
    if record.msgtype not in typestore().fielddefs:
        return None
    fields = typestore().fielddefs[record.msgtype][1]
    if not fields or fields[0][0] != "header":
        return None
    order = "<" if bytes(record.data[1:2]) == b"\x01" else ">"  # second byte of the encapsulation
    sec, nanosec = struct.unpack_from(f"{order}iI", record.data, 4)
    return int(sec) * NANOSECONDS + int(nanosec)


@contextmanager
def _reading(path: Path | str) -> Iterator[Reader]:
    try:
        reader = Reader(Path(path))
        reader.open()
    except FileNotFoundError as error:
        raise BagError(f"{path}: no bag there (a folder with metadata.yaml)") from error
    except _DAMAGE as error:
        raise BagError(f"{path}: not a bag that can be read: {error or 'cut off'}") from error
    try:
        yield reader
    except BagError:
        raise
    except _DAMAGE as error:
        raise BagError(f"{path}: the bag is damaged: {error or type(error).__name__}") from error
    finally:
        reader.close()


def _outdated(connection: Connection) -> bool:
    """Whether the bag's definition of one of this package's types is another than ours."""
    ours = connection.msgtype.startswith(f"{PACKAGE}/")
    if not ours or not connection.digest or connection.msgtype not in typestore().fielddefs:
        return False
    return bool(connection.digest != typestore().hash_rihs01(connection.msgtype))


def _chosen(reader: Reader, path: Path | str, topics: Sequence[str] | None) -> list[Connection]:
    if topics is None:
        return list(reader.connections)
    held = {connection.topic for connection in reader.connections}
    if missing := [topic for topic in topics if topic not in held]:
        raise BagError(f"{path}: holds {', '.join(sorted(held))}; got {', '.join(missing)}")
    return [connection for connection in reader.connections if connection.topic in topics]


def _store_for(reader: Reader, path: Path | str) -> Typestore:
    """The package's types, and those that the bag brings along."""
    unknown = [c for c in reader.connections if c.msgtype not in typestore().fielddefs]
    if not unknown:
        return typestore()
    store = copy.copy(typestore())
    store.types, store.fielddefs = dict(store.types), dict(store.fielddefs)
    store.cache = {}
    parsers: dict[MessageDefinitionFormat, Callable[[str, str], Any]] = {
        MessageDefinitionFormat.MSG: get_types_from_msg,
        MessageDefinitionFormat.IDL: lambda text, _name: get_types_from_idl(text),
    }
    for connection in unknown:
        parse = parsers.get(connection.msgdef.format)
        known = foreign_types(connection.msgtype)
        if parse is None and known is None:
            raise BagError(f"{path}: does not define {connection.msgtype} of {connection.topic}")
        try:
            found = parse(connection.msgdef.data, connection.msgtype) if parse else known
            assert found is not None
            store.register({k: v for k, v in found.items() if k not in store.fielddefs})
        except TypesysError as error:
            raise BagError(f"{path}: cannot read {connection.msgtype}: {error}") from error
    return store
