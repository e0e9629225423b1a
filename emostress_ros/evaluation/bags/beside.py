"""Two people in one picture: a second film pasted beside the first.

The first film sets the clock. The second plays forward and back again for as long as it is needed,
because a face that jumps at a cut moves its mouth in a way that nobody speaks.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import BagError, MediaError
from emostress_ros.evaluation.bags.media import VideoFrame, open_media

SIDES = ("left", "right")
LENGTH_S = 10.0
"""Default seconds of the second film that are played: its pictures are held in memory."""


@dataclass(frozen=True)
class Beside:
    """Who is pasted beside the clip.

    Attributes:
        path: video or photograph; its sound is not used.
        side: where it is pasted, one of `SIDES`.
        length_s: seconds of it that are played, to and fro; > 0.
    """

    path: Path
    side: str = "right"
    length_s: float = LENGTH_S

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise BagError(f"side must be one of {', '.join(SIDES)}; got '{self.side}'")
        if not 0.0 < self.length_s < float("inf"):
            raise BagError(
                f"length_s of the film beside must be a number of seconds > 0; "
                f"got {self.length_s!r}"
            )


def paste(frames: Iterator[VideoFrame], beside: Beside | None) -> Iterator[VideoFrame]:
    """Paste a second film beside every frame, scaled to the height of the first frame.

    Args:
        frames: of the clip, all of one height.
        beside: the second film; None: the frames stay as they are.

    Raises:
        MediaError: the second film cannot be read, or holds no picture.
    """
    if beside is None:
        yield from frames
        return
    partner: list[VideoFrame] = []
    for frame in frames:
        partner = partner or _partner(beside, frame.rgb.shape[0])
        pair = (frame.rgb, _shown(partner, frame.offset_ns))
        picture = np.concatenate(pair if beside.side == "right" else pair[::-1], axis=1)
        yield replace(frame, rgb=picture)


def _partner(beside: Beside, height: int) -> list[VideoFrame]:
    """Frames of the second film in this height, times counted from its own first picture."""
    found: list[VideoFrame] = []
    first_ns = 0
    for frame in open_media(beside.path).frames():
        first_ns = first_ns if found else frame.offset_ns
        offset_ns = frame.offset_ns - first_ns
        if offset_ns >= beside.length_s * NANOSECONDS:
            break
        found.append(VideoFrame(offset_ns, _scaled(frame.rgb, height)))
    if not found:
        raise MediaError(f"{beside.path}: holds no picture to paste beside the clip")
    return found


def _shown(partner: list[VideoFrame], at_ns: int) -> npt.NDArray[np.uint8]:
    """The picture that a film played to and fro shows at a time."""
    end_ns = partner[-1].offset_ns
    if end_ns == 0:
        return partner[0].rgb
    inside_ns = at_ns % (2 * end_ns)
    inside_ns = min(inside_ns, 2 * end_ns - inside_ns)
    place = bisect.bisect_right(partner, inside_ns, key=lambda frame: frame.offset_ns)
    return partner[place - 1].rgb


def _scaled(rgb: npt.NDArray[np.uint8], height: int) -> npt.NDArray[np.uint8]:
    """(h, w, 3) to (height, in proportion, 3)."""
    import av

    if rgb.shape[0] == height:
        return rgb
    width = max(1, round(rgb.shape[1] * height / rgb.shape[0]))
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    scaled: npt.NDArray[np.uint8] = frame.reformat(width=width, height=height).to_ndarray()
    return scaled
