"""`emostress report`: write the report of a recorded bag."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "report"
HELP = "write an HTML report of a recorded bag"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the recording and the file."""
    parser.add_argument("bag", type=Path, help="bag recorded by `emostress record`")
    out = Path("report.html")
    parser.add_argument("-o", "--out", type=Path, default=out, metavar="HTML", help=f"({out})")
    parser.add_argument("--title", default="emostress: what the graph saw", help="heading")


def run(args: argparse.Namespace) -> int:
    """Write the report."""
    from emostress_ros.evaluation.report import write_report

    print(write_report(args.bag, args.out, title=args.title))
    return 0
