"""``emostress train text``: trains, calibrates, exports and documents a text model."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import ParameterError
from emostress_ros.files import whole_file
from emostress_ros.modalities.text.tokenizer import pad
from emostress_ros.training.devices import chosen, use
from emostress_ros.training.options import add_device, kept, number, whole
from emostress_ros.training.text.card import ENCODER
from emostress_ros.training.text.data import Corpora, length_buckets, load_corpora
from emostress_ros.training.text.pretrained import (
    MAX_TOKENS,
    Pretrained,
    package_path,
    packaged_minilm,
    transformers_encoder,
)

logger = logging.getLogger(__name__)
EMOTIONAL = ("goemotions", "meld")
SOURCES = (*EMOTIONAL, "dreaddit")
FloatArray = npt.NDArray[np.float32]
Tokens = dict[str, list[list[int]]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``emostress train text``.

    Args:
        argv: arguments after ``train text``; None reads the command line.

    Returns:
        the exit status: 0 when a model was written.
    """
    options = _parser().parse_args(argv)
    use(options.device)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.resume:
        kept(_checkpoint(options), "--run")
    sources = _sources(options.sources)
    import torch

    from emostress_ros.training.text.write import write_model

    torch.set_num_threads(options.threads)
    corpora = load_corpora(options.data, sources)
    pretrained = (
        transformers_encoder(options.encoder, options.out) if options.encoder else packaged_minilm()
    )
    train = _finetuned if options.recipe == "finetune" else _heads_only
    trained = train(corpora, pretrained, options)
    write_model(
        trained, pretrained, corpora, options.out, _training_facts(options, sources),
        version=options.version, quantise=not options.float32,
    )  # fmt: skip
    logger.info("%s: %.1f MB", options.out, (options.out / "model.onnx").stat().st_size / 1e6)
    return 0


def _checkpoint(options: argparse.Namespace) -> Path:
    run = Path(options.run)
    return run / "net.pt" if options.recipe == "finetune" else run / "heads" / "checkpoint.pt"


def _sources(named: str) -> tuple[str, ...]:
    """Return the sets that an option names, in their order."""
    names = [name.strip() for name in named.split(",") if name.strip()]
    if not names or set(names) - set(SOURCES):
        raise ParameterError(
            f"--sources must be some of {', '.join(SOURCES)}, comma-separated; got {named}"
        )
    if not set(names) & set(EMOTIONAL):
        raise ParameterError(
            f"--sources needs {' or '.join(EMOTIONAL)}, as the model answers with an emotion; got "
            f"{named}"
        )
    return tuple(name for name in SOURCES if name in names)


def _tokens(corpora: Corpora, pretrained: Pretrained, limit: int) -> tuple[Tokens, Tokens]:
    """Token ids of the training and of the held-out texts, by set."""
    train, held_out = (
        {name: pretrained.ids(texts, limit) for name, texts in sets.items() if name != "original"}
        for sets in (corpora.train, corpora.held_out)
    )
    return train, held_out


