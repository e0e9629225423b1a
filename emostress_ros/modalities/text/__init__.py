"""The text modality: an utterance in, an embedding with emotion and stress out."""

from emostress_ros.modalities.text.encoder import TextEncoder
from emostress_ros.modalities.text.frontend import TextPipeline
from emostress_ros.modalities.text.parameters import TextConfig

__all__ = ["TextConfig", "TextEncoder", "TextPipeline"]
