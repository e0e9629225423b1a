"""Token ids in, embedding and calibrated answers out; the model's card says how.

Two kinds of model folder are understood: one whose ONNX file takes token ids (a fine-tuned
encoder with its heads), and one whose ONNX file holds only heads over the mean-pooled sentence
embedding of an encoder that a pip package brings (``extra.encoder`` in the card).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import CardError, ModelNotFoundError
from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.packaged import check_sha256, packaged_file
from emostress_ros.inference.session import Session
from emostress_ros.modalities.text.tokenizer import Tokens, WordPiece, pad

Outputs = dict[str, npt.NDArray[np.float32]]


class TextEncoder:
    """A text model, ready to run.

    Args:
        model: name of a model folder, or a path to one.
        providers: ONNX Runtime providers in order of preference.
        threads: threads of one operator.

    Attributes:
        card: the model's card.
        tokenizer: the tokenizer that belongs to it.
        provider: the provider that really runs.

    Raises:
        ModelNotFoundError: the folder, a file or a pip package is missing.
        ModelCorruptError: a file's hash is not that of the card.
        CardError: the card is not that of a text model.
    """

    def __init__(self, model: str, providers: Sequence[str] = ("cpu",), threads: int = 1) -> None:
        self.card = ModelCard.load(model)
        if self.card.modality != "text":
            raise CardError(f"model '{model}' is of modality '{self.card.modality}', not 'text'")
        extra = self.card.extra
        self.max_tokens = int(extra.get("max_tokens", 128))
        self.tokenizer = WordPiece(tokenizer_file(self.card), self.max_tokens)
        self._heads = Session(self.card, providers, threads)
        self._encoder: Session | None = None
        if "encoder" in extra:
            self._encoder = Session(_packaged(extra, "encoder", self.card), providers, threads)
        self.provider = self._heads.provider
        self.fallback = self._heads.fallback

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The models in use: the heads, and the packaged encoder where there is one."""
        return (self._heads,) if self._encoder is None else (self._heads, self._encoder)

    @property
    def languages(self) -> tuple[str, ...]:
        """Primary language subtags that the model was trained on."""
        return tuple(self.card.extra.get("languages", ("en",)))

    def encode(self, tokens: Sequence[Tokens]) -> Outputs:
        """Run N tokenised texts at once.

        Returns:
            the outputs of the card: ``embedding`` (N, D), ``probabilities`` (N, K) calibrated,
            ``valence`` and ``arousal`` (N,) in [-1, 1], ``stress`` (N,) in [0, 1] where the model
            has it, and what else the model offers.
        """
        ids, mask = pad([item.ids for item in tokens])
        if self._encoder is None:
            return self._heads.run({"input_ids": ids, "attention_mask": mask})
        return self._heads.run({"sentence": self._pooled(self._encoder, ids, mask)})

    def _pooled(
        self, encoder: Session, ids: npt.NDArray[np.int64], mask: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Mean of the token vectors over the mask (Reimers and Gurevych 2019), (N, D)."""
        offered = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        feed = {name: offered[name] for name in encoder.input_names}
        hidden = next(value for value in encoder.run(feed).values() if value.ndim == 3)
        weight = mask[:, :, None].astype(np.float32)
        pooled: npt.NDArray[np.float32] = (hidden * weight).sum(axis=1) / weight.sum(axis=1)
        return pooled


def tokenizer_file(card: ModelCard) -> Path:
    """Find a card's tokenizer: a file of the model folder, or of a pip package.

    Raises:
        CardError: the card does not say where it is.
        ModelNotFoundError: it is not there.
        ModelCorruptError: its hash is another.
    """
    entry = card.extra.get("tokenizer")
    if not isinstance(entry, Mapping) or "file" not in entry:
        return _packaged(card.extra, "tokenizer", card)
    if "sha256" not in entry:
        raise CardError(f"{card.identifier}: extra.tokenizer must name file and sha256")
    path = card.folder / str(entry["file"])
    if not path.is_file():
        raise ModelNotFoundError(f"{card.identifier} names the tokenizer {path}: no such file")
    check_sha256(path, str(entry["sha256"]))
    return path


def _packaged(extra: Mapping[str, Any], key: str, card: ModelCard) -> Path:
    """Find a file of a pip package that the card names under ``extra``."""
    entry = extra.get(key)
    if not isinstance(entry, Mapping) or not {"package", "path", "sha256"} <= set(entry):
        raise CardError(f"{card.identifier}: extra.{key} must name package, path and sha256")
    return packaged_file(
        str(entry["package"]),
        str(entry["path"]),
        str(entry["sha256"]),
        pip=str(entry.get("pip", "")),
    )
