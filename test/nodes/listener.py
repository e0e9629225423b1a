"""A program that listens to a replay and prints what it heard; run by the tests."""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from hashlib import sha256

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from emostress_ros.msg import AudioChunk, PhysiologySamples, Progress, Utterance

TYPES = {
    "image": Image, "audio": AudioChunk, "physiology": PhysiologySamples, "utterance": Utterance,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--topics", nargs="*", default=list(TYPES))
    parser.add_argument("--progress", action="store_true", help="report like a lossless node")
    parser.add_argument("--work", type=float, default=0.0, help="seconds a picture takes")
    parser.add_argument("--die-after", type=int, default=10**9, help="messages")
    parser.add_argument("--quiet-s", type=float, default=1.5, help="end after such a silence")
    args = parser.parse_args()

    rclpy.init()
    node = rclpy.create_node("listener")
    progress = node.create_publisher(Progress, "progress", 100)
    heard: dict[str, int] = defaultdict(int)
    digest: dict[str, str] = defaultdict(str)
    clocks: list[int] = []
    last = [time.monotonic() + 20.0]

    def listen(topic: str) -> None:
        def callback(data: bytes) -> None:
            last[0] = time.monotonic()
            heard[topic] += 1
            digest[topic] = sha256(digest[topic].encode() + data).hexdigest()
            time.sleep(args.work if topic == "image" else 0.0)
            if args.progress:
                report = Progress(node="/listener", topic=f"/{topic}", received=heard[topic],
                                  handled=heard[topic])  # fmt: skip
                report.header.stamp = deserialize_message(data, TYPES[topic]).header.stamp
                progress.publish(report)

        node.create_subscription(TYPES[topic], topic, callback, 20, raw=True)

    def tick(clock: Clock) -> None:
        last[0] = max(last[0], time.monotonic())
        clocks.append(clock.clock.sec * 1_000_000_000 + clock.clock.nanosec)

    for topic in args.topics:
        listen(topic)
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    node.create_subscription(Clock, "/clock", tick, best_effort)
    print("ready", flush=True)
    while time.monotonic() - last[0] < args.quiet_s and sum(heard.values()) < args.die_after:
        rclpy.spin_once(node, timeout_sec=0.1)
    print(json.dumps({"heard": heard, "digest": digest, "clocks": clocks}), flush=True)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
