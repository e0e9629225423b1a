"""Lifecycle transitions that cannot kill a node, whoever asks for them and when."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.node import Node

_BEGINS_S = 5.0
"""An executor that has not begun a task after so long does not spin any more."""


class TransitionsInTurn(LifecycleNode):
    """A lifecycle node whose transitions happen between two callbacks of its executor.

    A transition takes subscriptions and timers away. Done from another thread while rclpy 7.1 lays
    them out to wait for, it ends the executor with an ``InvalidHandle``, and the node with it. So
    what another thread triggers is done by the thread that spins, and waited for.
    """

    # A task tells which thread spins as soon as one does.
    _spun_by: threading.Thread | None = None

    @property
    def executor(self) -> Executor | None:
        """The executor that the node was added to."""
        return Node.executor.fget(self)

    @executor.setter
    def executor(self, new_executor: Executor | None) -> None:
        if new_executor is not self.executor:
            self._spun_by = None
            Node.executor.fset(self, new_executor)
            if new_executor is not None:
                new_executor.create_task(self._note_thread)

    def _note_thread(self) -> None:
        self._spun_by = threading.current_thread()

    # The names of both are those that rclpy's mixin looks up.
    def _LifecycleNodeMixin__change_state(self, transition_id: int) -> TransitionCallbackReturn:  # noqa: N802
        change = partial(super()._LifecycleNodeMixin__change_state, transition_id)
        executor, thread = self.executor, self._spun_by
        if thread is None or thread is threading.current_thread() or not thread.is_alive():
            return change()
        # The thread that a pool of several noted says nothing of where its next callback runs.
        return (
            _done_by(executor, change) if isinstance(executor, SingleThreadedExecutor) else change()
        )

    def _LifecycleNodeMixin__on_change_state(self, request: Any, response: Any) -> Any:  # noqa: N802
        # rclpy 7.1 lets the exception of an impossible transition escape from its service, which
        # kills the node.
        try:
            return super()._LifecycleNodeMixin__on_change_state(request, response)
        except rclpy_implementation.RCLError as error:
            wanted = request.transition.label or request.transition.id
            self.get_logger().warning(f"transition {wanted!r} is not possible now: {error}")
            response.success = False
            return response


def _done_by(executor: Executor, change: Callable[[], TransitionCallbackReturn]) -> Any:
    """Let the thread that spins an executor do something; return or raise what came of it."""
    future: concurrent.futures.Future[TransitionCallbackReturn] = concurrent.futures.Future()

    def attempt() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(change())
        except Exception as error:  # it is the caller's, and must not end the executor
            future.set_exception(error)

    executor.create_task(attempt)
    concurrent.futures.wait([future], _BEGINS_S)
    # Where nobody spins any more there is nothing to collide with.
    return change() if future.cancel() else future.result()
