"""Nodes start where rclpy keeps things as it did in Humble."""

from __future__ import annotations

import subprocess
import sys

AS_IN_HUMBLE = """
import sys, types
import rclpy.event_handler as now, rclpy.executors, rclpy.lifecycle
before = types.ModuleType("rclpy.qos_event")
before.QoSEventHandler = now.EventHandler
before.SubscriptionEventCallbacks = now.SubscriptionEventCallbacks
sys.modules["rclpy.qos_event"], sys.modules["rclpy.event_handler"] = before, None
# It took and executed apart.
rclpy.executors.Executor._execute_subscription = None

import rclpy
from emostress_ros.nodes.behaviour_node import BehaviourNode
from emostress_ros.nodes.executor import LeanExecutor, make_executor

rclpy.init()
node = BehaviourNode("behaviour_node")
executor, why = make_executor()
executor.add_node(node)
node.autostart()
executor.spin_once(timeout_sec=0.1)
print(type(executor).__name__, why, node.get_publishers_info_by_topic("/behaviour") != [])
executor.shutdown()
node.destroy_node()
rclpy.shutdown()
"""


def test_a_node_starts_and_is_spun_by_rclpys_own_executor():
    done = subprocess.run(
        [sys.executable, "-c", AS_IN_HUMBLE], capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "PatientExecutor", "rclpy's", "executor", "takes", "and", "executes", "apart", "True"
    ]  # fmt: skip
