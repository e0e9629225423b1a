"""Measure every model's calibration on people it never saw, and write docs/calibration.md.

Runs the commands behind the cards' figures as ``emostress figures`` does, and keeps the
predictions in ``--work``, so that the tables and pictures can be made again without a training.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from emostress_ros.cli import figures
from emostress_ros.errors import EmostressError
from emostress_ros.evaluation import calibration, calibration_report
from emostress_ros.evaluation.card_figures import Claim
from emostress_ros.inference.card import ModelCard
from emostress_ros.metrics import Predictions
from emostress_ros.training.devices import use


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    figures.add_selection(parser)
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the documents")


def run(args: argparse.Namespace) -> int:
    """Measure and write; 1 if a command gives no predictions or nothing was measured."""
    use(args.device)
    runner = figures.Runner(args.data, args.work)
    found, failed = [], False
    for claim in _wholes(args.only, quick=args.quick):
        try:
            card = ModelCard.load(claim.folder)
            items = _predictions(claim, card, runner, args.work)
        except EmostressError as error:
            print(f"{claim.model}, {claim.dataset}: {error}", file=sys.stderr)
            failed = True
            continue
        found.append(calibration.honesty(card, _named(claim), claim.split, items))
    if not found:
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    print(f"wrote {calibration_report.write(found, args.out, _command(args))}")
    return int(failed)


def _wholes(only: str | None, *, quick: bool) -> Iterator[Claim]:
    """Yield the first figure of every set that a model names, of the whole set and people unseen.

    The first is the one that the model was made for; those after it, trained on another set or
    under the literature's random split, say nothing of the calibration that ships. What a model
    publishes to the graph counts as a set of its own.
    """
    seen = set()
    for claim in figures.chosen(only):
        words = claim.command.split()
        key = (claim.model, tuple(words[2:4]), "published" in words)
        if claim.part or key in seen or (quick and claim.trains):
            continue
        seen.add(key)
        yield claim


def _named(claim: Claim) -> str:
    """The set as the card calls it, and whether the answer is the one that the graph publishes."""
    published = "published" in claim.command.split()
    return f"{claim.dataset}, {calibration.PUBLISHED}" if published else claim.dataset


def _predictions(
    claim: Claim, card: ModelCard, runner: figures.Runner, work: Path | None
) -> Predictions:
    """Run the claim's command, or read what it gave before for the same weights."""
    key = hashlib.sha256(f"{card.sha256} {claim.command}".encode()).hexdigest()[:16]
    kept = work / f"predictions-{card.name}-{key}.npz" if work else None
    if kept is not None and kept.is_file():
        return calibration.load_predictions(kept)
    items = runner.score(claim).predictions
    if items is None:
        raise EmostressError(f"`{claim.command}` gives figures but no predictions")
    if kept is not None:
        calibration.save_predictions(items, kept)
    return items


def _command(args: argparse.Namespace) -> str:
    words = ["emostress", "calibration", "--data", "DATA"]
    if args.only:
        words += ["--only", args.only]
    return shlex.join(words + (["--quick"] if args.quick else []))
