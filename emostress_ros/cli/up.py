"""Start the graph of nodes: what `ros2 launch emostress_ros emostress.launch.py` does, with pip."""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path

from rich.console import Console

from emostress_ros.cli.graph import Graph, GraphOptions
from emostress_ros.nodes.names import LOG_LEVELS, MODALITY_NODES

_POLL_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: those of the launch file."""
    everything = ",".join(MODALITY_NODES)
    parser.add_argument("--namespace", default="", help="of every node")
    parser.add_argument("--config-file", type=Path, help="parameter file (shipped one)")
    parser.add_argument("--modalities", default=everything, help=f"senses to start ({everything})")
    parser.add_argument("--use-sim-time", action="store_true", help="follow /clock")
    parser.add_argument("--composed", action="store_true", help="all nodes in one process")
    parser.add_argument("--no-autostart", action="store_true", help="wait for transitions")
    parser.add_argument("--no-respawn", action="store_true", help="end when a node ends")
    parser.add_argument("--lossless", action="store_true", help="for `replay --rate max`")
    parser.add_argument(
        "--log-level", choices=LOG_LEVELS, default="info", help="of every node (info)"
    )


def options_of(args: argparse.Namespace) -> GraphOptions:
    """Return the parsed arguments as graph options."""
    return GraphOptions(
        namespace=args.namespace,
        config_file=args.config_file,
        modalities=tuple(name.strip() for name in args.modalities.split(",") if name.strip()),
        use_sim_time=args.use_sim_time,
        composed=args.composed,
        autostart=not args.no_autostart,
        log_level=args.log_level,
        respawn=not args.no_respawn,
        parameters={"lossless": "true"} if args.lossless else {},
    )


def run(args: argparse.Namespace) -> int:
    """Start the graph and watch it until it is interrupted."""
    console = Console(stderr=True)
    # A service manager and a container end by SIGTERM, which alone would leave the nodes behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Graph(options_of(args)) as graph:
        console.print(f"started {', '.join(graph.pids)}; Ctrl-C ends them")
        try:
            while True:
                for event in graph.poll():
                    console.print(event, style="yellow", markup=False)
                time.sleep(_POLL_S)
        except KeyboardInterrupt:
            return 0