def _finetuned(corpora: Corpora, pretrained: Pretrained, options: argparse.Namespace) -> Any:
    """Fine-tune the encoder with its heads, or read a finished checkpoint."""
    from emostress_ros.training.text import finetune as finetuning
    from emostress_ros.training.text import heads as heading
    from emostress_ros.training.text.write import Trained

    encoder, run = pretrained.bert(), Path(options.run)
    train, held_out = _tokens(corpora, pretrained, min(MAX_TOKENS, encoder.shape.positions))
    settings = finetuning.FinetuneOptions(
        epochs=options.epochs or 3, max_minutes=options.minutes, seed=options.seed,
        frozen_layers=min(2, encoder.shape.layers // 3),
    )  # fmt: skip
    if options.reuse:
        net = finetuning.load_checkpoint(encoder, run)
    else:
        net = finetuning.finetune(encoder, corpora, train, run, settings, resume=options.resume)
    logits = {name: finetuning.predict(net, ids) for name, ids in held_out.items()}
    state = {name: value.cpu().numpy() for name, value in net.encoder.state_dict().items()}
    used = [name for name in finetuning.heads_taught(tuple(corpora.train)) if name != "original"]
    heads = {name: heading.as_linear(net.heads[name]) for name in used}
    return Trained(state, encoder.shape, None, heads, logits)


def _heads_only(corpora: Corpora, pretrained: Pretrained, options: argparse.Namespace) -> Any:
    """Train heads over the embeddings of an encoder that stays as it is."""
    from emostress_ros.training.keep import Keep
    from emostress_ros.training.text import heads as heading
    from emostress_ros.training.text.encoder import BertShape
    from emostress_ros.training.text.write import Trained

    state, shape = None, BertShape()
    if pretrained.packaged:
        train, held_out = _tokens(corpora, pretrained, MAX_TOKENS)
        run = Path(options.run)
        features = {name: embedded(ids, run / f"train-{name}.npy") for name, ids in train.items()}
        judged = {
            name: embedded(ids, run / f"held-out-{name}.npy") for name, ids in held_out.items()
        }
    else:
        bert = pretrained.bert().eval()
        shape = bert.shape
        state = {name: value.numpy() for name, value in bert.state_dict().items()}
        train, held_out = _tokens(corpora, pretrained, min(MAX_TOKENS, shape.positions))
        bert = bert.to(chosen())
        features = {name: heading.pooled(bert, ids) for name, ids in train.items()}
        judged = {name: heading.pooled(bert, ids) for name, ids in held_out.items()}
    targets = {name: corpora.train[name].targets for name in features}
    settings = heading.HeadOptions(epochs=options.epochs or 12, seed=options.seed)
    keep = Keep(Path(options.run) / "heads", options.resume, asdict(settings))
    net = heading.train_heads(features, targets, settings, keep=keep)
    logits = {name: heading.head_logits(net, rows) for name, rows in judged.items()}
    heads = {name: heading.as_linear(layer) for name, layer in net.heads.items()}
    return Trained(state, shape, heading.as_linear(net.hidden), heads, logits)


def embedded(sequences: list[list[int]], cache: Path) -> FloatArray:
    """(N, D) sentence embeddings of the packaged encoder, kept in a file."""
    if cache.is_file():
        stored: FloatArray = np.load(cache)
        if len(stored) == len(sequences):
            return stored
    from emostress_ros.inference.session import Session

    session, rows = Session(package_path(ENCODER)), np.zeros((len(sequences), 384), np.float32)
    for index in length_buckets(np.array([len(ids) for ids in sequences]), 32):
        ids, mask = pad([sequences[i] for i in index])
        hidden = session.run(
            {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        )["last_hidden_state"]
        weight = mask[:, :, None]
        rows[index] = (hidden * weight).sum(axis=1) / weight.sum(axis=1)
    with whole_file(cache) as draft:
        np.save(draft, rows)
    return rows


def _training_facts(options: argparse.Namespace, sources: tuple[str, ...]) -> dict[str, Any]:
    """What the card says of the training; the log tells how far it came."""
    facts: dict[str, Any] = {"command": _command(options), "seed": options.seed}
    facts["split"] = "official" + (
        "; Dreaddit: five folds by post, fold 0 held out" if "dreaddit" in sources else ""
    )
    if options.recipe == "finetune":
        from emostress_ros.training.text.finetune import steps_and_seconds

        steps, seconds = steps_and_seconds(Path(options.run))
        facts["steps"] = f"{steps}, in {seconds:.0f} s"
        facts["encoder"] = (
            f"{options.encoder or 'all-MiniLM-L6-v2'}; its embeddings and lowest third of layers "
            f"stay as they are"
        )
    return facts


def _command(options: argparse.Namespace) -> str:
    parts = [
        "emostress train text --data ../shared/data/text",
        f"--recipe {options.recipe} --sources {options.sources}",
    ]
    if options.encoder:
        parts.append(f"--encoder {options.encoder}")
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
    add(
        "--encoder",
        default="",
        metavar="FOLDER_OR_NAME",
        help="a BERT, DistilBERT or RoBERTa for transformers, from a folder or the hub; "
        "not given, the packaged all-MiniLM-L6-v2",
    )
    add("--float32", action="store_true", help="store weights as float32 instead of int8")
    add("--sources", default=",".join(SOURCES), help="data sets, comma-separated")
    add("--epochs", type=whole(), default=0, help="passes over the data; 0 takes the recipe's own")
    add(
        "--minutes",
        type=number(above=0.0),
        default=600.0,
        help="bound of the fine-tuning, in minutes",
    )
    add("--threads", type=whole(1), default=1, help="threads of torch")
    add_device(parser)
    add("--seed", type=whole(), default=0)
    add("--version", default="1.0.0", help="version written to the card")
    add("--resume", action="store_true", help="go on after the last whole epoch in --run")
    add("--reuse", action="store_true", help="export the finished checkpoint in --run")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
