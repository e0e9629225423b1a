"""`emostress record`: write live topics into a bag."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

NAME = "record"
HELP = "write states, embeddings, cues and diagnostics into a bag"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a recording."""
    add = parser.add_argument
    add("-o", "--out", type=Path, required=True, metavar="BAG", help="folder of the new bag")
    topics = "names, with * and ? (affect embeddings/* behaviour /diagnostics)"
    add("--topics", nargs="+", metavar="TOPIC", help=topics)
    add("--raw", action="store_true", help="also what sensors saw and heard of a person")
    add("--duration", type=float, metavar="S", help="seconds (until Ctrl-C)")
    add("--namespace", default="", metavar="NS", help="where relative names live")
    add("--storage", choices=("mcap", "sqlite3"), default="mcap", help="(mcap)")
    add("--overwrite", action="store_true", help="replace a bag that is there")


def run(args: argparse.Namespace) -> int:
    """Record until Ctrl-C, SIGTERM or the duration; the bag is whole in each case."""
    from emostress_ros.nodes.record import record

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    summary = record(
        args.out,
        args.topics,
        args.duration,
        args.storage,
        raw=args.raw,
        namespace=args.namespace,
        overwrite=args.overwrite,
        stop=stop,
    )
    for topic, count in sorted(summary.counts.items()):
        print(f"{count:8d}  {topic}")
    return 0
