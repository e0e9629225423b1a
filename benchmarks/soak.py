"""Runs the graph above its capacity for a while: memory must stay flat, the oldest work give way.

    python -m benchmarks.soak --minutes 30

Two cameras with 16 faces at 60 Hz are more than any CPU follows; `image dropped` and `lost` say
what gave way.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks import report
from benchmarks.graph import running
from benchmarks.programs.people import People
from benchmarks.timing import percentile

_EVERY_S = 5.0
_WARM_SHARE = 0.4  # buffers, caches and five minutes of a wearable's past fill first
_MOST_GROWTH_MB_H = 60.0
DOCS = report.DOCS


def soak(minutes: float) -> dict:
    """Return what was sampled, and the verdict."""
    samples: list[dict[str, float]] = []
    about = report.machine()
    with running(composed=True) as graph, People(16, cameras=2, rate_hz=60.0) as people:
        people.wait_for_state(90.0)
        process = psutil.Process(graph.pids["composed"])
        began = time.monotonic()
        while time.monotonic() - began < 60.0 * minutes:
            people.clear()
            people.run(_EVERY_S)
            ages = people.fresh_ms()
            samples.append(
                {
                    "s": time.monotonic() - began,
                    "private_mb": private_mb(process),
                    "dropped": float(people.reported("face_node", "image dropped") or 0),
                    "lost": float(people.reported("face_node", "image lost") or 0),
                    "latency_p50_ms": percentile(ages, 0.5) if ages else float("nan"),
                    "states": len(people.states),
                }
            )
            if graph.poll():
                raise RuntimeError("a node died and was started again: see the log above")
    return verdict(samples, about)


def private_mb(process: psutil.Process) -> float:
    """Return the memory that is the process's own.

    The middleware's shared segments, 32 MiB for each process, count once they are touched, which
    goes on for minutes and ends at their size.
    """
    memory = process.memory_info()
    return float(memory.rss - memory.shared) / 1e6


def verdict(samples: list[dict[str, float]], about: dict) -> dict:
    """Return the samples with the growth of memory after the warm-up, MB an hour."""
    settled = samples[int(_WARM_SHARE * len(samples)) :]
    hours = np.array([item["s"] for item in settled]) / 3600.0
    memory = np.array([item["private_mb"] for item in settled])
    growth = float(np.polyfit(hours, memory, 1)[0])
    # Over a short soak an hour's rate is an extrapolation: what counts is what was gained.
    gained = growth * float(hours[-1] - hours[0])
    flat = growth <= _MOST_GROWTH_MB_H or gained <= 0.01 * float(memory.mean())
    return {
        "machine": about,
        "minutes": round(samples[-1]["s"] / 60.0, 1),
        "growth_mb_per_hour": round(growth, 1),
        "gained_mb": round(gained, 2),
        "memory_mb": round(float(memory.mean()), 1),
        "dropped": samples[-1]["dropped"],
        "lost": samples[-1]["lost"],
        "silent_samples": sum(item["states"] == 0 for item in samples),
        "flat": flat,
        "samples": samples,
    }


def draw(result: dict, path: Path) -> None:
    """Draw memory, dropped work and latency over time."""
    from matplotlib.figure import Figure

    samples = result["samples"]
    minutes = [item["s"] / 60.0 for item in samples]
    figure = Figure(figsize=(7.5, 6.0), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True)
    for axis, key, label in zip(
        axes,
        ("private_mb", "dropped", "latency_p50_ms"),
        ("private memory [MB]", "images dropped or lost", "stamp → state, p50 [ms]"),
        strict=True,
    ):
        values = [item[key] + (item["lost"] if key == "dropped" else 0) for item in samples]
        axis.plot(minutes, values, color="#1f77b4")
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("time [min]")
    growth = f"{result['growth_mb_per_hour']:+.0f} MB/h, {result['gained_mb']:+.1f} MB gained"
    axes[0].set_title(f"The whole graph under twice 16 faces at 60 Hz: {growth}")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> int:
    """Soak, write the figures, and return 1 when memory grew or the graph fell silent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("soak.json"))
    parser.add_argument("--figure", type=Path, default=DOCS / "figures" / "soak.png")
    args = parser.parse_args()
    result = soak(args.minutes)
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    draw(result, args.figure)
    shown = (
        f"{result['minutes']:g} min on {result['machine']['cpu']}, load "
        f"{result['machine']['load before']:g} before: memory {result['memory_mb']:.0f} MB, "
        f"{result['growth_mb_per_hour']:+.0f} MB/h in the last three fifths "
        f"({result['gained_mb']:+.1f} MB gained, {'flat' if result['flat'] else '**not flat**'}); "
        f"{result['dropped']:.0f} images dropped and {result['lost']:.0f} lost, all counted; "
        f"{result['silent_samples']} of {len(result['samples'])} stretches of 5 s without a state."
    )
    report.write_section(DOCS / "performance.md", "soak", shown + "\n")
    print(json.dumps({key: value for key, value in result.items() if key != "samples"}, indent=1))
    return int(not result["flat"])


if __name__ == "__main__":
    sys.exit(main())
