"""Measure how a person is at rest; afterwards they are read against it.

The person sits still and says nothing of weight; a few neutral sentences help the voice.
Physiology reads its features, the voice its pitch, face and voice their expression against it.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("person", nargs="?", default="", help="who rests (everyone in view)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (60)")
    parser.add_argument("--no-wait", action="store_true", help="do not show the time that is left")


def run(args: argparse.Namespace) -> int:
    """Start the rest and count it down."""
    from rich.console import Console
    from rich.markup import escape

    from emostress_ros.nodes.rest import start_rest

    console = Console()
    answers = start_rest(args.person, args.seconds)
    for name, (started, message) in answers.items():
        mark = "[green]✓[/]" if started else "[red]✗[/]"
        console.print(f"{mark} {name}: {escape(message)}", soft_wrap=True)
    if not any(started for started, _ in answers.values()):
        return 1
    if not args.no_wait:
        _count_down(args.seconds, console)
    return 0


def _count_down(seconds: float, console: object) -> None:
    import time

    from rich.progress import track

    for _ in track(range(round(seconds)), "resting", console=console):  # type: ignore[arg-type]
        time.sleep(1.0)
