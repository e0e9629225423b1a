"""Make smaller variants of a model, and measure what each costs and what it keeps."""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from emostress_ros.cli import figures
from emostress_ros.cli import score as scoring
from emostress_ros.errors import EmostressError, MissingExtraError, ModelError, ParameterError
from emostress_ros.evaluation import compression
from emostress_ros.evaluation.card_figures import DATA_FOLDERS, Claim, claims
from emostress_ros.evaluation.compression import REFERENCE, Feed, Measured
from emostress_ros.evaluation.compression_report import write_measurements
from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.folds import HELD_OUT
from emostress_ros.metrics import Score

VARIANTS = ("fp32", "fp16", "w8", "pruned", "int8", "int8_dynamic")
SPARSITY = 0.5
_TRAINING = {
    "face": ("fer2013", ["--split", "training"]),
    "voice": ("ravdess", []),
    "physiology": ("wesad", []),
    "text": ("goemotions", ["--split", "train"]),
}
"""Modality to what its models are fed for calibration and timing: people of the training."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", help="name or folder of the model")
    parser.add_argument("--data", type=Path, required=True, help="the folder of all data sets")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the variants")
    parser.add_argument("--items", type=int, default=400, help="inputs for timing")
    parser.add_argument(
        "--folds", type=Path,
        help="folder with a model folder a fold, each with its held_out.npz: judged in place of a "
        "model that learned from everybody (python -m emostress_ros.training.voice.compress, "
        "emostress_ros.training.physiology.folds)",
    )  # fmt: skip
    parser.add_argument("--docs", type=Path, help="folder whose compression.md is written anew")
    parser.add_argument(
        "--calibration", type=int, help="inputs for calibration; default half of --items"
    )
    parser.add_argument(
        "--add-int8", action="store_true",
        help="put int8 into the model's own folder, for CPUs that have instructions for it, where "
        "it keeps the accuracy",
    )  # fmt: skip
    parser.add_argument("--sets", help="score on these sets alone, comma-separated")
    parser.add_argument(
        "--no-accuracy", action="store_true", help="leave out the scores, which take longest"
    )


def run(args: argparse.Namespace) -> int:
    """Write the variants, measure them and print the table."""
    card = ModelCard.load(args.model)
    count = args.calibration or args.items // 2
    heard = inputs_of(card, args.data, max(args.items, count))
    feeds, calibration = compression.spread(heard, args.items), compression.spread(heard, count)
    cards, problems = make(card, calibration, args.out)
    sessions, unloadable = compression.load(cards)
    problems |= unloadable
    measured = measure(cards, sessions, feeds)
    if args.folds:
        measured = _fold_scored(measured, args.folds, calibration, args.out / "folds")
    elif not args.no_accuracy:
        chosen = _held_out(card, args.sets)
        measured = {
            name: _scored(m, chosen, cards[name], args.data) for name, m in measured.items()
        }
    for name, reason in problems.items():
        measured[name] = Measured(name, problem=reason)
    ordered = [measured[name] for name in VARIANTS if name in measured]
    _print(ordered)
    if args.add_int8:
        _add_int8(card, cards, measured)
    if args.docs:
        facts = {
            "command": f"emostress compress {card.name} --data DATA -o FOLDER"
            + (" --folds FOLDS" if args.folds else ""),
            "processor": compression.processor(), "items": len(feeds),
            "shipped": _closest(card, ordered),
        }  # fmt: skip
        write_measurements(card.name, ordered, facts, args.docs / "compression")
    return 0


def inputs_of(card: ModelCard, data: Path, items: int) -> list[Feed]:
    """Return what the model is fed on people of its training, evenly spread."""
    dataset, more = _TRAINING[card.modality]
    words = [card.modality, dataset, str(data / DATA_FOLDERS[dataset]), *more]
    parser = argparse.ArgumentParser()
    scoring.add_arguments(parser)
    args = parser.parse_args([*words, "--model", str(card.folder), "--json"])
    # Sets are in the order of people or classes: hear more than is needed, then pick evenly.
    heard = compression.recorded_inputs(
        card.identifier, 3 * items, lambda: scoring.compute(args)
    )  # fmt: skip
    return compression.spread(heard, items)


def make(
    card: ModelCard, feeds: list[Feed], out: Path
) -> tuple[dict[str, ModelCard], dict[str, str]]:
    """Write every variant as a model folder below ``out``.

    Returns:
        (variant to card, variant to why it cannot be made).
    """
    try:
        import onnx

        from emostress_ros.training import compress, int8
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"compression needs '{error.name}': pip install 'emostress_ros[train]'"
        ) from error
    wide = compress.widen(onnx.load(str(card.file)))
    stored = {
        "fp32": lambda: wide,
        "fp16": lambda: compress.halve(wide),
        "w8": lambda: compress.store_int8(wide),
        "pruned": lambda: compress.prune(wide, SPARSITY),
    }
    cards: dict[str, ModelCard] = {}
    problems: dict[str, str] = {}
    for name in VARIANTS:
        folder = out / f"{card.name}_{name}"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "model.onnx"
        try:
            if name != REFERENCE:
                compress.check_worth(wide)
            if name in stored:
                onnx.save(stored[name](), str(file))
            elif name == "int8":
                int8.quantise_static(cards[REFERENCE].file, file, feeds)
            else:
                int8.quantise_dynamic(cards[REFERENCE].file, file)
            cards[name] = compress.write_variant(card, file, name, folder)
        except ModelError as error:
            problems[name] = str(error)
    return cards, problems


def measure(
    cards: Mapping[str, ModelCard], sessions: Mapping[str, object], feeds: list[Feed]
) -> dict[str, Measured]:
    """Measure size, time and agreement of every variant that can be loaded."""
    from emostress_ros.inference.session import Session

    running = {name: s for name, s in sessions.items() if isinstance(s, Session)}
    times = compression.times_ms(running, feeds)
    rows = {name: compression.answers(session, feeds) for name, session in running.items()}
    base = rows[REFERENCE]
    found = {}
    for name, row in rows.items():
        content = cards[name].file.read_bytes()
        found[name] = Measured(
            name, len(content), len(zlib.compress(content, 6)),
            agreement=float(np.mean(row.argmax(1) == base.argmax(1))),
            deviation=float(np.abs(row - base).max()),
            fastest_ms=times[name][0], median_ms=times[name][1],
        )  # fmt: skip
    return found


def _scored(measured: Measured, chosen: list[Claim], variant: ModelCard, data: Path) -> Measured:
    """Score a variant by figures of the original that score a file on what was held out."""
    runner = figures.Runner(data, None)
    scores = {}
    for claim in chosen:
        words = claim.command.split()
        if "--model" in words:
            at = words.index("--model")
            del words[at : at + 2]
        try:
            again = replace(claim, folder=variant.folder, command=" ".join(words))
            scores[f"{claim.dataset}, {claim.split}"] = runner.score(again)
        except EmostressError as error:
            print(f"no figure of {measured.name} on {claim.dataset}: {error}", file=sys.stderr)
    return measured.scored(scores)


def _fold_scored(
    measured: Mapping[str, Measured], folds: Path, feeds: list[Feed], out: Path
) -> dict[str, Measured]:
    """Score the variants of the folds' models on the people that each never learned from."""
    folders = sorted(path.parent for path in folds.glob(f"*/{HELD_OUT}"))
    if not folders:
        raise ParameterError(f"--folds {folds}: no folder there has a {HELD_OUT}")
    scores: dict[str, dict[str, Score]] = {name: {} for name in measured}
    for dataset, own in compression.by_set(folders).items():
        where = f"{dataset}{', ' if dataset else ''}{len(own)} folds by person"
        judged = compression.judge_folds(
            own, lambda card: make(card, feeds, out / card.folder.name)[0]
        )
        for name, score in judged.items():
            if name in scores:
                scores[name][where] = score
    return {name: item.scored(scores[name]) for name, item in measured.items()}


