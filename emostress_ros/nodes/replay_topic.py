"""One topic of a replay: its publisher, and how far its listeners have come."""

from __future__ import annotations

import importlib
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from emostress_ros.evaluation.bags.pacing import Flow
from emostress_ros.evaluation.bags.replay_options import ReplayOptions

_DEPTH, _IMAGE_DEPTH = 50, 10
EMBEDDING = "emostress_ros/msg/ModalityEmbedding"


class ReplayTopic:
    """A topic that is published.

    Args:
        node: publishes it.
        name: topic in the graph.
        msgtype: type of its messages.
        options: reliability and flow.

    Raises:
        ImportError: the type's package is not installed.
        AttributeError: the package has no such message.
    """

    def __init__(self, node: Node, name: str, msgtype: str, options: ReplayOptions) -> None:
        picture = msgtype.endswith("Image")
        best_effort = picture and options.best_effort_image
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=_IMAGE_DEPTH if picture else _DEPTH,
            reliability=ReliabilityPolicy.BEST_EFFORT
            if best_effort
            else ReliabilityPolicy.RELIABLE,
        )
        self.publisher = node.create_publisher(message_class(msgtype), name, qos)
        self.name: str = self.publisher.topic_name
        self.flow = Flow(options.in_flight)
        self.reports = True  # until it turns out that no node does
        self.listeners = 0


def message_class(msgtype: str) -> Any:
    """Class of a message type such as `sensor_msgs/msg/Image`.

    Raises:
        ImportError: its package is not installed.
        AttributeError: the package has no such message.
    """
    package, _, name = msgtype.partition("/msg/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def await_fusion(node: Node, patience_s: float) -> None:
    """Wait until somebody listens to every embedding that the graph publishes.

    Nodes come up in any order; what the senses say before the fusion hears them would be lost.
    A graph without a fusion is waited for in vain, hence the patience.
    """
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        topics = [name for name, kinds in node.get_topic_names_and_types() if EMBEDDING in kinds]
        if all(node.count_subscribers(name) for name in topics if node.count_publishers(name)):
            return
        time.sleep(0.05)
