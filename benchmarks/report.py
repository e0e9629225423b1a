"""The results as JSON, as a table on the terminal, and as a section of docs/performance.md."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.result import Row

PEERS = (
    "numpy", "scipy", "onnxruntime", "ros-jazzy-rclpy", "librosa", "opensmile", "neurokit2", "fer",
    "tensorflow", "tensorflow-cpu", "opencv-python-headless", "opencv-contrib-python",
)  # fmt: skip
DOCS = Path(__file__).resolve().parents[1] / "docs"
COLUMNS = ("What", "Peer, same run", "Ours [ms]", "Peer [ms]", "Holds", "Measured (asked for)")
BEGIN, END = "<!-- generated: {} -->\n", "<!-- end: {} -->"


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: version for name in PEERS if (version := _version(name))},
    }


def to_json(rows: Sequence[Row], about: dict[str, Any]) -> str:
    """Return the results file."""
    content = {"machine": about, "rows": [row.to_json() for row in rows]}
    return json.dumps(content, indent=1, ensure_ascii=False, default=float) + "\n"


def print_table(rows: Sequence[Row], about: dict[str, Any], console: Console) -> None:
    """Print every row, those that do not hold in red."""
    table = Table(*COLUMNS, title=_title(about), show_lines=True)
    for row in rows:
        verdict = "skipped" if row.skipped else "yes" if row.holds else "NO"
        colour = {"yes": "green", "NO": "bold red", "skipped": "yellow"}[verdict]
        cells = [escape(cell) for cell in _cells(row)]
        cells[4] = f"[{colour}]{verdict}[/]"
        table.add_row(*cells)
    console.print(table)
    held = sum(row.holds for row in rows)
    console.print(f"{held} of {len(rows)} rows hold; times are min / median / max of the rounds")


def markdown(rows: Sequence[Row], about: dict[str, Any]) -> str:
    """Return the table for the documentation."""
    lines = [f"{_title(about)}. Times are min / median / max of the rounds.", ""]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    lines += ["", "What was measured:", ""]
    seen = dict.fromkeys(f"{row.name}: {row.note}." for row in rows if row.note)
    return "\n".join([*lines, *(f"- {note}" for note in seen)]) + "\n"


def write_section(file: Path, name: str, text: str) -> None:
    """Replace a generated section of a document; nothing where it has none."""
    begin, end = BEGIN.format(name), END.format(name)
    document = file.read_text(encoding="utf-8")
    if begin not in document:
        return
    head, _, rest = document.partition(begin)
    _, _, tail = rest.partition(end)
    file.write_text(f"{head}{begin}{text}{end}{tail}", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    verdict = "–" if row.skipped else "yes" if row.holds else "**no**"
    said = row.skipped or "; ".join(str(check) for check in row.checks)
    return (row.name, row.peer or "–", _times(row.ours_ms), _times(row.peer_ms), verdict, said)


def _times(values: Any) -> str:
    if not values:
        return "–"
    return " / ".join(f"{values[key]:.3g}" for key in ("min_ms", "median_ms", "max_ms"))


def _title(about: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return (
        f"{about['date']}, {about['cpu']}, {about['cores']} cores, load {about['load before']} "
        f"before, Python {about['python']}; {versions}"
    )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown CPU"
