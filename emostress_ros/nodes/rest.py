"""Start a person's rest in every running node that measures one."""

from __future__ import annotations

import time
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from emostress_ros.errors import GraphError, ParameterError
from emostress_ros.nodes.conversions import ns_to_duration
from emostress_ros.srv import StartBaseline

_TYPE = "emostress_ros/srv/StartBaseline"
_ANSWER_S = 5.0
_LONGEST_S = 86400.0
_SETTLED_S = 0.5  # services of one graph are discovered together, give or take this


def start_rest(
    person_id: str, duration_s: float, patience_s: float = 5.0, context: Context | None = None
) -> dict[str, tuple[bool, str]]:
    """Call ``~/start_baseline`` of every node that offers it.

    Args:
        person_id: who rests; empty: everyone in view.
        duration_s: how long.
        patience_s: how long to look for nodes.
        context: of rclpy; one of its own by default.

    Returns:
        service to (whether it was started, what the node says).

    Raises:
        GraphError: no node offers the service.
        ParameterError: a duration that is not above 0, or longer than a day.
    """
    if not 0.0 < duration_s <= _LONGEST_S:
        raise ParameterError(
            f"a rest must last more than 0 s and at most {_LONGEST_S:g} s; got {duration_s:g}"
        )
    own = context is None
    context = context or Context()
    if own:
        rclpy.init(context=context)
    node = Node("emostress_rest", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        request = StartBaseline.Request(
            person_id=person_id, duration=ns_to_duration(round(1e9 * duration_s))
        )
        names = _services(node, executor, patience_s)
        return {name: _ask(node, executor, name, request) for name in names}
    finally:
        executor.shutdown()
        node.destroy_node()
        if own:
            context.try_shutdown()


def _services(node: Node, executor: SingleThreadedExecutor, patience_s: float) -> list[str]:
    deadline, found = time.monotonic() + patience_s, list[str]()
    settled = deadline
    while time.monotonic() < min(deadline, settled):
        executor.spin_once(timeout_sec=0.05)
        seen = [n for n, types in node.get_service_names_and_types() if _TYPE in types]
        if seen != found:
            found, settled = seen, time.monotonic() + _SETTLED_S
    if not found:
        raise GraphError(
            f"no node that measures a rest was found in {patience_s:g} s: start the graph first "
            f"(`emostress up`), in the same ROS_DOMAIN_ID"
        )
    return sorted(found)


def _ask(node: Node, executor: SingleThreadedExecutor, name: str, request: Any) -> tuple[bool, str]:
    client = node.create_client(StartBaseline, name)
    if not client.wait_for_service(timeout_sec=_ANSWER_S):
        return False, "does not answer"
    future = client.call_async(request)
    executor.spin_until_future_complete(future, timeout_sec=_ANSWER_S)
    if not future.done():
        return False, "does not answer"
    answer = future.result()
    return bool(answer.success), str(answer.message)
