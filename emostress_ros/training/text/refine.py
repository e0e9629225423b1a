"""A smaller and better balanced copy of a text model, without training it anew.

Word pieces that hardly occur are dropped (:mod:`.prune`), MELD's head names its rare emotions
more often (logit adjustment: Menon et al., ICLR 2021), thresholds are fitted again, and every
figure of the card is taken from the new file:

``python -m emostress_ros.training.text.refine --data DIR --model models/text_minilm --out FOLDER``
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml

from emostress_ros.inference.packaged import sha256_of
from emostress_ros.modalities.text import TextConfig, TextEncoder
from emostress_ros.modalities.text.encoder import tokenizer_file
from emostress_ros.modalities.text.tokenizer import clean
from emostress_ros.training.text.calibrate import (
    balance_shift,
    cross_fitted_macro_f1,
    fit_temperature,
    fit_thresholds,
)
from emostress_ros.training.text.card import limits_of
from emostress_ros.training.text.data import Corpora, load_corpora
from emostress_ros.training.text.evaluate import evaluate_outputs
from emostress_ros.training.text.pretrained import TOKENIZER_FILE
from emostress_ros.training.text.prune import (
    adjust_head,
    kept_pieces,
    prune_graph,
    prune_tokenizer,
)
from emostress_ros.training.text.scores import SCORERS, encode_texts

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the refined copy.

    Args:
        argv: arguments; None reads the command line.
    """
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    corpora = load_corpora(options.data, tuple(SCORERS))
    texts = [
        text
        for name, part in corpora.train.items()
        for text in (part.texts if name != "original" else ())
    ]
    kept = prune(options.model, texts, options.out, minimum=options.minimum, head=options.head)
    refit(options.out, corpora, options.balance, options.version, _command(options))
    size = sum(file.stat().st_size for file in options.out.iterdir()) / 1e6
    logger.info("%s: %d word pieces, %.2f MB", options.out, kept, size)
    return 0


def prune(
    model: str, texts: Sequence[str], out: Path, *, minimum: int = 2, head: int = 8000
) -> int:
    """Write a copy of a model folder with fewer word pieces, its tokenizer inside.

    Args:
        model: name or path of the model folder.
        texts: training texts.
        out: folder to write.
        minimum: see :func:`.prune.kept_pieces`.
        head: see :func:`.prune.kept_pieces`.

    Returns:
        the number of word pieces kept.
    """
    encoder = TextEncoder(model)
    whole = json.loads(tokenizer_file(encoder.card).read_text(encoding="utf-8"))
    limit = TextConfig().max_characters
    counts: Counter[int] = Counter()
    for item in encoder.tokenizer.encode([clean(text, limit) for text in texts]):
        counts.update(item.ids)
    vocabulary: dict[str, int] = whole["model"]["vocab"]
    kept = kept_pieces(vocabulary, counts, minimum=minimum, head=head)
    card = yaml.safe_load((encoder.card.folder / "model.yaml").read_text(encoding="utf-8"))
    graph = onnx.load(str(encoder.card.file))
    prune_graph(graph, [vocabulary[piece] for piece in kept], encoder.max_tokens)
    out.mkdir(parents=True, exist_ok=True)
    small = json.dumps(prune_tokenizer(whole, kept), ensure_ascii=False, separators=(",", ":"))
    (out / TOKENIZER_FILE).write_text(small + "\n", encoding="utf-8")
    onnx.save(graph, str(out / "model.onnx"))
    card["extra"]["tokenizer"] = {
        "file": TOKENIZER_FILE,
        "sha256": sha256_of(out / TOKENIZER_FILE),
        "origin": f"all-MiniLM-L6-v2 (Apache-2.0), {len(kept)} of {len(vocabulary)} word pieces",
    }
    _write_card(out, card)
    return len(kept)


def refit(folder: Path, corpora: Corpora, balance: float, version: str, command: str) -> None:
    """Balance MELD's head, fit thresholds, and put the new file's figures into its card."""
    encoder = TextEncoder(str(folder.resolve()))
    outputs = {n: encode_texts(encoder, part.texts) for n, part in corpora.held_out.items()}
    card = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
    shift = balance_shift(corpora.train["meld"], balance)
    logits = np.log(outputs["meld"]["meld"].astype(np.float64) + 1e-12) + shift
    factor = 1.0 / fit_temperature(logits, corpora.held_out["meld"].targets)
    graph = onnx.load(str(folder / "model.onnx"))
    adjust_head(graph, "meld", factor, factor * shift)
    onnx.save(graph, str(folder / "model.onnx"))
    for part in outputs.values():
        part["meld"] = _balanced(part["meld"], shift, factor)
    rows, truth = outputs["goemotions"]["multilabel"], corpora.held_out["goemotions"].targets
    card["extra"]["multilabel_thresholds"] = [
        round(float(c), 3) for c in fit_thresholds(rows, truth)
    ]
    card["calibration"] |= {
        "balance_meld": balance,
        "temperature_meld": round(card["calibration"]["temperature_meld"] / factor, 4),
        "macro_f1_with_cross_fitted_thresholds": round(cross_fitted_macro_f1(rows, truth), 4),
    }
    card["version"] = version
    card["training"]["then"] = command
    card["limits"] = limits_of(("goemotions", "meld", "dreaddit"))
    _write_card(folder, card)
    card["figures"], card["reliability"] = evaluate_outputs(
        TextEncoder(str(folder.resolve())), outputs, corpora.held_out
    )
    _write_card(folder, card)


def _balanced(rows: Any, shift: Any, factor: float) -> Any:
    """(N, K) what the adjusted head answers."""
    logits = factor * (np.log(rows.astype(np.float64) + 1e-12) + shift)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def _write_card(folder: Path, card: dict[str, Any]) -> None:
    card["sha256"] = sha256_of(folder / "model.onnx")
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=98)
    (folder / "model.yaml").write_text(text, encoding="utf-8")


def _command(options: argparse.Namespace) -> str:
    return (
        "python -m emostress_ros.training.text.refine --data ../shared/data/text "
        f"--minimum {options.minimum} --head {options.head} --balance {options.balance:g}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with goemotions/, meld/ and dreaddit/")
    add("--model", default=TextConfig().model, help="model folder to start from")
    add("--out", type=Path, required=True, help="another folder, to write")
    add("--minimum", type=int, default=2, help="uses in training from which on a piece is kept")
    add("--head", type=int, default=8000, help="English pieces of lower ids are kept")
    add("--balance", type=float, default=0.5, help="how much MELD's rare labels are favoured, 0-1")
    add("--version", default="1.2.0", help="version written to the card")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
