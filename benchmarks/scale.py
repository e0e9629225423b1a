"""What more faces, people and cameras cost: latency, processor time, and what gives way first.

python -m benchmarks.scale --seconds 10
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks import report
from benchmarks.graph import processor_s, running, shares
from benchmarks.programs.people import People
from benchmarks.timing import percentile
from emostress_ros.resources import share_directory


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
INPUTS = (
    ("face_node", "image"), ("voice_node", "audio"), ("physiology_node", "physiology"),
    ("text_node", "utterance"), ("fusion_node", "embeddings/face"),
    ("fusion_node", "embeddings/voice"), ("fusion_node", "embeddings/physiology"),
    ("fusion_node", "embeddings/text"),
)  # fmt: skip
"""Nodes and their inputs, whose oldest messages give way."""


@contextmanager
def parameters(crowd: Crowd) -> Iterator[Path]:
    """Write the shipped parameters with as many faces as there are, in a file that goes again."""
    raw = yaml.safe_load((share_directory() / "config" / "emostress.yaml").read_text("utf-8"))
    own = raw.setdefault("/**/face_node", {}).setdefault("ros__parameters", {})
    own["max_faces"] = max(8, crowd.faces)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scale.yaml"
        path.write_text(yaml.safe_dump(raw), encoding="utf-8")
        yield path


def given_way(people: People) -> dict[str, float]:
    """Return how many messages of each input were replaced by newer ones, or lost, so far."""
    return {
        topic: sum(float(people.reported(node, f"{topic} {kind}") or 0)
                   for kind in ("dropped", "lost"))
        for node, topic in INPUTS
    }  # fmt: skip


def measure(crowd: Crowd, seconds: float) -> str:
    """Return a line of the table."""
    with parameters(crowd) as file, running(composed=True, config_file=file) as graph:
        with People(crowd.faces, crowd.people, crowd.cameras) as them:
            them.wait_for_state(90.0)
            them.run(_WARM_S)
            them.clear()
            gone = given_way(them)
            before, began = processor_s(graph), time.monotonic()
            them.run(seconds)
            took = time.monotonic() - began
            spent = sum(shares(graph, before, took).values())
            ages = them.fresh_ms() or [float("nan")]
            gone = {key: count - gone[key] for key, count in given_way(them).items()}
    images = 100 * gone.pop("image") / (30.0 * crowd.cameras * took)
    lost = [f"images: {images:.0f} %"] if images >= 0.5 else []
    lost += [f"{key}: {count:.0f}" for key, count in gone.items() if count]
    people = {state.person_id for _, state in them.states}
    cells = (
        crowd.faces, crowd.people, crowd.cameras, f"{percentile(ages, 0.5):.0f}",
        f"{percentile(ages, 0.99):.0f}", f"{spent:.0f}", len(people),
        f"{len(them.states) / took / max(1, len(people)):.1f}", ", ".join(lost) or "nothing",
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
        "| Faces | Wearers | Cameras | p50 [ms] | p99 [ms] | CPU [% of a core] | Persons told of | "
        "States/s of each | Gives way |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for crowd in CROWDS:
        lines.append(measure(crowd, args.seconds))
        print(lines[-1], flush=True)
    report.write_section(report.DOCS / "performance.md", "scale", "\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
