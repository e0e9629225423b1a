"""Drops the word embeddings that a text model hardly needs: a smaller file, the same arithmetic.

Half of a small BERT's file is the table of its 30,522 word pieces.  Kept are the pieces that the
training texts use, those at the head of the vocabulary (BERT's is sorted by frequency) and every
character; a word that lost its piece is spelt out of smaller ones by the same WordPiece rule (Wu
et al., "Google's Neural Machine Translation System", 2016).  Cf. Abdaoui et al., "Load What You
Need: Smaller Versions of Multilingual BERT", SustaiNLP 2020.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from emostress_ros.errors import ModelCorruptError

Array = npt.NDArray[np.floating]


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


def adjust_head(model: onnx.ModelProto, output: str, factor: float, shift: Array) -> None:
    """Replace a head's logits by ``factor * logits + shift``, in its last weights.

    Args:
        model: a graph written by :mod:`.export`.
        output: the head's output, a softmax over its logits.
        factor: above 0.
        shift: (K,).

    Raises:
        ModelCorruptError: the graph has no such head.
    """
    made = {node.output[0]: node for node in model.graph.node}
    tensors = {item.name: item for item in model.graph.initializer}
    softmax = made.get(output)
    added = made.get(softmax.input[0]) if softmax else None
    if added is None or added.op_type != "Add" or added.input[1] not in tensors:
        raise ModelCorruptError(f"the graph has no head '{output}' with a bias")
    weights = made[added.input[0]].input[1]
    scale = made[weights].input[1] if weights in made else weights
    for name, more in ((scale, 0.0), (added.input[1], shift)):
        value = numpy_helper.to_array(tensors[name]) * factor + more
        tensors[name].CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))
