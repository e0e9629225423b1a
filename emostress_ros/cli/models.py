"""List the models that are installed, with their figures, or show one card."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Column, Table

from emostress_ros.inference.card import CARD_FILE, ModelCard
from emostress_ros.inference.figure import Figure
from emostress_ros.resources import model_folders

_FIRST = ("accuracy", "uar", "macro_f1", "weighted_f1", "f1", "ece")
_HEADLINE = {"text": ("accuracy", "macro_f1", "ece")}  # what its literature ranks by
_HEADLINE_ELSE = ("accuracy", "uar", "ece")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", nargs="?", help="show the card of this model")
    parser.add_argument("--yaml", action="store_true", help="show the card as it is written")
    parser.add_argument("--check", action="store_true", help="check the weights' hashes, too")


def run(args: argparse.Namespace) -> int:
    """Print the table or the card."""
    console = Console()
    if args.name:
        card = ModelCard.load(args.name)
        if args.check:
            card.check_weights()
        text = (card.folder / CARD_FILE).read_text(encoding="utf-8")
        console.print(Syntax(text, "yaml") if args.yaml else shown(card))
        return 0
    table = Table(Column("model", overflow="fold"), "says", "size", "figure, 95 %", "on",
                  show_lines=True)  # fmt: skip
    for card in installed():
        if args.check:
            card.check_weights()
        table.add_row(card.identifier, ", ".join(card.task), _size(card), *headline(card, "\n"))
    console.print(table)
    console.print("`emostress models NAME` shows data, licence, slices and limits of one.")
    return 0


def installed() -> Iterator[ModelCard]:
    """Yield the cards of all models, the shipped ones last."""
    for folder in model_folders():
        for path in sorted(folder.glob(f"*/{CARD_FILE}")):
            yield ModelCard.load(path.parent)


def headline(card: ModelCard, between: str = ", ") -> tuple[str, str]:
    """Return the first figure of a card and where it was measured, as texts."""
    if not card.figures:
        return "none measured", ""
    first = card.measured[0]
    names = _HEADLINE.get(card.modality, _HEADLINE_ELSE)
    texts = [first.text(name) for name in names if name in first.metrics]
    return between.join(texts), _where(first)


def shown(card: ModelCard) -> RenderableType:
    """Return a card in words and tables: licence, data, figures, slices, calibration, limits."""
    calibration = card.raw.get("calibration") or {}
    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    facts.add_column(style="bold", no_wrap=True)
    for name, value in (
        ("says", f"{', '.join(card.task)}: {', '.join(card.labels) or 'a probability'}"),
        ("size", _size(card)),
        ("licence", card.licence),
        *(("learned from", _data(entry)) for entry in card.raw["data"]),
        ("trained by", str((card.raw["training"] or {}).get("command", ""))),
        ("calibration", f"{calibration.get('method')}; {calibration.get('fitted_on', '')}"),
        ("unknown below", f"{card.threshold_unknown:g} of confidence"),
        *(("limit", text) for text in card.raw["limits"]),
    ):
        facts.add_row(name, escape(str(value)))
    return Group(f"[bold]{card.identifier}[/]", facts, _figures(card))


def _figures(card: ModelCard) -> Table:
    names = [n for n in _FIRST if any(n in figure.metrics for figure in card.measured)]
    table = Table("measured on", "n", "persons", *names, title="figures, 95 % intervals")
    for figure in card.measured:
        cells = [_cell(figure, name) for name in names]
        persons = str(figure.persons) if figure.persons else "?"
        table.add_row(escape(_place(figure)), str(figure.n), persons, *cells)
    return table


def _cell(figure: Figure, name: str) -> str:
    if name not in figure.metrics:
        return ""
    return figure.text(name).removeprefix(f"{name} ").replace(" [", "\n\\[")


def _place(figure: Figure) -> str:
    inside = f" · {' '.join(figure.part)}" if figure.part else ""
    return f"{figure.dataset}{inside}; {figure.split}"


def _where(figure: Figure) -> str:
    people = f", {figure.persons} persons" if figure.persons not in (None, figure.n) else ""
    return f"{figure.dataset}; {figure.split}; n = {figure.n}{people}"


def _data(entry: Any) -> str:
    persons = entry.get("persons")
    people = f"; {persons} persons" if isinstance(persons, int) else f"; persons: {persons}"
    return f"{entry['name']}{people if persons else ''}; licence: {entry.get('licence')}"


def _size(card: ModelCard) -> str:
    return f"{card.file.stat().st_size / 1e6:.2f} MB"
