"""`emostress replay`: publish a bag as if its sensors were live."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "replay"
HELP = "publish a bag's topics with the bag's clock"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a replay."""
    add = parser.add_argument
    add("bag", type=Path, help="rosbag2 folder, .mcap or .db3")
    rate = "bag seconds a second, or 'max': as fast as the graph can follow, losing nothing (1)"
    add("--rate", type=_rate, default=1.0, metavar="R", help=rate)
    lead = "pace of a wearable's lead-in before the clip, or 'max' (10)"
    add("--lead-in-rate", type=_rate, default=None, metavar="R", help=lead)
    add("--loop", action="store_true", help="begin again at the end, until Ctrl-C")
    add("--topics", nargs="+", metavar="TOPIC", help="topics of the bag (all)")
    add("--start-offset", type=float, default=0.0, metavar="S", help="skip the beginning (0)")
    add("--namespace", default="", metavar="NS", help="put before every topic")
    remap = "publish a topic of the bag under another name; may be repeated"
    add("--remap", action="append", default=[], metavar="OLD:=NEW", type=_remap, help=remap)
    add("--no-wait", action="store_true", help="do not wait for subscribers")
    add("--wait", type=float, default=15.0, metavar="S", help="longest wait for them (15)")
    add("--clock-hz", type=float, default=100.0, metavar="HZ", help="/clock; 0: none (100)")
    flight = "with max: messages of a topic that may wait for a node (8)"
    add("--in-flight", type=int, default=8, metavar="N", help=flight)
    add("--best-effort", action="store_true", help="publish pictures best effort")


def run(args: argparse.Namespace) -> int:
    """Replay; 0 when the bag was played to its end, 130 when interrupted."""
    from emostress_ros.evaluation.bags.replay_options import LEAD_IN_RATE, ReplayOptions
    from emostress_ros.nodes.replay import replay

    options = ReplayOptions(
        rate=args.rate,
        loop=args.loop,
        topics=args.topics,
        wait_s=0.0 if args.no_wait else args.wait,
        clock_hz=args.clock_hz,
        namespace=args.namespace,
        remaps=dict(args.remap),
        start_offset_s=args.start_offset,
        lead_in_rate=LEAD_IN_RATE if args.lead_in_rate is None else args.lead_in_rate,
        in_flight=args.in_flight,
        best_effort_image=args.best_effort,
    )
    summary = replay(args.bag, options)
    _show(summary.published, summary.skipped, summary.seconds)
    return 0 if summary.finished else 130


def _show(published: dict[str, int], skipped: dict[str, str], seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"replayed in {seconds:.1f} s", title_justify="left")
    table.add_column("topic")
    table.add_column("messages", justify="right")
    for topic, count in sorted(published.items()):
        table.add_row(topic, str(count))
    for topic, reason in sorted(skipped.items()):
        table.add_row(topic, f"skipped: {reason}")
    Console().print(table)


def _rate(text: str) -> float | str:
    if text == "max":
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"need a number or 'max'; got '{text}'") from None


def _remap(text: str) -> tuple[str, str]:
    old, arrow, new = text.partition(":=")
    if not (old and arrow and new):
        raise argparse.ArgumentTypeError(f"need OLD:=NEW; got '{text}'")
    return old if old.startswith("/") else f"/{old}", new
