"""Aligned embeddings in, affect out."""

from emostress_ros.fusion.parameters import FusionConfig
from emostress_ros.fusion.people import PersonDirectory
from emostress_ros.fusion.pipeline import FusionPipeline
from emostress_ros.fusion.strategies import STRATEGIES, load_fusion

__all__ = [
    "STRATEGIES",
    "FusionConfig",
    "FusionPipeline",
    "PersonDirectory",
    "load_fusion",
]
