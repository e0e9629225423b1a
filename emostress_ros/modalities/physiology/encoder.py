"""Features of a window to an embedding and a calibrated probability of stress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import CardError, SignalError
from emostress_ros.inference import ModelCard, Session
from emostress_ros.modalities.physiology.features import NAMES
from emostress_ros.person.adaptation import Adaptation

VIEWS: Mapping[str, str] = {
    "values": "the features as they are",
    "relative": "minus the mean at rest",
    "rank": "rank among the past, [-0.5, 0.5]",
    "change": "minus the mean of the last five minutes",
}
"""Ways to look at a feature vector."""

Vector = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Encoding:
    """What the model says of one window.

    Attributes:
        vector: shape (D,), float32.
        stress: calibrated probability of stress, [0, 1].
    """

    vector: npt.NDArray[np.float32]
    stress: float


class PhysiologyEncoder:
    """A model of stress over named features.

    Args:
        card: a model of modality `physiology`, whose `extra.views` maps each view it wants to names
            of `features.NAMES`; `extra.adaptation` makes it one person's, see `person.adaptation`.
        providers: execution providers in order of preference.
        threads: threads of one inference.

    Raises:
        CardError: the card names a feature or view that this front end does not make.
        ModelError: the weights are missing or damaged.
    """

    def __init__(
        self, card: ModelCard, providers: Sequence[str] = ("cpu",), threads: int = 1
    ) -> None:
        if card.modality != "physiology" or "stress" not in card.task:
            raise CardError(
                f"{card.name}: need a model of modality physiology and task stress; "
                f"got {card.modality}, {', '.join(card.task)}"
            )
        self.card = card
        self._columns = _columns(card)
        self._adaptation = _adaptation(card)
        self.session = Session(card, providers, threads)

    @property
    def needs_rest(self) -> bool:
        """Whether the model reads a person against their resting baseline."""
        return "relative" in self._columns

    def encode(self, views: Mapping[str, Vector]) -> Encoding:
        """Encode one window.

        Args:
            views: view name to a vector in the order of `features.NAMES`; NaN where missing.
        """
        wanted = np.concatenate([views[view][columns] for view, columns in self._columns.items()])
        outputs = self.session.run(model_inputs(wanted))
        stress = float(np.clip(outputs["stress"][0], 0.0, 1.0))
        vector = np.asarray(outputs["embedding"][0], np.float32)
        if self._adaptation is not None:
            stress = self._adaptation.apply_probability(stress, vector)
        return Encoding(vector, stress)


def model_inputs(features: npt.NDArray[np.floating]) -> dict[str, npt.NDArray[np.float32]]:
    """Return what the model is fed of one window.

    Args:
        features: shape (inputs,), NaN where missing.
    """
    present = np.isfinite(features)
    return {
        "features": np.where(present, features, 0.0).astype(np.float32)[None],
        "present": present.astype(np.float32)[None],
    }


def _adaptation(card: ModelCard) -> Adaptation | None:
    """What `emostress personalise` changed for one person, if anything."""
    held = card.extra.get("adaptation")
    if held is None:
        return None
    try:
        adaptation = Adaptation.from_dict(held)
    except SignalError as error:
        raise CardError(f"{card.name}: extra.adaptation: {error}") from error
    if len(adaptation.shift) != 2 or len(adaptation.weights) not in (0, card.embedding_dim):
        raise CardError(
            f"{card.name}: extra.adaptation must have 2 classes and weights on none or all of "
            f"{card.embedding_dim} dimensions; got {len(adaptation.shift)} and "
            f"{len(adaptation.weights)}"
        )
    return adaptation


def _columns(card: ModelCard) -> dict[str, npt.NDArray[np.int64]]:
    """Where the model's inputs lie in the front end's views, in the model's order."""
    wanted = card.extra.get("views") or {}
    if not isinstance(wanted, Mapping) or not wanted:
        raise CardError(f"{card.name}: extra.views must map views to features; got {wanted!r}")
    for view, names in wanted.items():
        if view not in VIEWS:
            raise CardError(f"{card.name}: view must be one of {', '.join(VIEWS)}; got '{view}'")
        unknown = [name for name in names if name not in NAMES]
        if unknown:
            raise CardError(
                f"{card.name}: features of view {view} must be of {', '.join(NAMES)}; got {unknown}"
            )
    return {
        view: np.array([NAMES.index(name) for name in names], np.int64)
        for view, names in wanted.items()
    }
