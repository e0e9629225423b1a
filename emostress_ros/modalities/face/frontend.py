"""The face path from image to embedding, in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS, Embedding
from emostress_ros.inference import Session
from emostress_ros.modalities.face.alignment import align_faces
from emostress_ros.modalities.face.boxes import Faces, iou
from emostress_ros.modalities.face.detector import FaceDetector
from emostress_ros.modalities.face.encoder import ExpressionEncoder, Expressions
from emostress_ros.modalities.face.mouth import MouthMotion
from emostress_ros.modalities.face.parameters import FaceConfig
from emostress_ros.modalities.face.quality import FaceQuality, assess_each
from emostress_ros.modalities.face.regions import REGION_PX, GuidedDetector
from emostress_ros.modalities.face.tracker import FaceTracker, Track
from emostress_ros.modalities.face.turns import Turns

MODALITY = "face"
_LOYALTY = 1.3  # where there are too many faces, a newcomer has to be this much larger
_SAME_PLACE = 0.3  # least overlap (IoU) with a followed face


@dataclass(frozen=True)
class FaceObservation:
    """One face in one frame.

    Attributes:
        track_id: ``face_1``, ``face_2``, …: the same face keeps it from frame to frame.
        box: (4,) smoothed left, top, right, bottom, px.
        landmarks: (5, 2) right eye, left eye, nose, right and left corner of the mouth, px.
        score: of the detection, [0, 1].
        quality: size, sharpness and pose.
        embedding: what the expression model says; its ``source_id`` is the track id.
    """

    track_id: str
    box: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    score: float
    quality: FaceQuality
    embedding: Embedding


class FacePipeline:
    """Detect, track, align, judge, encode.

    Raises:
        ModelNotFoundError, CardError, ModelCorruptError: a model cannot be used.
    """

    def __init__(self, config: FaceConfig | None = None) -> None:
        self.config = config = config or FaceConfig()
        self.detector = GuidedDetector(
            self._detector(config.detect_width, config.detect_height),
            self._detector(REGION_PX, REGION_PX),
            config.detect_interval_s,
        )
        self.tracker = FaceTracker(
            config.track_memory_s, config.track_iou, config.track_reach, config.track_smoothing
        )
        self.encoder = ExpressionEncoder(
            config.model, config.providers, config.threads, config.precision
        )
        self._mouths = MouthMotion()
        self._turns = Turns(config.expression_rate_hz)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Sessions of the detector and of the expression model."""
        return (self.detector.whole.session, self.encoder.session)

    def process(self, image: npt.NDArray[np.uint8], stamp_ns: int) -> list[FaceObservation]:
        """Return what is seen in one frame, the largest face first; empty where no face is.

        With an ``expression_rate_hz`` below that of the frames, a frame tells of the faces whose
        turn it is; all are followed.

        Args:
            image: (H, W, 3) uint8 RGB.
            stamp_ns: of the frame, sensor clock, >= 0.

        Raises:
            SignalError: the image is empty or of another shape or dtype.
            StampError: a negative stamp.
        """
        expected = self.tracker.expected(stamp_ns)
        faces = self._choose(self.detector.detect(image, stamp_ns, expected))
        tracks = self.tracker.update(faces.boxes, stamp_ns)
        if len(faces) == 0:
            return []
        crops = align_faces(image, faces.landmarks)
        qualities = assess_each(crops, faces.boxes, faces.landmarks)
        names = [track.name for track in tracks]
        motions = self._mouths.update(names, crops, stamp_ns)
        rows = self._turns.choose(names, stamp_ns)
        expressions = self.encoder.encode(crops[rows])
        return [
            self._observe(
                faces[slice(row, row + 1)], tracks[row], qualities[row], expressions[place],
                motions[row], stamp_ns,
            ) for place, row in enumerate(rows)
        ]  # fmt: skip

    def reset(self) -> None:
        """Forget every tracked face."""
        self.tracker.reset()
        self.detector.reset()
        self._mouths.reset()
        self._turns.reset()

    def _detector(self, width: int, height: int) -> FaceDetector:
        config = self.config
        return FaceDetector(
            width, height, config.detect_score, config.detect_overlap, config.providers,
            config.threads,
        )  # fmt: skip

    def _choose(self, faces: Faces) -> Faces:
        """Keep the largest faces that are large enough and whose landmarks make sense."""
        # A few faces: each call of numpy would cost more than all of this.
        eyes = [math.dist(*pair) for pair in faces.landmarks[:, :2].tolist()]
        sides = [min(right - left, low - top) for left, top, right, low in faces.boxes.tolist()]
        rows = [row for row, side in enumerate(sides)
                if side >= self.config.min_face_px and eyes[row] > 1.0]  # fmt: skip
        if len(rows) > self.config.max_faces:
            known = self._followed(faces[np.array(rows)])
            worth = {row: sides[row] * (_LOYALTY if near else 1.0)
                     for row, near in zip(rows, known, strict=True)}  # fmt: skip
            rows = sorted(rows, key=lambda row: -worth[row])[: self.config.max_faces]
        rows.sort(key=lambda row: -sides[row])
        return faces[np.array(rows, np.intp)]

    def _followed(self, faces: Faces) -> npt.NDArray[np.bool_]:
        """(n,) True for a face that stands where one was when last seen."""
        places = [track.box for track in self.tracker.tracks]
        if not places:
            return np.zeros(len(faces), np.bool_)
        near: npt.NDArray[np.bool_] = iou(faces.boxes, np.stack(places)).max(axis=1) >= _SAME_PLACE
        return near

    def _observe(
        self,
        face: Faces,
        track: Track,
        quality: FaceQuality,
        expression: Expressions,
        mouth_motion: float | None,
        stamp_ns: int,
    ) -> FaceObservation:
        embedding = Embedding(
            stamp_ns=stamp_ns,
            modality=MODALITY,
            model=self.encoder.card.identifier,
            vector=expression.vectors[0],
            quality=quality.combined,
            source_id=track.name,
            labels=EMOTIONS,
            probabilities=expression.probabilities[0],
            valence=float(expression.valence[0]),
            arousal=float(expression.arousal[0]),
            measures={} if mouth_motion is None else {"mouth_motion": mouth_motion},
        )
        return FaceObservation(
            track_id=track.name,
            box=track.box.astype(np.float32),
            landmarks=face.landmarks[0],
            score=float(face.scores[0]),
            quality=quality,
            embedding=embedding,
        )
