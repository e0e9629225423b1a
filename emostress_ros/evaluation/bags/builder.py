"""Bags from media: a film with its sound, a wearable's recording, a transcript.

Every source is a stream of records in order of time; they are merged and written once.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import BagError, MediaError
from emostress_ros.evaluation.bags import messages
from emostress_ros.evaluation.bags.beside import Beside, paste
from emostress_ros.evaluation.bags.media import AudioBlock, Media, VideoFrame, open_media
from emostress_ros.evaluation.bags.messages import Record
from emostress_ros.evaluation.bags.transcript import Line, read_transcript
from emostress_ros.evaluation.bags.wearable import WearableBlock, WearableStretch
from emostress_ros.evaluation.bags.writer import BagSummary, check_target, write_bag

EPOCH_NS = 1_735_689_600 * NANOSECONDS
"""Stamp of a clip's first frame, 2025-01-01T00:00:00Z: the same media give the same bag."""
LEAD_S = 60.0
"""Default seconds of a wearable's recording before the clip: one physiology window."""


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
    beside: Beside | None = None,
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
        beside: a second film, pasted beside every picture of the clip; its sound is dropped.
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
    check_target(Path(out), storage, overwrite)
    sources = (clip, audio, wearable, transcript)
    _check(start_s, duration_s, wearable_lead_s, loop_clip, sources)
    film = None if clip is None else open_media(clip)
    if beside is not None and (film is None or film.video_start is None):
        raise BagError("nothing to paste a film beside: give a clip with pictures")
    sound = film if audio is None else _open_sound(audio)
    length_ns = _length_ns(duration_s, film, sound)
    stretch = None
    if wearable is not None:
        limit_s = None if length_ns is None else length_ns / NANOSECONDS
        stretch = WearableStretch(wearable, start_s, limit_s, wearable_lead_s)
        length_ns = length_ns or round(stretch.duration_s * NANOSECONDS)
    lead_s = stretch.lead_s if stretch else 0.0
    pictures = _frames(film, length_ns, loop_clip)
    streams = [
        messages.image_records(paste(pictures, beside), epoch_ns, compressed),
        messages.audio_records(_sound(sound, length_ns, loop_clip), epoch_ns),
        messages.physiology_records(_samples(stretch), epoch_ns, person_id),
        messages.utterance_records(_lines(transcript, length_ns), epoch_ns, person_id),
    ]
    records: Iterator[Record] = heapq.merge(*streams, key=lambda record: record.log_ns)
    if progress:
        records = _with_progress(records, epoch_ns, lead_s, length_ns)
    lead_end_ns = epoch_ns if lead_s else None
    return write_bag(out, records, storage, overwrite=overwrite, lead_end_ns=lead_end_ns)


def _open_sound(path: Path | str) -> Media:
    media = open_media(path)
    if media.audio_start is None:
        raise MediaError(f"{path}: holds no sound")
    return media


def _samples(stretch: WearableStretch | None) -> Iterator[WearableBlock]:
    if stretch is not None:
        yield from stretch.blocks()


def _lines(transcript: Path | str | None, length_ns: int | None) -> Iterator[Line]:
    """What is said before the bag ends."""
    lines = [] if transcript is None else read_transcript(transcript)
    return (x for x in lines if length_ns is None or x.end_s * NANOSECONDS <= length_ns)


def _frames(film: Media | None, length_ns: int | None, loop: bool) -> Iterator[VideoFrame]:
    for media, offset_ns in _rounds(film, length_ns, loop):
        for frame in media.frames():
            if length_ns is not None and offset_ns + frame.offset_ns >= length_ns:
                return
            yield replace(frame, offset_ns=offset_ns + frame.offset_ns)


def _sound(sound: Media | None, length_ns: int | None, loop: bool) -> Iterator[AudioBlock]:
    for media, offset_ns in _rounds(sound, length_ns, loop):
        for block in media.sound():
            begin_ns = offset_ns + block.offset_ns
            if length_ns is not None and begin_ns >= length_ns:
                return
            yield replace(block, offset_ns=begin_ns)


def _rounds(media: Media | None, length_ns: int | None, loop: bool) -> Iterator[tuple[Media, int]]:
    """A medium and when it begins: at 0, and at each of its repetitions."""
    if media is None:
        return
    yield media, 0
    if loop and length_ns is not None:
        for begin_ns in range(media.duration_ns, length_ns, media.duration_ns):
            yield media, begin_ns


def _length_ns(duration_s: float | None, film: Media | None, sound: Media | None) -> int | None:
    if duration_s is not None:
        return round(duration_s * NANOSECONDS)
    first = film or sound
    return first.duration_ns if first else None


def _check(
    start_s: float, duration_s: float | None, lead_s: float, loop: bool, sources: Sequence[object]
) -> None:
    if all(source is None for source in sources):
        raise BagError("nothing to put into a bag: give a clip, audio, a wearable or a transcript")
    for name, value in (("start_s", start_s), ("wearable_lead_s", lead_s)):
        if not 0.0 <= value < float("inf"):
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
    seconds = TextColumn("{task.fields[seconds]:.0f} s")
    columns = (TextColumn("building bag"), BarColumn(), seconds, TimeRemainingColumn())
    total = None if length_ns is None else length_ns + lead_ns
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("", total=total, seconds=0.0)
        for record in records:
            done = record.log_ns - epoch_ns + lead_ns
            bar.update(task, completed=done, seconds=done / NANOSECONDS)
            yield record
