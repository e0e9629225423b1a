"""Nodes spun by an executor in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import rclpy
from bench import PATIENCE_S
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Int32


class Spun:
    """Two nodes, one of them spun in a thread, and how that ended."""

    def __init__(self, executor_class: type) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.executor = executor_class(context=self.context)
        self.node = Node("spun", context=self.context)
        self.other = Node("other", context=self.context)
        self.executor.add_node(self.node)
        self.ended: list[BaseException | None] = []
        self.thread = threading.Thread(target=self._spin, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def _spin(self) -> None:
        try:
            self.executor.spin()
        except BaseException as error:
            self.ended.append(error)
        else:
            self.ended.append(None)

    def wait(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}; {self.ended}"
            time.sleep(0.005)

    def publisher(self, topic: str, kind: type = Int32, qos: QoSProfile | int = 50):
        made = self.other.create_publisher(kind, topic, qos)
        self.wait(lambda: made.get_subscription_count() > 0, f"a subscriber of {topic}")
        return made

    def close(self) -> None:
        if self.thread.is_alive():
            self.executor.create_task(self.executor.shutdown)
            self.thread.join(PATIENCE_S)
        self.executor.shutdown()
        for node in (self.node, self.other):
            node.destroy_node()
        rclpy.try_shutdown(context=self.context)