def _held_out(card: ModelCard, sets: str | None) -> list[Claim]:
    """Choose the figures of a card that score its file on what it did not learn from.

    A model that was judged on a set that it learned nothing from needs no training for that: its
    file can answer.
    """
    wanted = [name.strip() for name in sets.split(",")] if sets else list(DATA_FOLDERS)
    unknown = [name for name in wanted if name not in DATA_FOLDERS]
    if unknown:
        raise ParameterError(f"--sets must be of {', '.join(DATA_FOLDERS)}; got {unknown[0]}")
    found: dict[str, Claim] = {}
    for claim in claims(card):
        words = claim.command.split()
        if words[:2] != ["emostress", "score"] or claim.part or words[3] not in wanted:
            continue
        if "cross" in words and not _learned_from(card, words[3]):
            at = words.index("--protocol")
            known = [] if "relative" in card.extra.get("views", ()) else ["--baseline", "none"]
            words = [*words[:at], *words[at + 2 :], *known]
            claim = replace(claim, command=" ".join(words))
        if "--protocol" not in claim.command.split():
            found.setdefault(claim.command, claim)
    return list(found.values())


def _add_int8(
    card: ModelCard, cards: Mapping[str, ModelCard], measured: Mapping[str, Measured]
) -> None:
    """Add int8 to the shipped model, where it loses no more accuracy than may be lost.

    Raises:
        ModelError: it loses more, it is not faster here, or nothing was scored.
    """
    from emostress_ros.training import compress

    reference, item = measured[REFERENCE], measured["int8"]
    if "int8" not in cards or not item.accuracy:
        raise ModelError(f"int8 cannot be added: {item.problem or 'its accuracy was not scored'}")
    for where, accuracy in item.accuracy.items():
        if accuracy < reference.accuracy[where] - compression.MOST_LOST:
            raise ModelError(
                f"int8 cannot be added: {accuracy:.4f} on {where}, "
                f"float32 {reference.accuracy[where]:.4f}"
            )
    share = item.fastest_ms / reference.fastest_ms
    if not share < 1.0:
        raise ModelError(f"int8 cannot be added: it takes {share:.2f} of float32's time here")
    scores = "; ".join(
        f"accuracy {item.accuracy[where]:.4f} on {where}, float32 {reference.accuracy[where]:.4f}"
        for where in item.accuracy
    )
    note = f"{share:.2f} of float32's time on {compression.processor()}; {scores}"
    compress.add_variant(card, cards["int8"], "int8", note)
    print(f"added to {card.folder}: {note}")


