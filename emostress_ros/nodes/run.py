"""Runs nodes in a process: start, spin, and an end without a traceback."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
import threading
from collections.abc import Callable, Sequence

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation

from emostress_ros.errors import EmostressError
from emostress_ros.nodes.base import ManagedNode
from emostress_ros.nodes.executor import make_executor

NodeFactory = Callable[..., ManagedNode]
_JOIN_S = 5.0
_TURN_S = 0.0002
"""Longest that a thread of Python runs while another waits.  Its default, 5 ms, is what a frame may
wait for each time that its worker comes back from a model: see docs/performance.md."""


def run_node(factory: NodeFactory, name: str, args: Sequence[str] | None = None) -> int:
    """Run one node until it is interrupted; return the exit status."""
    return run_nodes([(factory, name)], args)


def run_nodes(
    factories: Sequence[tuple[NodeFactory, str]], args: Sequence[str] | None = None
) -> int:
    """Run several nodes in one process, an executor each; return the exit status."""
    try:
        rclpy.init(args=list(args) if args is not None else None)
    except rclpy_implementation.RCLInvalidROSArgsError as error:
        print(f"ROS arguments cannot be used: {error}", file=sys.stderr)
        return 2
    sys.setswitchinterval(_TURN_S)
    nodes: list[ManagedNode] = []
    try:
        nodes += [factory(name) for factory, name in factories]
        _spin(nodes)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except EmostressError as error:
        return _failed(error)
    except rclpy_implementation.RCLError as error:
        # A node that was being made when the signal came finds its context gone.
        return _failed(error) if rclpy.ok() else 0
    finally:
        _take_down(nodes)
    return 0


def _failed(error: Exception) -> int:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return 1


class _Started:
    """Counts the nodes that have started; after the last, what was made so far is there to stay.

    A hundred thousand objects of modules and models are no garbage.  Left to Python they are all
    looked through now and then, which stops every thread for as long as three frames of a camera
    take.
    """

    def __init__(self, nodes: int) -> None:
        self._missing = nodes
        self._lock = threading.Lock()

    def one_more(self) -> None:
        """Tell that a node has started."""
        with self._lock:
            self._missing -= 1
            if self._missing == 0:
                gc.collect()
                gc.freeze()


def _spin(nodes: list[ManagedNode]) -> None:
    """Start and spin each node in a thread of its own, the first in this one, until one ends.

    An executor looks at all it has whenever one thing happens, and loading models takes turns in
    one thread: see docs/performance.md for both, measured.
    """
    ended: list[BaseException] = []
    started = _Started(len(nodes))
    others = [
        threading.Thread(target=_spin_other, args=(node, started, ended), daemon=True)
        for node in nodes[1:]
    ]
    for thread in others:
        thread.start()
    try:
        _spin_one(nodes[0], started)
    except ExternalShutdownException:
        if ended:
            raise ended[0] from None
        raise
    finally:
        if rclpy.ok():
            rclpy.shutdown()
        for thread in others:
            thread.join(_JOIN_S)


def _spin_one(node: ManagedNode, started: _Started) -> None:
    executor, why_not_lean = make_executor()
    if why_not_lean:
        node.get_logger().warning(f"spun by rclpy's SingleThreadedExecutor: {why_not_lean}")
    executor.add_node(node)
    try:
        node.autostart()
        started.one_more()
        executor.spin()
    except rclpy_implementation.RCLError as error:
        if rclpy.ok():
            raise
        # What was being published found its context gone: the process ends, nothing is broken.
        raise ExternalShutdownException from error


def _spin_other(node: ManagedNode, started: _Started, ended: list[BaseException]) -> None:
    try:
        _spin_one(node, started)
    except ExternalShutdownException:
        return
    except BaseException as error:
        # One node's end is the process's, as it would be in the main thread.
        ended.append(error)
        rclpy.try_shutdown()


def _take_down(nodes: list[ManagedNode]) -> None:
    _ignore_interrupts()
    for node in nodes:
        node.destroy_node()
    if rclpy.ok():
        rclpy.shutdown()


def _ignore_interrupts() -> None:
    """Let nothing cut the end short: Ctrl-C reaches a launched node twice.

    Once it comes from the terminal, once from the launcher. Python gives the signal its deadly
    default back on its way out unless it is ignored by then.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, lambda *_: None)
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
