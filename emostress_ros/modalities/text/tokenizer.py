"""From raw text to token ids: cleaning, then the WordPiece of the encoder's own package."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from emostress_ros.errors import ModelCorruptError

_SPACES = re.compile(r"\s+")
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn")
_EMOJI_BLOCKS = ((0x1F300, 0x1FAFF), (0x2600, 0x27BF))


def clean(text: str, max_characters: int) -> str:
    """Return text without control characters, its emoji named in words, spaces collapsed.

    WordPiece knows almost no emoji: each would become ``[UNK]``, and a message of one emoji would
    say nothing. Its Unicode name ("crying face") is plain English.

    Args:
        text: any string, lone surrogates and control characters included.
        max_characters: what follows is cut before anything else looks at it.
    """
    characters = []
    for character in text[:max_characters]:
        if character.isspace():
            characters.append(" ")
        elif _is_emoji(character):
            characters.append(f" {unicodedata.name(character, '').lower()} ")
        elif unicodedata.category(character) not in _INVISIBLE:
            characters.append(character)
    joined = unicodedata.normalize("NFC", "".join(characters))
    return _SPACES.sub(" ", joined).strip()


@dataclass(frozen=True)
class Tokens:
    """One tokenised text.

    Attributes:
        ids: T token ids, ``[CLS]`` and ``[SEP]`` included; at most ``max_tokens``.
        words: number of words before the cut.
        unknown: share of the tokens that the vocabulary does not hold, [0, 1].
        truncated: whether tokens were cut.
    """

    ids: list[int]
    words: int
    unknown: float
    truncated: bool


class WordPiece:
    """A tokenizer read from ``tokenizer.json``: BERT's WordPiece, or another encoder's.

    Args:
        path: the file.
        max_tokens: longer texts are cut to this, special tokens included.

    Raises:
        ModelCorruptError: the file is not a tokenizer with ``[UNK]`` or ``<unk>``.
    """

    def __init__(self, path: Path, max_tokens: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the Rust library raises the bare Exception class
            raise ModelCorruptError(f"{path} is not a tokenizer: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        named = [self._tokenizer.token_to_id(name) for name in ("[UNK]", "<unk>")]
        unknown = next((index for index in named if index is not None), None)
        if unknown is None:
            raise ModelCorruptError(f"{path} has no [UNK] token")
        self._unknown: int = unknown

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokenise cleaned texts."""
        encoded = self._tokenizer.encode_batch(list(texts))
        return [self._tokens(text, item) for text, item in zip(texts, encoded, strict=True)]

    def _tokens(self, text: str, item: object) -> Tokens:
        ids = list(item.ids)  # type: ignore[attr-defined]
        content = ids[1:-1]
        unknown = content.count(self._unknown) / len(content) if content else 0.0
        truncated = bool(item.overflowing)  # type: ignore[attr-defined]
        return Tokens(ids, len(text.split()), unknown, truncated)


def pad(sequences: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pad token ids to the longest: (N, T) ids and (N, T) mask, 1 = token."""
    longest = max(len(sequence) for sequence in sequences)
    ids = np.zeros((len(sequences), longest), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return ids, mask


def _is_emoji(character: str) -> bool:
    """Whether a character is a pictograph of the emoji and symbol blocks."""
    code = ord(character)
    return any(low <= code <= high for low, high in _EMOJI_BLOCKS)
