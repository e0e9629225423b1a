"""Bags from media: a film with its sound, a wearable's recording, a transcript.

Every source is a stream of records in order of time; they are merged and written once. The bag
comes into being beside its place and moves there when it is whole: nobody finds half a bag.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
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
from emostress_ros.errors import BagError, MediaError
from emostress_ros.evaluation.bags import messages
from emostress_ros.evaluation.bags.media import AudioBlock, Media, VideoFrame, open_media
from emostress_ros.evaluation.bags.messages import Record
from emostress_ros.evaluation.bags.transcript import read_transcript
from emostress_ros.evaluation.bags.typestore import typestore
from emostress_ros.evaluation.bags.wearable import WearableStretch

EPOCH_NS = 1_735_689_600 * NANOSECONDS
"""Stamp of a clip's first frame, 2025-01-01T00:00:00Z: the same media give the same bag."""
LEAD_S = 60.0
"""Default seconds of a wearable's recording before the clip: one physiology window."""
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


def build_bag(
    out: Path | str,
    clip: Path | str | None = None,
    audio: Path | str | None = None,
    wearable: Path | str | None = None,
    start_s: float = 0.0,
    duration_s: float | None = None,
    transcript: Path | str | None = None,
    *,
    wearable_lead_s: float = LEAD_S,
    loop_clip: bool = False,
    storage: str = "mcap",
    person_id: str = "",
    compressed: bool = False,
    epoch_ns: int = EPOCH_NS,
    overwrite: bool = False,
    progress: bool = False,
) -> BagSummary:
    """Make a rosbag2 from media.

    Args:
        out: folder of the new bag.
        clip: video (with or without sound), sound file or photograph.
        audio: sound that replaces the clip's own.
        wearable: Empatica E4 zip or folder.
        start_s: second of the wearable's recording that falls on the clip's first frame.
        duration_s: length of the bag after its lead-in; None: the clip's, or the sound's, or the
            rest of the wearable's recording.
        transcript: `.txt`, `.jsonl` or `.srt`, times from the clip's first frame.
        wearable_lead_s: seconds of the wearable before the clip, so that the first state already
            rests on a full window; less where the recording begins later.
        loop_clip: repeat the clip (and `audio`) until `duration_s`.
        storage: `mcap` or `sqlite3`.
        person_id: whom wearable and transcript are about; empty: not known.
        compressed: JPEG on `image/compressed` in place of raw RGB on `image`.
        epoch_ns: stamp of the clip's first frame.
        overwrite: replace a bag that is there.
        progress: show a bar.

    Returns:
        What was written.

    Raises:
        BagError: nothing to put in, `out` exists, an unknown storage, or a value out of range.
        MediaError: a source cannot be read.
        DatasetError: the wearable's recording cannot be read.
    """
    out = Path(out)
    _check(out, storage, overwrite, start_s, duration_s, wearable_lead_s, loop_clip)
    if clip is None and audio is None and wearable is None and transcript is None:
        raise BagError("nothing to put into a bag: give a clip, audio, a wearable or a transcript")
    film = None if clip is None else open_media(clip)
    sound = film if audio is None else open_media(audio)
    if audio is not None and sound is not None and sound.audio_start is None:
        raise MediaError(f"{audio}: holds no sound")
    length_ns = _length_ns(duration_s, film, sound)
    streams: list[Iterator[Record]] = []
    lead_s = 0.0
    if film is not None:
        frames = _looped_frames(film, length_ns, loop_clip)
        streams.append(messages.image_records(frames, epoch_ns, compressed))
    if sound is not None:
        blocks = _looped_sound(sound, length_ns, loop_clip)
        streams.append(messages.audio_records(blocks, epoch_ns))
    if wearable is not None:
        limit_s = None if length_ns is None else length_ns / NANOSECONDS
        stretch = WearableStretch(wearable, start_s, limit_s, wearable_lead_s)
        lead_s = stretch.lead_s
        length_ns = length_ns or round(stretch.duration_s * NANOSECONDS)
        streams.append(messages.physiology_records(stretch.blocks(), epoch_ns, person_id))
    if transcript is not None:
        lines = read_transcript(transcript)
        kept = [x for x in lines if length_ns is None or x.end_s * NANOSECONDS <= length_ns]
        streams.append(messages.utterance_records(iter(kept), epoch_ns, person_id))
    records: Iterator[Record] = heapq.merge(*streams, key=lambda record: record.log_ns)
    if progress:
        records = _with_progress(records, epoch_ns, lead_s, length_ns)
    return write_bag(
        out, records, storage, overwrite=overwrite, lead_end_ns=epoch_ns if lead_s else None
    )


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
    _check(out, storage, overwrite)
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


def _looped_frames(film: Media, length_ns: int | None, loop: bool) -> Iterator[VideoFrame]:
    for offset_ns in _starts(film, length_ns, loop):
        for frame in film.frames():
            if length_ns is not None and offset_ns + frame.offset_ns >= length_ns:
                return
            yield replace(frame, offset_ns=offset_ns + frame.offset_ns)


def _looped_sound(sound: Media, length_ns: int | None, loop: bool) -> Iterator[AudioBlock]:
    for offset_ns in _starts(sound, length_ns, loop):
        for block in sound.sound():
            begin_ns = offset_ns + block.offset_ns
            if length_ns is not None and begin_ns >= length_ns:
                return
            yield replace(block, offset_ns=begin_ns)


def _starts(media: Media, length_ns: int | None, loop: bool) -> Iterator[int]:
    """Offsets at which a medium begins: 0, and each of its repetitions."""
    yield 0
    if loop and length_ns is not None:
        yield from range(media.duration_ns, length_ns, media.duration_ns)


def _length_ns(duration_s: float | None, film: Media | None, sound: Media | None) -> int | None:
    if duration_s is not None:
        return round(duration_s * NANOSECONDS)
    first = film or sound
    return None if first is None else first.duration_ns


def _check(
    out: Path,
    storage: str,
    overwrite: bool,
    start_s: float = 0.0,
    duration_s: float | None = None,
    lead_s: float = 0.0,
    loop: bool = False,
) -> None:
    if storage not in STORAGES:
        raise BagError(f"storage must be one of {', '.join(STORAGES)}; got '{storage}'")
    if out.exists() and not overwrite:
        raise BagError(f"{out}: exists already; choose another name or allow overwriting")
    if out.exists() and not (out / "metadata.yaml").is_file():
        raise BagError(f"{out}: exists and is no bag; it is not replaced")
    for name, value, low in (("start_s", start_s, 0.0), ("wearable_lead_s", lead_s, 0.0)):
        if not low <= value < float("inf"):
            raise BagError(f"{name} must be a number of seconds >= 0; got {value!r}")
    if duration_s is not None and not 0.0 < duration_s < float("inf"):
        raise BagError(f"duration_s must be a number of seconds > 0; got {duration_s!r}")
    if loop and duration_s is None:
        raise BagError("a clip that repeats needs a duration; give duration_s")


def _with_progress(
    records: Iterator[Record], epoch_ns: int, lead_s: float, length_ns: int | None
) -> Iterator[Record]:
    """Show how far the bag has come, in its own seconds."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    lead_ns = round(lead_s * NANOSECONDS)
    columns = (TextColumn("building bag"), BarColumn(), TextColumn("{task.fields[seconds]:.0f} s"),
               TimeRemainingColumn())  # fmt: skip
    total = None if length_ns is None else length_ns + lead_ns
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("", total=total, seconds=0.0)
        for record in records:
            done = record.log_ns - epoch_ns + lead_ns
            bar.update(task, completed=done, seconds=done / NANOSECONDS)
            yield record
