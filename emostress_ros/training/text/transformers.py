"""Reads an encoder of the ``transformers`` library, from a folder or a hub, into our BERT.

BERT (Devlin et al., NAACL 2019), DistilBERT (Sanh et al., 2019) and RoBERTa (Liu et al., 2019)
are one architecture under three sets of names: once their tensors carry BERT's, they are
fine-tuned and exported like the packaged MiniLM, with no exporter between torch and ONNX.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import ModelCorruptError, ModelNotFoundError
from emostress_ros.training.text.encoder import Bert, BertShape, bert_of_tensors

FAMILIES = ("bert", "distilbert", "roberta", "xlm-roberta", "camembert")
"""``model_type`` of the configurations that can be read."""

_LONGEST = 160
"""Letters of an error of the library that are repeated."""

_DISTILBERT_NAMES = {
    "transformer.layer.": "encoder.layer.",
    "attention.q_lin": "attention.self.query",
    "attention.k_lin": "attention.self.key",
    "attention.v_lin": "attention.self.value",
    "attention.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    "ffn.lin1": "intermediate.dense",
    "ffn.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
}


def load_encoder(source: str, dropout: float = 0.1) -> Bert:
    """Load an encoder.

    Args:
        source: folder written by ``save_pretrained``, or a name on the hub.
        dropout: [0, 1), while it is fine-tuned.

    Raises:
        ModelNotFoundError: nothing there, or no network.
        ModelCorruptError: an architecture or activation that is not BERT's.
    """
    from transformers import AutoModel

    model: Any = _loaded(AutoModel, source)
    tensors = {name: value.float().numpy() for name, value in model.state_dict().items()}
    config = model.config
    _check(config, source)
    if config.model_type == "distilbert":
        tensors = {_renamed(name): value for name, value in tensors.items()}
    named = _with_positions(tensors, config)
    shape = BertShape(
        vocabulary=named["embeddings.word_embeddings.weight"].shape[0],
        positions=named["embeddings.position_embeddings.weight"].shape[0],
        width=config.hidden_size,
        inner=named["encoder.layer.0.intermediate.dense.weight"].shape[0],
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        epsilon=float(getattr(config, "layer_norm_eps", 1e-12)),
    )
    return bert_of_tensors(shape, named, dropout)


def write_tokenizer(source: str, path: Path) -> None:
    """Write the encoder's tokenizer as one ``tokenizer.json``.

    Raises:
        ModelNotFoundError: nothing there, or no network.
        ModelCorruptError: the tokenizer has no fast form.
    """
    from transformers import AutoTokenizer

    tokenizer: Any = _loaded(AutoTokenizer, source)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelCorruptError(f"{source}: its tokenizer has no fast form (tokenizer.json)")
    whole = json.loads(backend.to_str())
    whole["truncation"] = whole["padding"] = None
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")


def _loaded(kind: Any, source: str) -> Any:
    try:
        return kind.from_pretrained(source)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:_LONGEST]
        raise ModelNotFoundError(
            f"--encoder {source}: neither a folder of a transformers model nor a name that the "
            f"hub gave: {reason}"
        ) from error


def _check(config: Any, source: str) -> None:
    if config.model_type not in FAMILIES:
        raise ModelCorruptError(
            f"{source} is a '{config.model_type}'; allowed are {', '.join(FAMILIES)}"
        )
    activation = getattr(config, "hidden_act", None) or getattr(config, "activation", None)
    if activation != "gelu":
        raise ModelCorruptError(f"{source}: the activation must be 'gelu'; got '{activation}'")
    if getattr(config, "is_decoder", False):
        raise ModelCorruptError(f"{source} is a decoder, not an encoder")


def _renamed(name: str) -> str:
    """BERT's name of a tensor of DistilBERT."""
    for theirs, bert in _DISTILBERT_NAMES.items():
        name = name.replace(theirs, bert)
    return name


def _with_positions(
    tensors: Mapping[str, npt.NDArray[np.float32]], config: Any
) -> dict[str, npt.NDArray[np.float32]]:
    """Make places start at 0, which RoBERTa's do not, and give DistilBERT a segment of zeros."""
    named = dict(tensors)
    if config.model_type not in ("bert", "distilbert"):
        table = named["embeddings.position_embeddings.weight"]
        named["embeddings.position_embeddings.weight"] = table[int(config.pad_token_id) + 1 :]
    blank = np.zeros((1, config.hidden_size), np.float32)
    named.setdefault("embeddings.token_type_embeddings.weight", blank)
    return named
