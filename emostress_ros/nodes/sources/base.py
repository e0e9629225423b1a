"""What every live source shares: its place in the graph, its clock, and starting over."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any

from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from emostress_ros.errors import GraphError, MissingExtraError, ParameterError
from emostress_ros.nodes.context import own_context

RETRY_S = 2.0
"""Seconds between two attempts to reach a sensor that is gone."""


class SensorGoneError(GraphError):
    """The sensor cannot be opened, or went away while it was read."""


class Source(Node):
    """A node that reads one sensor and publishes what it senses.

    Args:
        name: node name.
        namespace: of the node and its topic.
        context: rclpy context to live in.
    """

    def __init__(self, name: str, namespace: str, context: Any) -> None:
        super().__init__(
            name, namespace=namespace or None, context=context, use_global_arguments=False
        )
        self.stopped = threading.Event()
        self.published = 0

    def read(self) -> None:
        """Read and publish until `stopped` is set.

        Raises:
            SensorGoneError: the sensor cannot be opened, or went away.
        """
        raise NotImplementedError

    def now_ns(self) -> int:
        """The node's clock, nanoseconds."""
        return int(self.get_clock().now().nanoseconds)


def run_source(
    make: Callable[[Any], Source],
    *,
    stop: threading.Event | None = None,
    retry_s: float = RETRY_S,
    retries: int | None = None,
) -> int:
    """Run a source until interrupted; a sensor that goes away is waited for.

    Args:
        make: makes the node in a context.
        stop: ends it from another thread.
        retry_s: seconds between two attempts.
        retries: attempts in a row without a single message before it gives up; None: never.

    Returns:
        Messages published.

    Raises:
        SensorGoneError: the sensor did not come back.
        MissingExtraError: the sensor's library is not installed.
        ParameterError: an option is out of range.
    """
    with own_context() as context:
        source = make(context)
        if stop is not None:
            source.stopped = stop
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(source)
        thread = threading.Thread(target=_spin, args=(executor,), daemon=True)
        thread.start()
        try:
            _keep_reading(source, retry_s, retries)
        except KeyboardInterrupt:
            source.stopped.set()
        finally:
            published = source.published
            executor.shutdown()
            thread.join(timeout=2.0)
            source.destroy_node()
    return published


def load_extra(module: str, sensor: str, hint: str = "") -> Any:
    """Import an optional library.

    Args:
        module: its name.
        sensor: what needs it.
        hint: what else may be missing.

    Raises:
        MissingExtraError: names the `pip install` that mends it.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:  # sounddevice: OSError without the PortAudio library
        raise MissingExtraError(
            f"the {sensor} needs '{module}': `pip install 'emostress_ros[live]'`{hint} ({error})"
        ) from error


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Check an option.

    Raises:
        ParameterError: the value lies outside; names what is allowed.
    """
    if not low <= value <= high:
        raise ParameterError(f"{name} must lie in [{low:g}, {high:g}]; got {value!r}")


def _keep_reading(source: Source, retry_s: float, retries: int | None) -> None:
    fruitless = 0
    while not source.stopped.is_set():
        before = source.published
        try:
            source.read()
        except SensorGoneError as error:
            fruitless = fruitless + 1 if source.published == before else 1
            if retries is not None and fruitless > retries:
                raise
            if fruitless & (fruitless - 1) == 0:  # the 1st, 2nd, 4th, 8th ... time
                again = f"trying again every {retry_s:g} s"
                source.get_logger().warning(f"{error}; {again} ({fruitless})")
            source.stopped.wait(retry_s)


def _spin(executor: SingleThreadedExecutor) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        pass
