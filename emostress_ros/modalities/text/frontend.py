"""From one utterance to one embedding: cleaning, judging its quality, encoding."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter

import numpy as np

from emostress_ros.affect import Embedding
from emostress_ros.errors import SignalError, StampError
from emostress_ros.inference.session import Session
from emostress_ros.modalities.text.encoder import Outputs, TextEncoder
from emostress_ros.modalities.text.parameters import TextConfig
from emostress_ros.modalities.text.tokenizer import Tokens, clean

MODALITY = "text"
_UNDETERMINED = ("", "und", "c", "posix", "mul", "zxx")


class TextPipeline:
    """Reads utterances one at a time.

    Args:
        config: parameters.

    Attributes:
        counts: how many utterances were ``read``, ``empty``, ``truncated``, ``foreign``.
        reasons: why the quality of the last utterance is below 1; empty when it is not.

    Raises:
        ModelError: the model cannot be used; see :class:`TextEncoder`.
    """

    def __init__(self, config: TextConfig | None = None) -> None:
        self.config = config or TextConfig()
        self.encoder = TextEncoder(self.config.model, self.config.providers, self.config.threads)
        self.counts: Counter[str] = Counter()
        self.reasons: tuple[str, ...] = ()

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The models in use, for diagnostics."""
        return self.encoder.sessions

    def reset(self) -> None:
        """Forget the last utterance; the counts go on."""
        self.reasons = ()

    def process(
        self,
        text: str,
        stamp_ns: int,
        start_ns: int = 0,
        end_ns: int = 0,
        person_id: str = "",
        confidence: float = math.nan,
        locale: str = "",
    ) -> Embedding | None:
        """Encode one utterance.

        Args:
            text: what was said or typed.
            stamp_ns: stamp of the message, nanoseconds; it becomes the embedding's.
            start_ns: when the speaker began, nanoseconds; 0 when not known.
            end_ns: when the speaker ended, nanoseconds; 0 when not known.
            person_id: the speaker; empty when not known.
            confidence: of the recogniser, [0, 1]; NaN when not given.
            locale: BCP 47 tag such as ``en-GB``; empty when not known.

        Returns:
            the embedding, or None when the text holds nothing to read.

        Raises:
            SignalError: text is no string, or confidence lies outside [0, 1].
            StampError: the utterance ends before it begins.
        """
        _check(text, confidence, start_ns, end_ns)
        self.counts["read"] += 1
        cleaned = clean(text, self.config.max_characters)
        if not any(character.isalnum() for character in cleaned):
            self.counts["empty"] += 1
            self.reasons = ("nothing to read",)
            return None
        tokens = self.encoder.tokenizer.encode([cleaned])[0]
        quality = self._quality(text, cleaned, tokens, confidence, locale)
        outputs = self.encoder.encode([tokens])
        return self._embedding(outputs, quality, stamp_ns, max(0, end_ns - start_ns), person_id)

    def _quality(
        self, text: str, cleaned: str, tokens: Tokens, confidence: float, locale: str
    ) -> float:
        """Multiply what each doubt leaves of the trust, and remember the reasons."""
        config, reasons = self.config, []
        stated = config.unstated_confidence if math.isnan(confidence) else confidence
        quality = stated * (1.0 - tokens.unknown)
        if stated < 0.5:
            reasons.append(f"the recogniser is {stated:.0%} sure")
        if tokens.unknown > 0.2:
            reasons.append(f"{tokens.unknown:.0%} of the words are not in the vocabulary")
        if tokens.words < config.full_quality_words:
            quality *= 0.5 + 0.5 * tokens.words / config.full_quality_words
            reasons.append(f"only {tokens.words} word(s)")
        if tokens.truncated or len(text) > config.max_characters:
            self.counts["truncated"] += 1
            reasons.append(f"cut to {len(tokens.ids)} tokens")
        foreign = self._foreign(cleaned, locale)
        if foreign:
            self.counts["foreign"] += 1
            quality *= config.foreign_quality
            reasons.append(foreign)
        self.reasons = tuple(reasons)
        return float(min(1.0, max(0.0, quality)))

    def _foreign(self, cleaned: str, locale: str) -> str:
        """Say why the text is not in a language of the model; empty when it may be."""
        language = locale.replace("_", "-").split("-")[0].split(".")[0].strip().lower()
        known = self.encoder.languages
        if language not in _UNDETERMINED and language not in known:
            return f"locale '{locale}' is not of {', '.join(known)}"
        letters = [character for character in cleaned if character.isalpha()]
        latin = sum("LATIN" in unicodedata.name(character, "") for character in letters)
        if letters and latin < 0.5 * len(letters):
            return "not in Latin script"
        return ""

    def _embedding(
        self, outputs: Outputs, quality: float, stamp_ns: int, window_ns: int, person_id: str
    ) -> Embedding:
        probabilities = outputs["probabilities"][0].astype(np.float32)
        return Embedding(
            stamp_ns=stamp_ns,
            modality=MODALITY,
            model=self.encoder.card.identifier,
            vector=outputs["embedding"][0].astype(np.float32),
            quality=quality,
            window_ns=window_ns,
            person_id=person_id,
            labels=self.encoder.card.wire_labels,
            probabilities=probabilities / probabilities.sum(),
            valence=float(np.clip(outputs["valence"][0], -1.0, 1.0)),
            arousal=float(np.clip(outputs["arousal"][0], -1.0, 1.0)),
            stress=_optional(outputs, "stress"),
        )


def _optional(outputs: Outputs, name: str) -> float:
    """A probability that a model may not offer: NaN then."""
    return float(np.clip(outputs[name][0], 0.0, 1.0)) if name in outputs else math.nan


def _check(text: object, confidence: float, start_ns: int, end_ns: int) -> None:
    if not isinstance(text, str):
        raise SignalError(f"text must be a string; got {type(text).__name__}")
    if not math.isnan(confidence) and not 0.0 <= confidence <= 1.0:
        raise SignalError(f"confidence must lie in [0, 1] or be NaN; got {confidence!r}")
    if end_ns and end_ns < start_ns:
        raise StampError(f"the utterance ends ({end_ns}) before it begins ({start_ns})")
