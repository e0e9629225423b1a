"""An executor that does not lay out anew what it waits for each time that something happens.

rclpy's own (7.1) gathers all entities of its nodes for each wait, and waits three times for one
message: forty entities of a lifecycle node, touched when nothing of them is in the processor's
caches any more.  Its experimental ``EventsExecutor`` does not, and is not taken: ``spin()`` turns
in circles where it was built against an old C library, and it crashes when a subscription with
event callbacks is destroyed (https://github.com/ros2/rclpy/issues/1644).  docs/performance.md has
the measurements.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable
from typing import Any

from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor

from emostress_ros.errors import ParameterError
from emostress_ros.nodes.wait_layout import WaitLayout

CHOICE = "EMOSTRESS_EXECUTOR"
"""Environment variable: ``rclpy`` takes rclpy's own executor, ``lean`` (the default) this one."""

_LONGEST_WAIT_S = 1.0
"""After a signal rclpy wakes the executors, and ends the context afterwards: one that has looked at
the context in between would wait for ever."""
_NEEDED = (
    "_cb_iter", "_context", "_guard", "_is_shutdown", "_sigint_gc", "_tasks", "_tasks_lock",
    "_work_tracker", "_make_handler", "_take_timer", "_take_subscription", "_take_client",
    "_take_service", "_take_guard_condition", "_take_waitable",
)  # fmt: skip


class LeanExecutor(SingleThreadedExecutor):
    """Serves what the ``SingleThreadedExecutor`` serves, in one thread, from one standing layout.

    The layout is made anew when a node or an entity came or went, all of which call :meth:`wake`.
    While a coroutine is suspended, rclpy's own way of waiting is taken, for it alone knows which
    entities have to wait with it.

    Args:
        context: of its nodes; None takes the default one.
    """

    _tasks: list[tuple[Any, Any, Any]]
    # Set before the base class is ready: it may be woken by a context that has ended already.
    _changed = True
    _layout: WaitLayout | None = None
    _thread: int | None = None

    def wake(self) -> None:
        """Wake up, and look at the entities anew."""
        self._changed = True
        if self._thread == threading.get_ident():
            self._let_go()  # what a callback destroys is gone when it returns
        super().wake()

    def add_node(self, node: Any) -> bool:
        """Serve a node; return False where it is served already."""
        added: bool = super().add_node(node)
        self.wake()
        return added

    def remove_node(self, node: Any) -> None:
        """Serve a node no longer."""
        super().remove_node(node)
        self.wake()

    def spin(self) -> None:
        """Serve until the executor is shut down.

        Raises:
            ExternalShutdownException: the context ended meanwhile.
        """
        self._thread = threading.get_ident()
        try:
            while self._context.ok() and not self._is_shutdown:
                if self._tasks and self._run_tasks():
                    self._let_go()
                    self.spin_once(_LONGEST_WAIT_S)
                else:
                    self._turn()
        finally:
            self._let_go()
            self._thread = None
        if not self._context.ok():
            raise ExternalShutdownException

    def _run_tasks(self) -> bool:
        """Run what is to be done, oldest first; return whether a coroutine is suspended."""
        with self._tasks_lock:
            tasks = [task for task, _, _ in self._tasks]
        for task in tasks:
            if not (task.done() or task.cancelled()):
                _run(task)
        with self._tasks_lock:
            self._tasks = [
                item for item in self._tasks if not (item[0].done() or item[0].cancelled())
            ]
            return bool(self._tasks)

    def _turn(self) -> None:
        """Wait a while for something to be ready, and serve all that is."""
        if self._changed or self._layout is None:
            self._let_go()
            self._cb_iter = None  # left over from a coroutine
            self._changed = False
            # Shut down from another thread, it has lost its guard conditions.
            own = [guard for guard in (self._guard, self._sigint_gc) if guard is not None]
            self._layout = WaitLayout(self.get_nodes(), own, self._context)
        ready = self._layout.wait(_LONGEST_WAIT_S)
        if self._is_shutdown or not self._context.ok():
            return
        for kind, entity, node in ready:
            # What is left is ready still, unless it is what was destroyed.
            if self._changed:
                return
            # One callback may cancel the timer of another.
            if kind == "timer" and not entity.handle.is_timer_ready():
                continue
            self._serve(entity, node, getattr(self, f"_take_{kind}"))

    def _serve(self, entity: Any, node: Any, take: Callable[[Any], Any]) -> None:
        callback = getattr(entity, "callback", None)
        if not hasattr(entity, "handle") or inspect.iscoroutinefunction(callback):
            _run(self._make_handler(entity, node, take))
            return
        group = entity.callback_group
        if not group.beginning_execution(entity):
            return
        try:
            with self._work_tracker:
                execute = take(entity)
                if execute is not None:
                    _complete(execute())
        finally:
            group.ending_execution(entity)

    def _let_go(self) -> None:
        layout, self._layout = self._layout, None
        if layout is not None:
            layout.close()


class PatientExecutor(SingleThreadedExecutor):
    """rclpy's own, which sees the end of the context however it comes."""

    def spin(self) -> None:
        """Serve until the executor is shut down.

        Raises:
            ExternalShutdownException: the context ended meanwhile.
        """
        while self._context.ok() and not self._is_shutdown:
            self.spin_once(_LONGEST_WAIT_S)
        if not self._context.ok():
            raise ExternalShutdownException


def make_executor(context: Any = None) -> tuple[Executor, str]:
    """Return the executor of a node, and why it is not the lean one; empty where it is.

    Raises:
        ParameterError: the environment asks for an executor that there is not.
    """
    wanted = os.environ.get(CHOICE, "lean")
    if wanted not in ("lean", "rclpy"):
        raise ParameterError(f"{CHOICE} must be lean or rclpy; got {wanted!r}")
    if wanted == "rclpy":
        return PatientExecutor(context=context), f"{CHOICE}=rclpy"
    executor = LeanExecutor(context=context)
    missing = [name for name in _NEEDED if not hasattr(executor, name)]
    # Until Iron what was taken was executed by a method of its own.
    if missing or hasattr(executor, "_execute_subscription"):
        executor.shutdown()
        what = f"has no {', '.join(missing)}" if missing else "takes and executes apart"
        return PatientExecutor(context=context), f"rclpy's executor {what}"
    return executor, ""


def _run(task: Any) -> None:
    """Run or resume a task; raise what it raised."""
    task()
    error = task.exception()
    if error is not None:
        raise error


def _complete(coroutine: Any) -> None:
    """Run a coroutine that awaits nothing but coroutines of its own."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("a callback that is no coroutine was suspended")
