"""From a window of speech to what the model perceives in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS, Embedding
from emostress_ros.errors import CardError
from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.session import Session
from emostress_ros.modalities.voice.parameters import VoiceConfig

Float32Array = npt.NDArray[np.float32]
MODALITY = "voice"
_INPUTS = ("waveform", "log_mel", "prosody")
_LEAST_VOICED = 3  # frames


@dataclass(frozen=True)
class SpeechFeatures:
    """What the front end knows of a window; a model takes the inputs that its card names.

    Attributes:
        waveform: (n,) float32 samples in [-1, 1] at 16 kHz.
        log_mel: (frames, 64) dB.
        prosody: (frames, 3) F0 in Hz, periodicity, level in dBFS.
    """

    waveform: Float32Array
    log_mel: Float32Array
    prosody: Float32Array


@dataclass(frozen=True)
class VoicePercept:
    """Output of the model for one window.

    Attributes:
        vector: (D,) embedding.
        probabilities: (K,) calibrated, over the model's own labels.
        valence: [-1, 1].
        arousal: [-1, 1].
    """

    vector: Float32Array
    probabilities: Float32Array
    valence: float
    arousal: float


class VoiceEncoder:
    """The sequence model of the voice modality.

    Args:
        config: names the model, the providers and the threads.

    Attributes:
        card: the model's card.
        provider: the execution provider that really runs.

    Raises:
        ModelNotFoundError, ModelCorruptError, CardError: the model cannot be used.
    """

    def __init__(self, config: VoiceConfig) -> None:
        self.card = ModelCard.load(config.model)
        self.session = Session(self.card, config.providers, config.threads)
        self.provider = self.session.provider
        unknown = [name for name in self.session.input_names if name not in _INPUTS]
        if self.card.modality != MODALITY or unknown:
            raise CardError(
                f"{self.card.identifier} is no voice model: modality '{self.card.modality}', "
                f"inputs {', '.join(self.session.input_names)}; allowed: {', '.join(_INPUTS)}"
            )
        self.labels = self.card.labels
        self._to_wire = wire_matrix(self.card)

    def perceive(self, features: SpeechFeatures) -> VoicePercept:
        """Run the model on one window.

        Raises:
            SignalError: the features hold NaN or have another shape than the model takes.
        """
        feed = {name: getattr(features, name)[None] for name in self.session.input_names}
        outputs = self.session.run(feed)
        return VoicePercept(
            vector=outputs["embedding"][0],
            probabilities=outputs["probabilities"][0],
            valence=float(np.clip(outputs["valence"][0], -1.0, 1.0)),
            arousal=float(np.clip(outputs["arousal"][0], -1.0, 1.0)),
        )

    def encode(
        self, features: SpeechFeatures, *, stamp_ns: int, window_ns: int, quality: float
    ) -> Embedding:
        """Return the embedding of one window, with probabilities over the wire's labels.

        Stress is NaN: no speech at hand carries labels of stress.

        Args:
            features: of the window.
            stamp_ns: end of the window, sensor clock.
            window_ns: length of the window.
            quality: [0, 1].
        """
        percept = self.perceive(features)
        return Embedding(
            stamp_ns=stamp_ns,
            modality=MODALITY,
            model=self.card.identifier,
            vector=percept.vector,
            quality=quality,
            window_ns=window_ns,
            labels=EMOTIONS,
            probabilities=percept.probabilities @ self._to_wire,
            valence=percept.valence,
            arousal=percept.arousal,
            measures=prosody_measures(features.prosody),
        )


def prosody_measures(prosody: Float32Array) -> dict[str, float]:
    """Return pitch and loudness of the voiced frames; empty where there are fewer than three.

    Args:
        prosody: (frames, 3) F0 in Hz (0: unvoiced), periodicity, level in dBFS.
    """
    voiced = prosody[prosody[:, 0] > 0]
    if len(voiced) < _LEAST_VOICED:
        return {}
    return {
        "pitch_hz": float(np.median(voiced[:, 0])),
        "loudness_dbfs": float(voiced[:, 2].mean()),
    }


def wire_matrix(card: ModelCard) -> Float32Array:
    """Return the (K, 7) matrix that sums native probabilities into those of the wire."""
    matrix = np.zeros((len(card.labels), len(EMOTIONS)), dtype=np.float32)
    for row, label in enumerate(card.wire_labels):
        matrix[row, EMOTIONS.index(label)] = 1.0
    return matrix
