"""The physiology modality: a wearable's samples in, an embedding with a stress estimate out."""

from emostress_ros.modalities.physiology.encoder import PhysiologyEncoder
from emostress_ros.modalities.physiology.frontend import PhysiologyFrontEnd
from emostress_ros.modalities.physiology.parameters import PhysiologyConfig
from emostress_ros.modalities.physiology.pipeline import PhysiologyPipeline

__all__ = ["PhysiologyConfig", "PhysiologyEncoder", "PhysiologyFrontEnd", "PhysiologyPipeline"]
