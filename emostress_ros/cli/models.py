"""List the models that are installed, with their figures, or show one card."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from emostress_ros.inference.card import CARD_FILE, ModelCard
from emostress_ros.resources import model_folders


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", nargs="?", help="show the whole card of this model")
    parser.add_argument("--check", action="store_true", help="check the weights' hashes, too")


def run(args: argparse.Namespace) -> int:
    """Print the table or the card."""
    console = Console()
    if args.name:
        text = (ModelCard.load(args.name).folder / CARD_FILE).read_text(encoding="utf-8")
        console.print(Syntax(text, "yaml"))
        return 0
    table = Table("model", "tasks", "size", "figure", "on", "licence")
    for card in installed():
        if args.check:
            card.check_weights()
        size = f"{card.file.stat().st_size / 1e6:.2f} MB"
        figure, where = headline(card)
        table.add_row(card.identifier, ", ".join(card.task), size, figure, where, card.licence)
    console.print(table)
    return 0


def installed() -> Iterator[ModelCard]:
    """Yield the cards of all models, the shipped ones last."""
    for folder in model_folders():
        for path in sorted(folder.glob(f"*/{CARD_FILE}")):
            yield ModelCard.load(path.parent)


def headline(card: ModelCard) -> tuple[str, str]:
    """Return the first figure of a card and where it was measured, as texts."""
    if not card.figures:
        return "none measured", ""
    first: Mapping[str, Any] = card.figures[0]
    metrics = ", ".join(f"{name} {value:.3f}" for name, value in first["metrics"].items())
    return metrics, f"{first['dataset']}, {first['split']}, n = {first['n']}"
