"""A real ROS 2 context with a peer node, and ways to wait for what others do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

PATIENCE_S = 20.0


class Bench:
    """Nodes under test and a peer node that talks to them, spinning in a thread of their own."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self.context = Context()
        rclpy.init(context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.peer = Node("peer", context=self.context)
        self.executor.add_node(self.peer)
        self.nodes: list = []
        self._spinning = True
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            while self._spinning:
                self.executor.spin_once()

    def _stop(self) -> None:
        self._spinning = False

    def start(self, node_class: type, name: str, **parameters):
        """Start a node with parameters, its autostart included."""
        overrides = [Parameter(key, value=value) for key, value in parameters.items()]
        node = node_class(name, context=self.context, parameter_overrides=overrides)
        self.nodes.append(node)
        node.autostart()
        self.executor.add_node(node)
        return node

    def listen(self, message_type: type, topic: str, qos=50) -> list:
        """Collect what is published on a topic."""
        heard: list = []
        self.peer.create_subscription(message_type, topic, heard.append, qos)
        return heard

    def publisher(self, message_type: type, topic: str, qos=50):
        """Return a publisher that somebody listens to."""
        publisher = self.peer.create_publisher(message_type, topic, qos)
        self.wait(lambda: publisher.get_subscription_count() > 0, f"a subscriber of {topic}")
        return publisher

    def call(self, service_type: type, name: str, request):
        """Call a service and return its answer."""
        client = self.peer.create_client(service_type, name)
        self.wait(client.service_is_ready, f"the service {name}")
        future = client.call_async(request)
        self.wait(future.done, f"the answer of {name}")
        return future.result()

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait until a condition holds, and fail naming it when it does not."""
        deadline = time.monotonic() + self._patience_s
        while not condition():
            assert time.monotonic() < deadline, f"waited {self._patience_s:g} s in vain for {what}"
            time.sleep(0.01)

    def close(self) -> None:
        # From within, between two callbacks: an executor that is shut down while it spins finds
        # its guard condition gone.
        self.executor.create_task(self._stop)
        self._thread.join(timeout=5)
        self.executor.shutdown()
        for node in [*self.nodes, self.peer]:
            node.destroy_node()
        rclpy.try_shutdown(context=self.context)
