"""``behaviour_node``: affect in, behaviour cues out."""

from __future__ import annotations

from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile

from emostress_ros.behaviour import BehaviourConfig, BehaviourEngine, Cue, load_rules
from emostress_ros.msg import AffectState, BehaviourCue
from emostress_ros.nodes.base import InputTopic, ManagedNode
from emostress_ros.nodes.conversions import affect_from_msg, cue_to_msg
from emostress_ros.nodes.run import run_node

_EXPIRY_CHECK_S = 0.2


class BehaviourNode(ManagedNode):
    """Subscribes to ``affect``, publishes ``behaviour``; says the safe default when unsure."""

    config_class = BehaviourConfig

    def setup(self, config: BehaviourConfig) -> None:
        """Read the rules and create the publisher."""
        assert self.monitor is not None
        rules = load_rules(config.rules)
        self.engine = BehaviourEngine(rules, config.timeout_s, config.max_people)
        # The last cues reach a behaviour tree that starts late.
        qos = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._behaviour = self.create_lifecycle_publisher(BehaviourCue, "behaviour", qos)
        self.monitor.facts["rules"] = ", ".join(rule.name for rule in rules.rules)

    def inputs(self) -> list[InputTopic]:
        """Return the states' topic."""
        return [InputTopic("affect", AffectState, self._on_affect, depth=50)]

    def activated(self) -> None:
        """Take cues back when the states stop."""
        self.every(_EXPIRY_CHECK_S, self._expire)

    def teardown(self) -> None:
        """Release the publisher."""
        self.destroy_lifecycle_publisher(self._behaviour)

    def _on_affect(self, message: Any) -> None:
        with self.lock:
            cues = self.engine.update(affect_from_msg(message), self.now_ns())
        self._give(cues)

    def _expire(self) -> None:
        with self.lock:
            cues = self.engine.expire(self.now_ns())
        self._give(cues)

    def _give(self, cues: list[Cue]) -> None:
        assert self.monitor is not None
        for cue in cues:
            self.get_logger().info(f"{cue.person_id}: {cue.cue} ({cue.reason})")
            self._behaviour.publish(cue_to_msg(cue))
            self.monitor.published("behaviour", cue.stamp_ns)


def main() -> int:
    """Run the node as a process of its own."""
    return run_node(BehaviourNode, "behaviour_node")


if __name__ == "__main__":
    raise SystemExit(main())
