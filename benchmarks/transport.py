"""A raw VGA image between two processes: the default Fast DDS profile and the package's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from benchmarks.result import Check, Row, duel
from benchmarks.timing import Times
from emostress_ros.resources import share_directory

GROUP = "transport"
PROFILE = "FASTRTPS_DEFAULT_PROFILES_FILE"
_RATE_HZ = 30.0
_TURNS = 3
_START_S = 20.0


def rows(seconds: float) -> list[Row]:
    """Return the transport's row: each profile's turn follows the other's."""
    frames = max(30, int(_RATE_HZ * seconds / (4 * _TURNS)))
    profiles = {"ours": str(share_directory() / "config" / "fastdds.xml"), "peer": ""}
    took: dict[str, list[float]] = {name: [] for name in profiles}
    lost: dict[str, int] = dict.fromkeys(profiles, 0)
    for _ in range(_TURNS):
        for name, profile in profiles.items():
            # Of best effort only what is not lost arrives, which says nothing of the rest.
            took[name].append(_median(measure(profile, frames, reliable=True)))
            lost[name] += frames - len(measure(profile, frames, reliable=False))
    sent = frames * _TURNS
    checks = (Check("lost at best effort", lost["ours"] / sent, 0.0, at_most=True),)
    note = (
        f"640×480 rgb8 at 30 Hz, {_TURNS}×{frames} frames; time: stamp to callback, reliable; "
        f"best effort with the default profile loses {100 * lost['peer'] / sent:.0f} %"
    )
    ours, peer = (Times(tuple(took[name])) for name in ("ours", "peer"))
    return [
        duel(GROUP, "raw VGA image between two processes", "default Fast DDS profile", ours, peer,
             3.0, checks, note, lost={name: count / sent for name, count in lost.items()})
    ]  # fmt: skip


def measure(profile: str, frames: int, reliable: bool) -> list[float]:
    """Return the milliseconds from stamp to callback of each frame that came.

    Both processes use the profile, so this listener is a process of its own, too.
    """
    command = [sys.executable, "-m", "benchmarks.transport", str(frames), str(int(reliable))]
    done = subprocess.run(
        command, env=environment(profile), capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise RuntimeError(f"the listener failed: {done.stderr[-500:]}")
    words = done.stdout.split()
    return [float(word) for word in words]


def environment(profile: str) -> dict[str, str]:
    """Return the environment with a Fast DDS profile; empty for the middleware's own."""
    chosen = {key: value for key, value in os.environ.items() if key != PROFILE}
    return chosen | ({PROFILE: profile} if profile else {})


def listen(frames: int, reliable: bool) -> list[float]:
    """Start a camera and return the ages of its frames, milliseconds."""
    rclpy.init()
    node = Node("listener")
    ages: list[float] = []
    last_heard = [0.0]

    def heard(message: Any) -> None:
        stamp = message.header.stamp
        ages.append((time.time_ns() - stamp.sec * 10**9 - stamp.nanosec) / 1e6)
        last_heard[0] = time.monotonic()

    policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    qos = QoSProfile(depth=5, reliability=policy)
    node.create_subscription(Image, "image", heard, qos)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    command = [sys.executable, "-m", "benchmarks.programs.camera", "--frames", str(frames)]
    command += ["--reliable"] * reliable
    camera = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + _START_S + frames / _RATE_HZ
    while camera.poll() is None and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)
    camera.kill()
    camera.wait()
    with suppress(Exception):
        rclpy.shutdown()
    return ages


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else float("inf")


if __name__ == "__main__":
    print(*listen(int(sys.argv[1]), sys.argv[2] == "1"))
