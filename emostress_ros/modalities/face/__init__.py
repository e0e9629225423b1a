"""The face: camera image to expression embedding, free of ROS."""

from emostress_ros.modalities.face.detector import FaceDetector, Faces
from emostress_ros.modalities.face.encoder import ExpressionEncoder, Expressions
from emostress_ros.modalities.face.frontend import FaceObservation, FacePipeline
from emostress_ros.modalities.face.parameters import FaceConfig
from emostress_ros.modalities.face.quality import FaceQuality
from emostress_ros.modalities.face.tracker import FaceTracker, Track

__all__ = [
    "ExpressionEncoder",
    "Expressions",
    "FaceConfig",
    "FaceDetector",
    "FaceObservation",
    "FacePipeline",
    "FaceQuality",
    "FaceTracker",
    "Faces",
    "Track",
]