def _learned_from(card: ModelCard, dataset: str) -> bool:
    """Whether a card names a set among its data."""
    plain = dataset.replace("_", "-")
    return any(str(item["name"]).lower().startswith(plain) for item in card.raw["data"])


def _closest(card: ModelCard, variants: list[Measured]) -> str:
    """Name the variant that the shipped file is: that of the nearest size."""
    size = card.file.stat().st_size
    stored = [v for v in variants if v.name in compression.STORED and not v.problem]
    return min(stored, key=lambda v: (abs(v.size - size), VARIANTS.index(v.name))).name


def _print(variants: list[Measured]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("variant", "MB", "packed", "accuracy", "agrees", "off by", "least ms", "median")
    for item in variants:
        if item.problem:
            table.add_row(item.name, "none")
            continue
        figures_ = "\n".join(f"{value:.4f} {name}" for name, value in item.accuracy.items())
        table.add_row(
            item.name, f"{item.size / 1e6:.3f}", f"{item.packed / 1e6:.3f}", figures_,
            f"{item.agreement:.1%}", f"{item.deviation:.1e}", f"{item.fastest_ms:.3f}",
            f"{item.median_ms:.3f}",
        )  # fmt: skip
    Console().print(table)
    for reason in dict.fromkeys(item.problem for item in variants if item.problem):
        print(f"none: {reason}")
