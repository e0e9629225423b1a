"""Generate the README's tables of parameters and models from the code and the cards."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from emostress_ros.cli.models import headline, installed
from emostress_ros.errors import EmostressError
from emostress_ros.nodes.names import COMMON_NODES, MODALITY_NODES
from emostress_ros.nodes.parameters import NodeConfig
from emostress_ros.nodes.registry import node_class
from emostress_ros.parameters import Config, ParameterSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "file", type=Path, nargs="?", default=Path("README.md"), help="to write into (README.md)"
    )
    parser.add_argument("--check", action="store_true", help="fail when the file is out of date")


def run(args: argparse.Namespace) -> int:
    """Write the tables between their marks, or check that they are up to date."""
    before = args.file.read_text(encoding="utf-8")
    after = regenerate(before)
    if args.check and before != after:
        print(f"{args.file} is out of date: run `emostress docs {args.file}`", file=sys.stderr)
        return 1
    if not args.check:
        args.file.write_text(after, encoding="utf-8")
    return 0


def regenerate(text: str) -> str:
    """Return the text with every generated section made anew.

    Raises:
        EmostressError: a section begins without an end.
    """
    for name, make in SECTIONS.items():
        begin, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->"
        if begin not in text:
            continue
        head, _, rest = text.partition(begin)
        _, mark, tail = rest.partition(end)
        if not mark:
            raise EmostressError(f"the generated section '{name}' has no '{end}'")
        text = f"{head}{begin}{make()}{end}{tail}"
    return text


def parameters_section() -> str:
    """Return a table of parameters for every node."""
    parts = [_details("every node", NodeConfig)]
    names = [*(f"{name}_node" for name in MODALITY_NODES), *COMMON_NODES]
    parts += [_details(f"`{name}`", node_class(name).config_class) for name in names]
    return "\n".join(parts) + "\n"


def models_section() -> str:
    """Return a table of the shipped models with the first figure of each card."""
    lines = [
        "| Model | Says | Size | Figure | Measured on | Licence |",
        "|---|---|---|---|---|---|",
    ]
    for card in installed():
        figure, where = headline(card)
        size = f"{card.file.stat().st_size / 1e6:.2f} MB"
        cells = (f"`{card.identifier}`", ", ".join(card.task), size, figure, where, card.licence)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


SECTIONS: dict[str, Callable[[], str]] = {
    "parameters": parameters_section,
    "models": models_section,
}


def _details(title: str, config: type[Config]) -> str:
    rows = ["| Parameter | Type | Default | Allowed | |", "|---|---|---|---|---|"]
    rows += [_row(spec) for spec in config.specs()]
    table = "\n".join(rows)
    return f"<details><summary>{title}</summary>\n\n{table}\n\n</details>\n"


def _row(spec: ParameterSpec) -> str:
    default = list(spec.default) if isinstance(spec.default, tuple) else spec.default
    unit = f" [{spec.info.unit}]" if spec.info.unit else ""
    cells = (f"`{spec.name}`{unit}", spec.kind, f"`{default!r}`", spec.allowed())
    described = (*cells, spec.info.description)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in described) + " |"
