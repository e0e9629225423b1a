"""Video and sound files, decoded by PyAV with the true times of both tracks.

A presentation time is `pts * time_base`, an exact fraction of a second. Offsets are counted from
the first frame of whichever track begins first, so that sound and picture stay in the relation
in which they were recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import MediaError

if TYPE_CHECKING:
    import av
    import av.container

CHUNK_MS = 40
"""Length of an audio message: a phone's or sound card's usual period (20 to 50 ms)."""
_RESYNC = Fraction(5, 1000)
"""Sound whose time stamp strays further than this from its sample count is stamped anew:
containers round to 1 ms (Matroska) or 11 µs (MPEG), a real gap is longer."""


@dataclass(frozen=True)
class VideoFrame:
    """A picture.

    Attributes:
        offset_ns: when it is shown, from the start of the file.
        rgb: (H, W, 3) uint8, upright.
    """

    offset_ns: int
    rgb: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class AudioBlock:
    """A run of sound.

    Attributes:
        offset_ns: when its first sample is heard, from the start of the file.
        sample_rate_hz: samples a second.
        pcm: (n, channels) int16.
    """

    offset_ns: int
    sample_rate_hz: int
    pcm: npt.NDArray[np.int16]

    @property
    def duration_ns(self) -> int:
        """Length in nanoseconds."""
        return len(self.pcm) * NANOSECONDS // self.sample_rate_hz


@dataclass(frozen=True)
class Media:
    """What a file holds.

    Attributes:
        path: the file.
        video_start: presentation time of the first frame, seconds; None without pictures.
        audio_start: presentation time of the first sound, seconds; None without sound.
        duration_ns: from the first to the end of the last, over both tracks.
    """

    path: Path
    video_start: Fraction | None
    audio_start: Fraction | None
    duration_ns: int

    @property
    def start(self) -> Fraction:
        """Presentation time that counts as zero."""
        return min(s for s in (self.video_start, self.audio_start) if s is not None)

    def frames(self) -> Iterator[VideoFrame]:
        """Every frame that decodes, in order of presentation; none without pictures."""
        if self.video_start is None:
            return
        with _open(self.path) as container:
            for time, frame in _timed_frames(container):
                rgb = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
                yield VideoFrame(_ns(time - self.start), np.ascontiguousarray(rgb))

    def sound(self, chunk_ms: int = CHUNK_MS) -> Iterator[AudioBlock]:
        """Sound in chunks of `chunk_ms` at the file's own rate; none without sound."""
        if self.audio_start is None:
            return
        with _open(self.path) as container:
            rate, pieces = _pcm(container)
            yield from _chunks(pieces, rate, max(1, rate * chunk_ms // 1000), self.start)


def open_media(path: Path | str) -> Media:
    """Look into a video or sound file.

    Args:
        path: anything FFmpeg decodes: mpg, mp4, mkv, avi, mov, webm, wav, flac, mp3, ogg, jpg ...

    Raises:
        MediaError: no such file, not a medium, or neither pictures nor sound in it.
    """
    path = Path(path)
    if not path.is_file():
        raise MediaError(f"{path}: no such video or sound file")
    with _open(path) as container:
        # FFmpeg plays any text file as a film of a terminal.
        known = container.format.name != "tty"
        if not known or not (container.streams.video or container.streams.audio):
            raise MediaError(f"{path}: holds neither pictures nor sound")
    video = _first(path, "video")
    audio = _first(path, "audio")
    starts = [start for start in (video, audio) if start is not None]
    if not starts:
        raise MediaError(f"{path}: not one frame of picture or sound in it can be decoded")
    return Media(path, video, audio, _ns(_end(path) - min(starts)))


def _first(path: Path, kind: str) -> Fraction | None:
    """Presentation time of the first frame that decodes; None where the track is absent."""
    with _open(path) as container:
        if kind == "video" and container.streams.video:
            return next((time for time, _ in _timed_frames(container)), None)
        if kind == "audio" and container.streams.audio:
            return next((time for time, _ in _pcm(container)[1]), None)
    return None


def _end(path: Path) -> Fraction:
    """When the last frame or sound is over: from the packets, nothing is decoded."""
    end = Fraction(0)
    with _open(path) as container:
        tracks = [*container.streams.video[:1], *container.streams.audio[:1]]
        for packet in container.demux(tracks):
            if packet.pts is None or packet.time_base is None:
                continue
            lasts = Fraction(packet.duration or 0) * packet.time_base
            if not lasts and packet.stream.type == "video":
                lasts = _period(container) or Fraction(1, 25)
            end = max(end, packet.pts * packet.time_base + lasts)
    return end


def _timed_frames(
    container: av.container.InputContainer,
) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """Frames with their presentation times; a frame without one follows at the file's rate."""
    period = _period(container) or Fraction(1, 25)
    following = Fraction(0)
    for frame in container.decode(video=0):
        known = frame.pts is not None and frame.time_base is not None
        time = Fraction(frame.pts) * frame.time_base if known else following
        following = time + period
        yield time, frame


def _period(container: av.container.InputContainer) -> Fraction | None:
    rate = container.streams.video[0].average_rate
    return 1 / Fraction(rate) if rate else None


def _pcm(
    container: av.container.InputContainer,
) -> tuple[int, Iterator[tuple[Fraction, npt.NDArray[np.int16]]]]:
    """Sample rate, and (presentation time, (n, channels) int16) for every decoded frame."""
    from av import AudioResampler

    stream = container.streams.audio[0]
    rate, channels = int(stream.sample_rate or 0), int(stream.channels or 0)
    if rate <= 0 or channels <= 0:
        raise MediaError(
            f"{container.name}: sound needs a rate and channels; got {rate} Hz, {channels} channels"
        )
    resampler = AudioResampler(format="s16", layout=stream.layout, rate=rate)

    def pieces() -> Iterator[tuple[Fraction, npt.NDArray[np.int16]]]:
        following = Fraction(0)
        for frame in container.decode(audio=0):
            known = frame.pts is not None and frame.time_base is not None
            time = Fraction(frame.pts) * frame.time_base if known else following
            for part in resampler.resample(frame):
                pcm = part.to_ndarray().reshape(-1, channels)
                yield time, pcm
                time += Fraction(len(pcm), rate)
            following = time

    return rate, pieces()


def _chunks(
    pieces: Iterator[tuple[Fraction, npt.NDArray[np.int16]]],
    rate: int,
    size: int,
    zero: Fraction,
) -> Iterator[AudioBlock]:
    """Cut sound into blocks of `size` samples, each stamped with its first sample's time."""
    begin: Fraction | None = None  # time of the first sample that is still held
    held: list[npt.NDArray[np.int16]] = []
    for time, pcm in pieces:
        count = sum(map(len, held))
        if begin is None or abs(time - (begin + Fraction(count, rate))) > _RESYNC:
            if held and begin is not None:
                yield AudioBlock(_ns(begin - zero), rate, np.concatenate(held))
                time = max(time, begin + Fraction(count, rate))
            begin, held = time, []
        held.append(pcm)
        samples = np.concatenate(held)
        while len(samples) >= size:
            yield AudioBlock(_ns(begin - zero), rate, samples[:size])
            begin, samples = begin + Fraction(size, rate), samples[size:]
        held = [samples] if len(samples) else []
    if held and begin is not None:
        yield AudioBlock(_ns(begin - zero), rate, np.concatenate(held))


@contextmanager
def _open(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a file; what FFmpeg says about a damaged one becomes a `MediaError`."""
    import av

    try:
        with av.open(str(path), "r") as container:
            yield container
    except av.FFmpegError as error:
        raise MediaError(f"{path}: not a video or sound file that decodes: {error}") from error


def _ns(seconds: Fraction) -> int:
    return round(seconds * NANOSECONDS)
