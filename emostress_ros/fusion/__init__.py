"""Aligned embeddings in, affect out."""

from emostress_ros.fusion.late import LateFusion
from emostress_ros.fusion.parameters import FusionConfig
from emostress_ros.fusion.people import PersonDirectory
from emostress_ros.fusion.pipeline import FusionPipeline

__all__ = ["FusionConfig", "FusionPipeline", "LateFusion", "PersonDirectory"]
