"""Aligned faces in, expressions out: the ONNX model and its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS
from emostress_ros.errors import ModelCorruptError, SignalError
from emostress_ros.inference import ModelCard, Session
from emostress_ros.inference.bound import BoundRun
from emostress_ros.inference.variants import choose
from emostress_ros.modalities.face.alignment import SIDE

FloatArray = npt.NDArray[np.float32]
_MOST_BOUND = 16  # faces of a frame, for which runs are kept; more are those of a data set


@dataclass(frozen=True)
class Expressions:
    """What the model says of N faces.

    Attributes:
        vectors: (N, D) embeddings.
        probabilities: (N, 7) calibrated, in the order of :data:`EMOTIONS`.
        native: (N, K) calibrated, in the order of the card's ``labels``.
        valence: (N,) in [-1, 1].
        arousal: (N,) in [-1, 1].
    """

    vectors: FloatArray
    probabilities: FloatArray
    native: FloatArray
    valence: FloatArray
    arousal: FloatArray

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, row: int) -> Expressions:
        """What the model says of one face, as N = 1."""
        part = slice(row, row + 1)
        return Expressions(
            self.vectors[part], self.probabilities[part], self.native[part],
            self.valence[part], self.arousal[part],
        )  # fmt: skip


class ExpressionEncoder:
    """Runs the expression model on a batch of faces.  One thread at a time: its arrays stay.

    Args:
        model: model folder, its name under ``models/``, or a card.
        providers: ONNX Runtime providers in order of preference.
        threads: threads of one run.
        precision: of :data:`~emostress_ros.inference.variants.PRECISIONS`; a score is one of
            ``fp32`` where nothing else is asked for, so that it is the same on every machine.

    Attributes:
        card: the model's card.
        session: says which provider really runs.

    Raises:
        ModelNotFoundError, CardError, ModelCorruptError: the model cannot be used.
    """

    def __init__(
        self,
        model: str | ModelCard,
        providers: Sequence[str] = ("cpu",),
        threads: int = 1,
        precision: str = "fp32",
    ) -> None:
        card = model if isinstance(model, ModelCard) else ModelCard.load(model)
        self.card = choose(card, precision, providers)
        self.session = Session(self.card, providers=providers, threads=threads)
        needed = {"embedding", "probabilities", "valence", "arousal"}
        missing = needed - set(self.session.output_names)
        if self.session.input_names != ["face"] or missing:
            raise ModelCorruptError(
                f"{self.card.identifier} is not a face model: it needs the input 'face' and the "
                f"outputs {', '.join(sorted(needed))}"
            )
        self._to_wire = np.zeros((len(self.card.labels), len(EMOTIONS)), np.float32)
        for row, label in enumerate(self.card.wire_labels):
            self._to_wire[row, EMOTIONS.index(label)] = 1.0
        self._runs: dict[int, BoundRun] = {}

    def encode(self, faces: npt.NDArray[np.uint8]) -> Expressions:
        """Read expressions from (N, 48, 48) uint8 grey faces in FER2013's framing.

        Raises:
            SignalError: another shape or dtype.
        """
        if faces.dtype != np.uint8 or faces.ndim != 3 or faces.shape[1:] != (SIDE, SIDE):
            raise SignalError(
                f"faces must be (N, {SIDE}, {SIDE}) uint8; got {faces.shape} {faces.dtype}"
            )
        if len(faces) == 0:
            return self._empty()
        outputs = self._run(faces[:, None])
        native = outputs["probabilities"]
        valence, arousal = (
            np.minimum(np.maximum(outputs[name], -1.0), 1.0) for name in ("valence", "arousal")
        )
        return Expressions(outputs["embedding"], native @ self._to_wire, native, valence, arousal)

    def _run(self, faces: npt.NDArray[np.uint8]) -> dict[str, FloatArray]:
        """Return the model's outputs for (n, 1, 48, 48) faces, the caller's to keep."""
        if len(faces) > _MOST_BOUND:
            return self.session.run({"face": faces})
        if len(faces) not in self._runs:
            self._runs[len(faces)] = self.session.bound({"face": np.zeros_like(faces)})
        run = self._runs[len(faces)]
        run.inputs["face"][...] = faces
        outputs = zip(self.session.output_names, run.run(), strict=True)
        return {name: value.copy() for name, value in outputs}

    def _empty(self) -> Expressions:
        dims = (self.card.embedding_dim, len(EMOTIONS), len(self.card.labels))
        vectors, wire, native = (np.empty((0, size), np.float32) for size in dims)
        nothing = np.empty(0, np.float32)
        return Expressions(vectors, wire, native, nothing, nothing)
