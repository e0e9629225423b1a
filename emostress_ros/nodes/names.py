"""The nodes of the suite by name; a new modality is one more line."""

from __future__ import annotations

from emostress_ros.errors import ParameterError

MODALITY_NODES: dict[str, str] = {
    "face": "FaceNode",
    "voice": "VoiceNode",
    "physiology": "PhysiologyNode",
    "text": "TextNode",
}
"""Modality to the class in ``emostress_ros.nodes.<modality>_node``."""

LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
"""What ``--log-level`` takes; rclpy ends a node that is given another."""

COMMON_NODES: dict[str, str] = {"fusion_node": "FusionNode", "behaviour_node": "BehaviourNode"}


def node_names(modalities: list[str]) -> list[str]:
    """Return the names of the nodes of a graph with these modalities.

    Raises:
        ParameterError: an unknown modality, or none at all.
    """
    unknown = [name for name in modalities if name not in MODALITY_NODES]
    if unknown or not modalities:
        raise ParameterError(
            f"modalities must be one or more of {', '.join(MODALITY_NODES)}; "
            f"got {', '.join(unknown) or 'none'}"
        )
    return [*(f"{name}_node" for name in modalities), *COMMON_NODES]
