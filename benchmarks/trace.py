"""Follows camera frames through the graph by their stamp, and draws where the time goes.

    python -m benchmarks.trace --seconds 10

The graph runs composed in this process, so that one clock sees every step.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections import defaultdict
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException

from benchmarks import report
from benchmarks.programs.people import People
from emostress_ros.cli.graph import environment
from emostress_ros.nodes.base import ManagedNode
from emostress_ros.nodes.conversions import stamp_to_ns
from emostress_ros.nodes.executor import make_executor
from emostress_ros.nodes.names import MODALITY_NODES, node_names
from emostress_ros.nodes.registry import node_class

STAGES = (
    ("camera → face node", "stamp", "received"),
    ("waits for the worker", "received", "begun"),
    ("detect, align, judge, encode", "begun", "encoded"),
    ("embedding published", "encoded", "published"),
    ("hop to the fusion", "published", "heard"),
    ("fusion until the state is published", "heard", "fused"),
    ("hop to a listener", "fused", "arrived"),
)


class Trace:
    """When each frame passed each mark, nanoseconds, by the frame's stamp."""

    def __init__(self) -> None:
        self.marks: dict[int, dict[str, int]] = defaultdict(dict)

    def mark(self, stamp_ns: int, name: str) -> None:
        """Note the first time that a frame passes a mark."""
        self.marks[stamp_ns].setdefault(name, time.time_ns())

    def watch(self, face: Any, fusion: Any) -> None:
        """Put the marks into the two nodes of the path."""
        self._before(face, "_receive", lambda item, put, message: message, "received")
        self._before(face, "_look", lambda image, message: message, "begun")
        publish, on_embedding, advance = face.publish, fusion._on_embedding, fusion.pipeline.advance

        def published(embeddings: Any, frame_id: str) -> None:
            found = list(embeddings)
            for one in found:
                self.mark(one.stamp_ns, "encoded")
            publish(found, frame_id)
            for one in found:
                self.mark(one.stamp_ns, "published")

        def heard(message: Any) -> None:
            self.mark(stamp_to_ns(message.header.stamp), "heard")
            on_embedding(message)

        def fused(node_ns: int) -> Any:
            states = advance(node_ns)
            for state in states:
                self.mark(state.stamp_ns, "fused")
            return states

        face.publish, fusion.pipeline.advance = published, fused
        fusion._on_embedding = heard

    def _before(self, node: Any, name: str, message_of: Any, mark: str) -> None:
        method = getattr(node, name)

        @wraps(method)
        def run(*args: Any) -> Any:
            self.mark(stamp_to_ns(message_of(*args).header.stamp), mark)
            return method(*args)

        setattr(node, name, run)

    def table(self) -> list[tuple[str, np.ndarray]]:
        """Return the milliseconds of each stage over the frames that became a state."""
        whole = [
            {"stamp": stamp, **marks}
            for stamp, marks in self.marks.items()
            if {name for _, _, name in STAGES} <= set(marks)
        ]
        return [
            (name, np.array([(one[end] - one[begin]) / 1e6 for one in whole]))
            for name, begin, end in STAGES
        ]


def follow(seconds: float) -> Trace:
    """Run the graph and return what was seen."""
    trace = Trace()
    os.environ.update(environment())  # the nodes' own profile, before the middleware reads it
    rclpy.init()
    nodes: list[Any] = [node_class(name)(name) for name in node_names(list(MODALITY_NODES))]
    by_name = {node.get_name(): node for node in nodes}
    for node in nodes:
        node.trigger_configure()
    trace.watch(by_name["face_node"], by_name["fusion_node"])
    for node in nodes:
        node.trigger_activate()
        threading.Thread(target=_spin, args=(node,), daemon=True).start()
    with People() as people:
        people.wait_for_state(60.0)
        people.run(4.0)
        people.clear()
        trace.marks.clear()
        people.run(seconds)
        for heard_ns, state in people.states:
            stamp = stamp_to_ns(state.header.stamp)
            if stamp in trace.marks:
                trace.marks[stamp]["arrived"] = heard_ns
    for node in nodes:
        node.trigger_deactivate()
    rclpy.shutdown()
    return trace


def _spin(node: ManagedNode) -> None:
    executor, _ = make_executor()
    executor.add_node(node)
    try:
        executor.spin()
    except ExternalShutdownException:
        return


def draw(stages: list[tuple[str, np.ndarray]], path: Path) -> None:
    """Draw the stages one after another, medians, with the 10th and 90th percentiles."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 3.4), layout="constrained")
    axis = figure.subplots()
    left = 0.0
    for row, (_, values) in enumerate(stages):
        low, middle, high = np.percentile(values, (10, 50, 90))
        axis.barh(row, middle, left=left, color="#1f77b4")
        axis.hlines(row, left + low, left + high, color="#222222", linewidth=1)
        axis.text(left + max(middle, high - 0.0) + 0.15, row, f"{middle:.1f} ms", va="center")
        left += float(middle)
    axis.set_yticks(range(len(stages)), [name for name, _ in stages])
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set_xlabel("time since the camera's stamp [ms], medians; lines: 10th to 90th percentile")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> int:
    """Follow frames, write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--figure", type=Path, default=report.DOCS / "figures" / "trace.png")
    args = parser.parse_args()
    about = report.machine()
    stages = follow(args.seconds).table()
    if not len(stages[0][1]):
        print("no frame became a state", file=sys.stderr)
        return 1
    lines = [
        "![One camera frame through the graph](figures/trace.png)",
        "",
        f"{len(stages[0][1])} frames that became a state; {about['date']}, {about['cpu']}, load "
        f"{about['load before']} before.",
        "",
        "| Step | p10 [ms] | p50 [ms] | p90 [ms] |",
        "|---|---|---|---|",
    ]
    for name, values in [*stages, ("all", sum(values for _, values in stages))]:
        cells = (f"{mark:.2f}" for mark in np.percentile(values, (10, 50, 90)))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    print("\n".join(lines))
    report.write_section(report.DOCS / "performance.md", "trace", "\n".join(lines) + "\n")
    draw(stages, args.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
