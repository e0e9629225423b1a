"""A robot and a second machine, as two network namespaces: what goes over the wire, and what comes.

    sudo python -m benchmarks.split

Between the namespaces lies one virtual cable, whose counters are the bandwidth.  Discovery is DDS's
own.  Three ways to divide the graph: the face node on the second machine with raw or with
compressed images, or on the robot, so that only embeddings leave it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROBOT, OTHER = "emostress_robot", "emostress_other"
CABLE = ("emo_robot", "emo_other")
_WARM_S = 12.0


@dataclass(frozen=True)
class Division:
    """One way to divide the graph.

    Attributes:
        name: for the table.
        robot: modules that run on the robot, with their arguments.
        other: the same of the second machine.
    """

    name: str
    robot: tuple[tuple[str, ...], ...]
    other: tuple[tuple[str, ...], ...]


CAMERA = ("benchmarks.programs.camera", "--rate", "30")
FACE, FUSION = ("emostress_ros.nodes.face_node",), ("emostress_ros.nodes.fusion_node",)
LISTENER = ("benchmarks.split", "--listen")
DIVISIONS = (
    Division("raw 640×480 images cross", (CAMERA,), (FACE, FUSION, LISTENER)),
    Division(
        "JPEG images cross",
        ((*CAMERA, "--compressed", "--topic", "image/compressed"),),
        (FACE, FUSION, LISTENER),
    ),
    Division("embeddings cross", (CAMERA, FACE), (FUSION, LISTENER)),
)


@contextmanager
def two_machines() -> Iterator[None]:
    """Make two namespaces joined by a cable, and take them down again.

    Raises:
        RuntimeError: no right to (root is needed), or no `ip`.
    """
    near, far = CABLE
    commands = [
        f"ip netns add {ROBOT}", f"ip netns add {OTHER}",
        f"ip link add {near} type veth peer name {far}",
        f"ip link set {near} netns {ROBOT}", f"ip link set {far} netns {OTHER}",
    ]  # fmt: skip
    for space, device, address in ((ROBOT, near, "10.99.0.1/24"), (OTHER, far, "10.99.0.2/24")):
        inside = f"ip netns exec {space} ip"
        commands += [
            f"{inside} addr add {address} dev {device}", f"{inside} link set {device} up",
            f"{inside} link set lo up", f"{inside} route add 224.0.0.0/4 dev {device}",
        ]  # fmt: skip
    try:
        for command in commands:
            done = subprocess.run(command.split(), capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"`{command}` failed: {done.stderr.strip()}")
        yield
    finally:
        for space in (ROBOT, OTHER):
            subprocess.run(["ip", "netns", "del", space], capture_output=True)


def measure(division: Division, seconds: float) -> dict:
    """Return the bandwidth and the states of one division."""
    processes = [_start(ROBOT, words) for words in division.robot]
    processes += [_start(OTHER, words) for words in division.other[:-1]]
    listener = _start(OTHER, (*division.other[-1], str(seconds)), subprocess.PIPE)
    try:
        assert listener.stdout is not None
        listener.stdout.readline()  # it begins to count
        before, began = _bytes(), time.monotonic()
        counted = json.loads(listener.stdout.readline())
        spent = time.monotonic() - began
        megabits = 8e-6 * (_bytes() - before) / spent
    finally:
        for process in [*processes, listener]:
            process.kill()
            process.wait()
    return {"name": division.name, "mbit_s": round(megabits, 2), **counted}


def listen(seconds: float) -> None:
    """Count states: one line when it begins, one with the counts."""
    import rclpy

    from emostress_ros.msg import AffectState
    from emostress_ros.nodes.conversions import stamp_to_ns

    rclpy.init()
    node = rclpy.create_node("listener")
    ages: list[float] = []
    node.create_subscription(
        AffectState,
        "affect",
        lambda state: ages.append((time.time_ns() - stamp_to_ns(state.header.stamp)) / 1e6),
        50,
    )
    _spin(node, _WARM_S)
    ages.clear()
    print("begin", flush=True)
    _spin(node, seconds)
    half = sorted(ages)[len(ages) // 2] if ages else float("nan")
    counted = {"states_s": round(len(ages) / seconds, 1), "latency_p50_ms": round(half, 1)}
    print(json.dumps(counted), flush=True)


def _spin(node: object, seconds: float) -> None:
    import rclpy

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.05)


def _start(space: str, words: tuple[str, ...], out: int = subprocess.DEVNULL) -> subprocess.Popen:
    from emostress_ros.cli.graph import environment

    chosen = environment() | {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}
    command = ["ip", "netns", "exec", space, sys.executable, "-m", *words]
    return subprocess.Popen(command, env=chosen, stdout=out, stderr=subprocess.DEVNULL, text=True)


def _bytes() -> int:
    command = f"ip netns exec {ROBOT} cat /sys/class/net/{CABLE[0]}/statistics/tx_bytes"
    return int(subprocess.run(command.split(), capture_output=True, text=True).stdout)


def main() -> int:
    """Measure every division and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("split.json"))
    args = parser.parse_args()
    if args.listen:
        listen(args.listen)
        return 0
    if os.geteuid():
        print("namespaces need root", file=sys.stderr)
        return 2
    with two_machines():
        found = [measure(division, args.seconds) for division in DIVISIONS]
    lines = ["| On the wire | Mbit/s | States/s | Stamp → state, p50 [ms] |", "|---|---|---|---|"]
    lines += [
        f"| {row['name']} | {row['mbit_s']} | {row['states_s']} | {row['latency_p50_ms']} |"
        for row in found
    ]
    print("\n".join(lines))
    from benchmarks import report

    report.write_section(report.DOCS / "performance.md", "split", "\n".join(lines) + "\n")
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
