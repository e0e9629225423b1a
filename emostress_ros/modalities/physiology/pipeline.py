"""The physiology of any number of people: chunks of samples in, embeddings out."""

from __future__ import annotations

from collections.abc import Iterator

from emostress_ros.affect import Embedding
from emostress_ros.errors import ModelError
from emostress_ros.inference import ModelCard, Session
from emostress_ros.modalities.physiology.encoder import PhysiologyEncoder
from emostress_ros.modalities.physiology.features import measures
from emostress_ros.modalities.physiology.frontend import PhysiologyFrontEnd, Views
from emostress_ros.modalities.physiology.parameters import PhysiologyConfig

MODALITY = "physiology"


class PhysiologyPipeline(PhysiologyFrontEnd):
    """From samples to embeddings, for every person.

    Args:
        config: see `PhysiologyConfig`.
        encoder: replaces the model that `config.model` names.
        encoder_rest: replaces the model that `config.model_rest` names.

    Attributes:
        embeddings: embeddings made so far.
        low_quality: windows too poor for one.

    Raises:
        ModelError: a model is missing, damaged or not of this modality.
    """

    def __init__(
        self,
        config: PhysiologyConfig | None = None,
        encoder: PhysiologyEncoder | None = None,
        encoder_rest: PhysiologyEncoder | None = None,
    ) -> None:
        super().__init__(config or PhysiologyConfig())
        self.embeddings = self.low_quality = 0
        self.encoder = encoder or self._load(self.config.model)
        if self.encoder.needs_rest:
            raise ModelError(
                f"model '{self.encoder.card.name}' needs a resting baseline: set it as "
                f"'model_rest', and a model that works without one as 'model'"
            )
        if encoder_rest is None and self.config.model_rest:
            encoder_rest = self._load(self.config.model_rest)
        self.encoder_rest = encoder_rest

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Sessions of the models in use."""
        encoders = (self.encoder, self.encoder_rest)
        return tuple(encoder.session for encoder in encoders if encoder is not None)

    def step(self, person_id: str | None = None) -> list[Embedding]:
        """Return the embeddings of all windows due, of one person or (None) of everyone."""
        chosen = self.persons if person_id is None else (person_id,)
        return [embedding for name in chosen for embedding in self._embeddings(name)]

    def _load(self, name: str) -> PhysiologyEncoder:
        card = ModelCard.load(name)
        return PhysiologyEncoder(card, self.config.providers, self.config.threads)

    def _embeddings(self, person_id: str) -> Iterator[Embedding]:
        for view in self.views(person_id):
            if not view.timed.window.channels or view.quality < self.config.min_quality:
                self.low_quality += 1
                continue
            self.embeddings += 1
            yield self.encode(person_id, view)

    def encode(self, person_id: str, view: Views) -> Embedding:
        """Return the embedding of one window, against the person's rest where it is known."""
        encoder = self.encoder
        if self.encoder_rest is not None and "relative" in view.by_name:
            encoder = self.encoder_rest
        encoding = encoder.encode(view.by_name)
        timed = view.timed
        return Embedding(
            stamp_ns=timed.stamp_ns,
            modality=MODALITY,
            model=encoder.card.identifier,
            vector=encoding.vector,
            quality=view.quality,
            window_ns=timed.stamp_ns - timed.start_ns,
            person_id=person_id,
            source_id=timed.device_id,
            stress=encoding.stress,
            measures=measures(timed.window.values),
        )
