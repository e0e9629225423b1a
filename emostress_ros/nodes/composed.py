"""``composed``: the whole graph in one process."""

from __future__ import annotations

import sys

import rclpy
from rclpy.node import Node

from emostress_ros.errors import ParameterError
from emostress_ros.nodes.names import MODALITY_NODES, node_names
from emostress_ros.nodes.registry import node_class
from emostress_ros.nodes.run import run_nodes


def main() -> int:
    """Run the nodes of the modalities in the parameter ``modalities`` of the node ``composed``."""
    try:
        names = node_names(_modalities())
    except ParameterError as error:
        print(f"ParameterError: {error}", file=sys.stderr)
        return 2
    return run_nodes([(node_class(name), name) for name in names])


def _modalities() -> list[str]:
    rclpy.init()
    node = Node("composed")
    value = node.declare_parameter("modalities", list(MODALITY_NODES)).value
    node.destroy_node()
    rclpy.shutdown()
    return list(value or [])


if __name__ == "__main__":
    raise SystemExit(main())
