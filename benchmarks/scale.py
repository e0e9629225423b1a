"""What more faces, people and cameras cost: latency, processor time, and what gives way first.

python -m benchmarks.scale --seconds 10
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

from benchmarks import report
from benchmarks.graph import processor_s, running, shares
from benchmarks.programs.people import People
from benchmarks.timing import percentile


@dataclass(frozen=True)
class Crowd:
    """One line of the table."""

    faces: int = 1
    people: int = 1
    cameras: int = 1


CROWDS = (
    Crowd(), Crowd(faces=4), Crowd(faces=16), Crowd(people=4), Crowd(people=8), Crowd(cameras=2),
)  # fmt: skip
_WARM_S = 5.0


def measure(crowd: Crowd, seconds: float) -> str:
    """Return a line of the table."""
    with running(composed=True) as graph, People(crowd.faces, crowd.people, crowd.cameras) as them:
        them.wait_for_state(90.0)
        them.run(_WARM_S)
        them.clear()
        dropped = float(them.reported("face_node", "image dropped") or 0)
        before, began = processor_s(graph), time.monotonic()
        them.run(seconds)
        took = time.monotonic() - began
        spent = sum(shares(graph, before, took).values())
        ages = them.fresh_ms() or [float("nan")]
        late = float(them.reported("face_node", "image dropped") or 0) - dropped
        share = 100 * late / (30.0 * crowd.cameras * took)
    cells = (
        crowd.faces, crowd.people, crowd.cameras, f"{percentile(ages, 0.5):.0f}",
        f"{percentile(ages, 0.99):.0f}", f"{spent:.0f}", f"{len(them.states) / took:.0f}",
        f"images: {share:.0f} % dropped" if late else "nothing",
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> int:
    """Measure each crowd and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    about = report.machine()
    lines = [
        f"{about['date']}, {about['cpu']}, {about['cores']} cores, load {about['load before']}; "
        "composed, cameras at 30 Hz.",
        "",
        "| Faces | People | Cameras | p50 [ms] | p99 [ms] | CPU [% of a core] | States/s | Gives way |",  # noqa: E501
        "|---|---|---|---|---|---|---|---|",
    ]
    for crowd in CROWDS:
        lines.append(measure(crowd, args.seconds))
        print(lines[-1], flush=True)
    report.write_section(report.DOCS / "performance.md", "scale", "\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
