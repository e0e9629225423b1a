"""What an executor waits for, laid out once and kept from one wait to the next."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any

from rclpy.exceptions import InvalidHandle
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.waitable import NumberOfEntities

from emostress_ros.nodes.rclpy_events import EventHandler

_KINDS = ("timer", "subscription", "client", "service")  # in the order of being served


class WaitLayout:
    """All that some nodes wait for, kept from being destroyed until :meth:`close`.

    Args:
        nodes: whose entities they are.
        own: guard conditions of the executor.
        context: of all of them.
    """

    def __init__(self, nodes: Iterable[Any], own: Iterable[Any], context: Any) -> None:
        self._held = ExitStack()
        self._held.enter_context(context.handle)
        self._entities: dict[str, dict[int, tuple[str, Any, Any]]] = {kind: {} for kind in _KINDS}
        self._guards: dict[int, tuple[str, Any, Any]] = {}
        self._events: list[tuple[Any, Any, Any]] = []
        self._others: list[tuple[Any, Any]] = []
        handles: dict[str, list[Any]] = {kind: [] for kind in (*_KINDS, "guard_condition")}
        for node in nodes:
            for kind in _KINDS:
                for entity in getattr(node, f"{kind}s"):
                    if self._hold(entity.handle):
                        handles[kind].append(entity.handle)
                        self._entities[kind][entity.handle.pointer] = (kind, entity, node)
            for guard in node.guards:
                if self._hold(guard.handle):
                    handles["guard_condition"].append(guard.handle)
                    self._guards[guard.handle.pointer] = ("guard_condition", guard, node)
            for waitable in node.waitables:
                if self._hold(waitable):
                    self._sort_in(waitable, node)
        handles["guard_condition"] += [one.handle for one in own if self._hold(one.handle)]
        self._wait_set = self._make_wait_set(handles, context)
        self._additions = [
            (getattr(self._wait_set, f"add_{kind}"), handle)
            for kind, some in handles.items()
            for handle in some
        ] + [(self._wait_set.add_event, event) for event, _, _ in self._events]

    def wait(self, seconds: float) -> list[tuple[str, Any, Any]]:
        """Wait a while for something to be ready; return kind, entity and node of what is."""
        wait_set = self._wait_set
        wait_set.clear_entities()
        for add, handle in self._additions:
            add(handle)
        for waitable, _ in self._others:
            waitable.add_to_wait_set(wait_set)
        for _, guard, _ in self._guards.values():
            if guard._executor_triggered:  # and served by nobody yet
                with suppress(InvalidHandle):
                    guard.trigger()
        wait_set.wait(round(1e9 * seconds))
        ready = []
        for index, (_, waitable, node) in enumerate(self._events):
            if wait_set.is_ready("event", index):
                waitable._event_index = index
                if waitable.is_ready(wait_set):
                    ready.append(("waitable", waitable, node))
        ready += [("waitable", *other) for other in self._others if other[0].is_ready(wait_set)]
        for kind, entities in self._entities.items():
            if entities:
                ready += [entities[at] for at in wait_set.get_ready_entities(kind)]
        if self._guards:
            for pointer in wait_set.get_ready_entities("guard_condition"):
                if pointer in self._guards:
                    self._guards[pointer][1]._executor_triggered = True
                    ready.append(self._guards[pointer])
        return ready

    def close(self) -> None:
        """Let what was destroyed meanwhile go."""
        self._held.close()

    def _hold(self, handle: Any) -> bool:
        try:
            self._held.enter_context(handle)
        except InvalidHandle:
            return False
        return True

    def _sort_in(self, waitable: Any, node: Any) -> None:
        # The commonest waitable by far, twenty to a node, is one handle.
        event = getattr(waitable, "_EventHandler__event", None)
        if type(waitable) is EventHandler and event is not None:
            self._events.append((event, waitable, node))
        else:
            self._others.append((waitable, node))

    def _make_wait_set(self, handles: dict[str, list[Any]], context: Any) -> Any:
        count = NumberOfEntities(
            *(len(handles[kind]) for kind in
              ("subscription", "guard_condition", "timer", "client", "service")),
            len(self._events),
        )  # fmt: skip
        for waitable, _ in self._others:
            count += waitable.get_num_entities()
        return _rclpy.WaitSet(
            count.num_subscriptions, count.num_guard_conditions, count.num_timers,
            count.num_clients, count.num_services, count.num_events, context.handle,
        )  # fmt: skip
