"""Model cards, and sessions that run them over ONNX Runtime or TensorRT."""

from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.packaged import packaged_file
from emostress_ros.inference.session import Session

__all__ = ["ModelCard", "Session", "packaged_file"]
