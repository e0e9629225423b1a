"""A robot's own node that listens to states, and heeds what they do not know.

python examples/greeter.py
"""

from __future__ import annotations

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from std_msgs.msg import String

from emostress_ros.msg import AffectState

SURE = 0.7


def greeting(state: AffectState) -> str:
    """Return what to say to a person; empty where the state does not carry a sentence."""
    if state.stress_level == AffectState.HIGH and state.stress_confidence >= SURE:
        return "Shall I come back later?"
    if state.emotion == "unknown" or state.confidence < SURE:
        return ""  # a robot that is not sure keeps its guess to itself
    return {"happy": "You look cheerful!", "sad": "Is there anything I can do?"}.get(
        state.emotion, ""
    )


class Greeter(Node):
    """Subscribes to ``affect``, publishes on ``say``; the same sentence only once in a row."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__("greeter", **kwargs)
        self._said: dict[str, str] = {}
        self._say = self.create_publisher(String, "say", 10)
        self.create_subscription(AffectState, "affect", self._on_state, 10)

    def _on_state(self, state: AffectState) -> None:
        sentence = greeting(state)
        if sentence and self._said.get(state.person_id) != sentence:
            self._said[state.person_id] = sentence
            self._say.publish(String(data=sentence))


def main() -> None:
    """Run the node until it is interrupted."""
    rclpy.init()
    try:
        rclpy.spin(Greeter())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass


if __name__ == "__main__":
    main()
