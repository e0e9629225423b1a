"""Times ours and its peers turn by turn and writes benchmarks/results.json; see `make bench`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Before numpy is imported: one thread for every library.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
GROUPS: dict[str, float] = {
    "voice": 24.0, "physiology": 16.0, "face": 40.0, "sync": 24.0, "fusion": 4.0,
    "transport": 30.0, "graph": 150.0,
}  # fmt: skip
"""Module to the seconds that it may take, about."""


def main() -> int:
    """Run the chosen groups; 0 whether or not every row holds, 1 when a group broke down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="group", help=f"of {', '.join(GROUPS)} (all)")
    parser.add_argument("--scale", type=float, default=1.0, help="times the usual duration (1)")
    parser.add_argument("--out", type=Path, default=HERE / "results.json", help="results (JSON)")
    parser.add_argument("--docs", type=Path, default=HERE.parent / "docs" / "performance.md")
    args = parser.parse_args()
    unknown = set(args.groups) - set(GROUPS)
    if unknown:
        parser.error(f"group must be of {', '.join(GROUPS)}; got {', '.join(sorted(unknown))}")
    os.environ.update(dict.fromkeys(THREADS, "1"))
    return _run(args)


def _run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from benchmarks import report

    console = Console(width=None if sys.stdout.isatty() else 160)
    about, rows, broken = report.machine(), [], False
    for group in args.groups or GROUPS:
        began = time.monotonic()
        try:
            rows += importlib.import_module(f"benchmarks.{group}").rows(GROUPS[group] * args.scale)
        except ModuleNotFoundError as error:
            from benchmarks.result import Row

            reason = f"{error.name} is not installed: pip install '.[bench]'"
            rows.append(Row(group, f"all of {group}", skipped=reason))
        except Exception:
            # One peer that breaks down must not cost the others their figures.
            traceback.print_exc()
            broken = True
        console.print(f"[dim]{group}: {time.monotonic() - began:.0f} s[/]")
    report.print_table(rows, about, console)
    args.out.write_text(report.to_json(rows, about), encoding="utf-8")
    if not args.groups and args.docs.is_file():
        report.write_section(args.docs, "benchmarks", report.markdown(rows, about))
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
