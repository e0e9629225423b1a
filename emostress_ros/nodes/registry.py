"""Finds the class of a node by its name."""

from __future__ import annotations

import importlib

from emostress_ros.nodes.base import ManagedNode
from emostress_ros.nodes.names import COMMON_NODES, MODALITY_NODES


def node_class(name: str) -> type[ManagedNode]:
    """Return the class of a node by its name, such as ``face_node``."""
    class_name = COMMON_NODES.get(name) or MODALITY_NODES[name.removesuffix("_node")]
    module = importlib.import_module(f"emostress_ros.nodes.{name}")
    return getattr(module, class_name)
