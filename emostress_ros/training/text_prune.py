"""Drops the word embeddings that a text model hardly needs: a smaller file, the same arithmetic.

Half of a small BERT's file is the table of its 30,522 word pieces.  Kept are the pieces that the
training texts use, those at the head of the vocabulary (BERT's is sorted by frequency) and every
character; a word that lost its piece is spelt out of smaller ones by the same WordPiece rule (Wu
et al., "Google's Neural Machine Translation System", 2016).  Cf. Abdaoui et al., "Load What You
Need: Smaller Versions of Multilingual BERT", SustaiNLP 2020.

``python -m emostress_ros.training.text_prune --model models/NAME --data DIR --out FOLDER``
"""

from __future__ import annotations

import argparse
import json
import logging
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import numpy_helper

from emostress_ros.errors import ModelCorruptError
from emostress_ros.inference.packaged import sha256_of
from emostress_ros.modalities.text import TextConfig, TextEncoder
from emostress_ros.modalities.text.encoder import tokenizer_file
from emostress_ros.modalities.text.tokenizer import clean
from emostress_ros.training.datasets.labelled_text import LabelledTexts
from emostress_ros.training.text_data import load_corpora
from emostress_ros.training.text_scores import SCORERS

logger = logging.getLogger(__name__)
TOKENIZER_FILE = "tokenizer.json"


def kept_pieces(
    vocabulary: dict[str, int], counts: Counter[int], *, minimum: int = 2, head: int = 8000
) -> list[str]:
    """Choose the word pieces to keep, in the order of their old ids.

    Args:
        vocabulary: word piece to id.
        counts: id to how often the training texts use it.
        minimum: uses from which on a piece is kept.
        head: ids below this are kept where they spell English.
    """
    kept = [
        (index, piece)
        for piece, index in vocabulary.items()
        if counts[index] >= minimum or _is_basic(piece) or (index < head and piece.isascii())
        if not piece.startswith("[unused")
    ]
    return [piece for _, piece in sorted(kept)]


def _is_basic(piece: str) -> bool:
    """Whether a piece is special, or one character that any English text may hold."""
    if piece in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"):
        return True
    bare = piece.removeprefix("##") or piece
    return len(bare) == 1 and (bare.isascii() or unicodedata.category(bare)[0] in "PS")


def prune_tokenizer(whole: dict[str, Any], kept: Sequence[str]) -> dict[str, Any]:
    """Return a ``tokenizer.json`` whose vocabulary is ``kept``, numbered from 0."""
    ids = {piece: index for index, piece in enumerate(kept)}
    small: dict[str, Any] = json.loads(json.dumps(whole))
    small["model"]["vocab"] = ids
    small["truncation"] = small["padding"] = None
    for added in small["added_tokens"]:
        added["id"] = ids[added["content"]]
    for name, special in small["post_processor"]["special_tokens"].items():
        special["ids"] = [ids[name]]
    return small


def prune_graph(model: onnx.ModelProto, rows: Sequence[int], positions: int) -> None:
    """Keep only some rows of every table that ``input_ids`` looks up, and the first positions.

    Raises:
        ModelCorruptError: the graph looks nothing up by ``input_ids``.
    """
    tables = {item.name: item for item in model.graph.initializer}
    looked_up = {
        node.input[0]
        for node in model.graph.node
        if node.op_type == "Gather" and node.input[1] == "input_ids"
    } & set(tables)
    if not looked_up:
        raise ModelCorruptError("the graph has no table of word embeddings")
    sliced = {
        node.input[0]
        for node in model.graph.node
        if node.op_type == "Slice" and node.input[0] in tables
    }
    for names, index in ((looked_up, np.asarray(rows)), (sliced, np.arange(positions))):
        for name in names:
            small = numpy_helper.to_array(tables[name])[index]
            tables[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(small), name))


def prune(
    model: str, texts: Iterable[str], out: Path, *, minimum: int = 2, head: int = 8000
) -> int:
    """Write a smaller copy of a model folder, its tokenizer inside.

    Args:
        model: name or path of the model folder.
        texts: training texts.
        out: folder to write.
        minimum: see :func:`kept_pieces`.
        head: see :func:`kept_pieces`.

    Returns:
        the number of word pieces kept.
    """
    encoder = TextEncoder(model)
    source = tokenizer_file(encoder.card)
    whole = json.loads(source.read_text(encoding="utf-8"))
    limit = TextConfig().max_characters
    counts: Counter[int] = Counter()
    for item in encoder.tokenizer.encode([clean(text, limit) for text in texts]):
        counts.update(item.ids)
    vocabulary: dict[str, int] = whole["model"]["vocab"]
    kept = kept_pieces(vocabulary, counts, minimum=minimum, head=head)
    out.mkdir(parents=True, exist_ok=True)
    small = json.dumps(prune_tokenizer(whole, kept), ensure_ascii=False, separators=(",", ":"))
    (out / TOKENIZER_FILE).write_text(small + "\n", encoding="utf-8")
    graph = onnx.load(str(encoder.card.file))
    prune_graph(graph, [vocabulary[piece] for piece in kept], encoder.max_tokens)
    onnx.save(graph, str(out / "model.onnx"))
    _write_card(encoder.card.folder, out, {"pieces": len(kept), "of": len(vocabulary)})
    return len(kept)


def _write_card(source: Path, out: Path, facts: dict[str, Any]) -> None:
    """Copy the card, with the new hashes and where the tokenizer lies."""
    card = yaml.safe_load((source / "model.yaml").read_text(encoding="utf-8"))
    card["sha256"] = sha256_of(out / "model.onnx")
    card["extra"]["tokenizer"] = {
        "file": TOKENIZER_FILE,
        "sha256": sha256_of(out / TOKENIZER_FILE),
        "vocabulary": facts,
        "origin": "all-MiniLM-L6-v2 (Apache-2.0), pruned",
    }
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=98)
    (out / "model.yaml").write_text(text, encoding="utf-8")


def training_texts(sets: dict[str, LabelledTexts]) -> list[str]:
    """Return every training text once; ``original`` repeats those of ``goemotions``."""
    return [text for name, part in sets.items() if name != "original" for text in part.texts]


def main(argv: Sequence[str] | None = None) -> int:
    """Prune a model folder.

    Args:
        argv: arguments; None reads the command line.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with goemotions/, meld/ and dreaddit/")
    add("--model", default=TextConfig().model)
    add("--out", type=Path, required=True)
    add("--minimum", type=int, default=2, help="uses in training from which on a piece is kept")
    add("--head", type=int, default=8000, help="English pieces of lower ids are kept")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    texts = training_texts(load_corpora(options.data, tuple(SCORERS)).train)
    kept = prune(options.model, texts, options.out, minimum=options.minimum, head=options.head)
    size = sum(file.stat().st_size for file in options.out.iterdir()) / 1e6
    logger.info("%s: %d word pieces, %.2f MB", options.out, kept, size)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
