"""Two people side by side, one of them talking: who is given the voice.

Every talker of a folder of clips is pasted beside every other one, who shows the first moments of a
clip, before the first word, to and fro; on the left and on the right. Faces, voice and fusion are
those of the nodes.
"""

from __future__ import annotations

import argparse
import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from emostress_ros.evaluation.bags.beside import SIDES, Beside, paste
from emostress_ros.evaluation.bags.media import AudioBlock, Media, VideoFrame, open_media
from emostress_ros.fusion import FusionConfig, FusionPipeline
from emostress_ros.modalities.face import FaceConfig, FacePipeline
from emostress_ros.modalities.voice.frontend import VoicePipeline

TALKER, SILENT, NOBODY = "talker", "silent one", "unassigned"
REST_S = 0.3
"""Default seconds of the silent one's clip: a GRID talker has not begun to speak by then."""


def main(argv: Sequence[str] | None = None) -> int:
    """Play every scene of a folder, print whom each voice was given to; return the exit status."""
    from rich.progress import track

    args = _arguments(argv)
    clips = sorted(args.clips.glob("*.mpg"))
    config = replace(FaceConfig(), detect_interval_s=args.detect_interval)
    scenes = [
        (talker, Beside(silent, side, args.rest))
        for talker in clips
        for silent in clips
        for side in SIDES
        if silent != talker
    ]
    total: Counter[str] = Counter()
    for talker, beside in track(scenes, description="scenes", transient=True):
        given = Counter(whose(talker, beside, config))
        total += given
        if given[SILENT] or given[NOBODY]:
            print(f"{talker.stem} beside {beside.path.stem} on the {beside.side}: {dict(given)}")
    print(f"{len(scenes)} scenes, {total.total()} voices: {dict(total)}")
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m emostress_ros.evaluation.score_speaker", description=__doc__
    )
    add = parser.add_argument
    add("clips", type=Path, help="folder of films (.mpg) of one talker each")
    add("--rest", type=float, default=REST_S, metavar="S", help=f"of the silent one ({REST_S})")
    every = FaceConfig().detect_interval_s
    add("--detect-interval", type=float, default=every, metavar="S", help=f"of face_node ({every})")
    return parser.parse_args(argv)


def whose(talker: Path, beside: Beside, config: FaceConfig | None = None) -> list[str]:
    """Return whom each stretch of voice in a scene was given to.

    Args:
        talker: film of one who talks, with sound.
        beside: who is silent, and on which side.
        config: of the faces.

    Returns:
        `TALKER`, `SILENT` or `NOBODY` for every voice, in the order of time.

    Raises:
        MediaError: a film cannot be read.
    """
    faces, voices = FacePipeline(config), VoicePipeline()
    fusion = FusionPipeline(FusionConfig())
    who: dict[str | None, str] = {None: NOBODY}
    heard = []
    for stamp_ns, item in _scene(open_media(talker), beside):
        if isinstance(item, AudioBlock):
            heard += voices.process(item.pcm, item.sample_rate_hz, stamp_ns)
            continue
        for face in faces.process(item.rgb, stamp_ns):
            left = face.box[0] + face.box[2] < item.rgb.shape[1]
            who[face.track_id] = TALKER if left == (beside.side == "right") else SILENT
            fusion.add(face.embedding, stamp_ns)
    heard += voices.flush()
    return [who[fusion.add(window.embedding, window.end_ns)] for window in heard]


def _scene(film: Media, beside: Beside) -> Iterator[tuple[int, VideoFrame | AudioBlock]]:
    streams: list[Iterator[VideoFrame | AudioBlock]] = [paste(film.frames(), beside), film.sound()]
    for item in heapq.merge(*streams, key=lambda item: item.offset_ns):
        yield item.offset_ns, item


if __name__ == "__main__":
    raise SystemExit(main())
