"""Who is who, as a ROS4HRI person manager says it (REP-155).

``/humans/persons/<person>/face_id`` and ``.../voice_id`` name, as ``std_msgs/String``, the face and
the voice that belong to a person.  The topics are found by their names, so that ``hri_msgs`` need
not be installed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import String

_TOPIC = re.compile(r"^/humans/persons/(?P<person>[^/]+)/(face_id|voice_id)$")
_TYPE = "std_msgs/msg/String"


class HumanIds:
    """Follows the ids of every person that is announced.

    Args:
        node: whose subscriptions they are.
        name: called with (source id, person) when an id is told, and with (source id, None) when
            the person names another one or is gone.
    """

    def __init__(self, node: Node, name: Callable[[str, str | None], None]) -> None:
        self._node, self._name = node, name
        self._subscriptions: dict[str, Any] = {}
        self._sources: dict[str, str] = {}

    def look(self) -> None:
        """Subscribe to the people who have come and let go of those who have left."""
        told = {
            topic: match["person"]
            for topic, types in self._node.get_topic_names_and_types()
            if _TYPE in types and (match := _TOPIC.match(topic))
        }
        publishers = {topic: self._node.get_publishers_info_by_topic(topic) for topic in told}
        for topic in [topic for topic in self._subscriptions if not publishers.get(topic)]:
            self._leave(topic)
        for topic, person in told.items():
            if topic not in self._subscriptions and publishers[topic]:
                self._follow(topic, person, publishers[topic][0].qos_profile)

    def close(self) -> None:
        """Let go of everybody."""
        for topic in list(self._subscriptions):
            self._leave(topic)

    def _follow(self, topic: str, person: str, offered: QoSProfile) -> None:
        # Ids are mostly latched; to hear a latched one, one must ask for it as it is offered.
        qos = QoSProfile(depth=1, durability=offered.durability, reliability=offered.reliability)

        def heard(message: Any) -> None:
            self._tell(topic, message.data, person)

        self._subscriptions[topic] = self._node.create_subscription(String, topic, heard, qos)

    def _tell(self, topic: str, source_id: str, person: str) -> None:
        self._untell(topic)
        if source_id:
            self._sources[topic] = source_id
            self._name(source_id, person)

    def _untell(self, topic: str) -> None:
        source_id = self._sources.pop(topic, None)
        if source_id is not None:
            self._name(source_id, None)

    def _leave(self, topic: str) -> None:
        self._node.destroy_subscription(self._subscriptions.pop(topic))
        self._untell(topic)
