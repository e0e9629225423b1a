"""Model cards and ONNX Runtime sessions."""

from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.packaged import packaged_file
from emostress_ros.inference.session import Session

__all__ = ["ModelCard", "Session", "packaged_file"]
