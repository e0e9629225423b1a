"""`emostress bag`: make a bag from media, make the sample, look into a bag."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "bag"
HELP = "make a bag from a film, sound, a wearable's recording and a transcript; look into one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `build`, `sample`, `adapt` and `info`."""
    commands = parser.add_subparsers(dest="bag_command", required=True, metavar="COMMAND")
    _add_build(commands.add_parser("build", help="make a bag from media"))
    sample = commands.add_parser("sample", help="make the sample bag of `make demo`")
    sample.add_argument("-o", "--out", type=Path, required=True, help="folder of the new bag")
    sample.add_argument("--duration", type=float, default=25.0, metavar="S", help="seconds (25)")
    _add_common(sample)
    adapt = commands.add_parser("adapt", help="make a bag that others recorded fit to be replayed")
    adapt.add_argument("bag", type=Path, help="folder, .mcap or .db3")
    which = "which topic is what; a file, or 'biosensors' (see docs/evaluation.md)"
    adapt.add_argument("--remap", metavar="YAML", help=which)
    adapt.add_argument("-o", "--out", type=Path, required=True, help="folder of the new bag")
    _add_common(adapt)
    info = commands.add_parser("info", help="list what a bag holds")
    info.add_argument("bag", type=Path, help="folder, .mcap or .db3")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; errors of this package reach the caller."""
    commands = {"build": _build, "sample": _sample, "adapt": _adapt, "info": _info}
    return commands[args.bag_command](args)


def _add_build(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--clip", type=Path, help="video with or without sound, sound file, or photograph")
    add("--audio", type=Path, help="sound that replaces the clip's own")
    beside = "a second person: video or photograph pasted beside the clip in its height, played to "
    beside += "and fro, without its sound"
    add("--beside", type=Path, metavar="FILE", help=beside)
    add("--beside-side", choices=("left", "right"), default="right", help="where (right)")
    add("--beside-length", type=float, default=10.0, metavar="S", help="its first seconds (10)")
    add("--wearable", type=Path, metavar="E4", help="Empatica E4 zip or folder")
    start = "second of the wearable's recording that falls on the clip's first frame (0)"
    add("--start", type=float, default=0.0, metavar="S", help=start)
    lead = "seconds of the wearable before that, played without pause (60)"
    add("--lead-in", type=float, default=60.0, metavar="S", help=lead)
    add("--transcript", type=Path, help=".txt ('0.00 1.20 hello'), .jsonl or .srt")
    add("--duration", type=float, metavar="S", help="seconds after the lead-in (the clip's)")
    add("--loop-clip", action="store_true", help="repeat the clip until --duration")
    add("--person", default="", metavar="ID", help="whom wearable and transcript are about")
    add("--compressed", action="store_true", help="JPEG on image/compressed, not raw on image")
    add("-o", "--out", type=Path, required=True, metavar="BAG", help="folder of the new bag")
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--storage", choices=("mcap", "sqlite3"), default="mcap", help="(mcap)")
    parser.add_argument("--overwrite", action="store_true", help="replace a bag that is there")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _build(args: argparse.Namespace) -> int:
    from emostress_ros.evaluation.bags.beside import Beside
    from emostress_ros.evaluation.bags.builder import build_bag

    beside = None
    if args.beside is not None:
        beside = Beside(args.beside, args.beside_side, args.beside_length)
    build_bag(
        args.out,
        args.clip,
        args.audio,
        args.wearable,
        args.start,
        args.duration,
        args.transcript,
        wearable_lead_s=args.lead_in,
        loop_clip=args.loop_clip,
        storage=args.storage,
        person_id=args.person,
        beside=beside,
        compressed=args.compressed,
        overwrite=args.overwrite,
        progress=not args.quiet,
    )
    return _show(args.out)


def _sample(args: argparse.Namespace) -> int:
    from emostress_ros.evaluation.bags.sample import NOTICE, build_sample

    build_sample(
        args.out,
        duration_s=args.duration,
        storage=args.storage,
        overwrite=args.overwrite,
        progress=not args.quiet,
    )
    print(NOTICE)
    return _show(args.out)


def _adapt(args: argparse.Namespace) -> int:
    from emostress_ros.evaluation.evaluate.adapt import adapt_bag
    from emostress_ros.evaluation.evaluate.routes import NO_REMAP, read_remap

    remap = read_remap(args.remap) if args.remap else NO_REMAP
    done = adapt_bag(args.bag, args.out, remap, storage=args.storage, overwrite=args.overwrite)
    for topic, count in sorted(done.unstamped.items()):
        print(f"{topic}: {count} messages without a stamp bear the time of their recording")
    for topic, count in sorted(done.rejected.items()):
        print(f"{topic}: {count} messages could not be used")
    return _show(args.out)


def _info(args: argparse.Namespace) -> int:
    return _show(args.bag)


def _show(path: Path) -> int:
    from rich.console import Console
    from rich.table import Table

    from emostress_ros.evaluation.bags.reader import bag_info

    info = bag_info(path)
    lead = f", {info.lead_in_ns / 1e9:.1f} s of it lead-in" if info.lead_in_ns else ""
    table = Table(title=f"{path}: {info.duration_s:.2f} s{lead}", title_justify="left")
    table.add_column("topic")
    table.add_column("type")
    table.add_column("messages", justify="right")
    for topic in sorted(info.topics):
        table.add_row(topic, info.topics[topic], str(info.counts[topic]))
    Console().print(table)
    return 0
