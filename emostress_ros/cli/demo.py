"""Run the graph on a recording: separate processes, a live table, and a report to look at."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import threading
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape

from emostress_ros.cli.graph import Graph, GraphOptions
from emostress_ros.cli.live import LiveTable
from emostress_ros.cli.task import Task
from emostress_ros.errors import GraphError
from emostress_ros.evaluation.bags.builder import build_bag
from emostress_ros.evaluation.bags.media import open_media
from emostress_ros.evaluation.bags.reader import bag_info
from emostress_ros.evaluation.bags.replay_options import ReplayOptions, ReplaySummary
from emostress_ros.evaluation.bags.sample import NOTICE, build_sample
from emostress_ros.evaluation.report import write_report
from emostress_ros.nodes.context import own_context
from emostress_ros.nodes.record import record
from emostress_ros.nodes.replay import replay

_START_S = 60.0  # for a slow machine to bring six processes up
_DEMO_S = 25.0
# Stress is read against what a body did before: five minutes of it, played in ten seconds.
_LEAD_S = 300.0
_LEAD_RATE = 30.0
_REFRESH_S = 0.1
_CONCLUDE_S = 1.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--clip", type=Path, help="video of a person, with or without sound (embedded sample)")
    add("--wearable", type=Path, metavar="E4", help="Empatica E4 zip or folder")
    add("--start", type=float, default=0.0, metavar="S", help="second of the wearable's recording")
    add("--transcript", type=Path, help="what was said: .txt, .jsonl or .srt")
    add("--bag", type=Path, help="replay this bag, made before")
    add("--duration", type=float, metavar="S", help=f"(the clip's; repeated up to {_DEMO_S:g} s)")
    add("--out", type=Path, default=Path("demo-report.html"), help="the report")
    add("--config-file", type=Path, help="parameter file of the nodes")
    add("--composed", action="store_true", help="all nodes in one process")
    add("--keep", type=Path, metavar="FOLDER", help="keep bags and logs of the nodes here")


def run(args: argparse.Namespace) -> int:
    """Build a bag, run the graph on it, and write the report."""
    console = Console()
    # A domain of its own keeps another graph on this machine out of the recording.
    os.environ.setdefault("ROS_DOMAIN_ID", str(random.SystemRandom().randint(1, 101)))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    with tempfile.TemporaryDirectory(prefix="emostress-demo-") as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        bag, notice = _prepare(args, folder, console)
        states, summary = _run_graph(args, bag, folder, console)
        lead_end_ns = bag_info(bag).start_ns + bag_info(bag).lead_in_ns
        write_report(
            states, args.out, notice=notice, published=summary.published, from_ns=lead_end_ns
        )
    console.print()
    sent = ", ".join(f"{count} on {topic}" for topic, count in summary.published.items())
    console.print(f"replayed {sent} in {summary.seconds:.1f} s")
    console.print(f"report: [bold]{escape(str(args.out))}[/]", soft_wrap=True)
    return 0


def _prepare(args: argparse.Namespace, folder: Path, console: Console) -> tuple[Path, str]:
    if args.bag:
        return args.bag, ""
    bag = folder / "input"
    if args.clip is None and args.wearable is None and args.transcript is None:
        console.print(f"[dim]{NOTICE}[/]")
        build_sample(bag, duration_s=args.duration or _DEMO_S, overwrite=True)
        return bag, NOTICE
    duration_s = args.duration or _length_s(args.clip)
    build_bag(
        bag,
        clip=args.clip,
        wearable=args.wearable,
        start_s=args.start,
        transcript=args.transcript,
        duration_s=duration_s,
        wearable_lead_s=_LEAD_S,
        loop_clip=args.clip is not None,
        overwrite=True,
    )
    return bag, ""


def _length_s(clip: Path | None) -> float:
    """Return how long to show a clip: its length, a short one repeated."""
    if clip is None:
        return _DEMO_S
    return max(_DEMO_S, open_media(clip).duration_ns / 1e9)


def _run_graph(
    args: argparse.Namespace, bag: Path, folder: Path, console: Console
) -> tuple[Path, ReplaySummary]:
    options = GraphOptions(config_file=args.config_file, composed=args.composed, use_sim_time=True)
    recorded, stop = folder / "output", threading.Event()
    with Graph(options, log_folder=folder / "log") as graph, own_context() as context:
        table = LiveTable(context, until_ns=bag_info(bag).end_ns)
        recording = Task(lambda: record(recorded, stop=stop, overwrite=True))
        pace = ReplayOptions(wait_s=_START_S, tail_s=_CONCLUDE_S, lead_in_rate=_LEAD_RATE)
        playing = Task(lambda: replay(bag, pace))
        try:
            _watch(graph, table, playing, recording, console)
        finally:
            stop.set()
            table.close()
        summary = playing.result()
        recording.result()
    if table.count == 0:
        raise GraphError(
            "the recording was replayed, but no state came out; run again with --keep FOLDER and "
            "look into FOLDER/log"
        )
    return recorded, summary


def _watch(
    graph: Graph, table: LiveTable, playing: Task[Any], recording: Task[Any], console: Console
) -> None:
    title = "emostress: an aid, never a verdict"
    with Live(table.render(title), console=console, refresh_per_second=8) as live:
        while playing.running and recording.running:
            for event in graph.poll():
                console.print(event, style="yellow", markup=False)
            table.spin(_REFRESH_S)
            live.update(table.render(title))
