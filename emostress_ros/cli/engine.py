"""Build TensorRT engines before they are needed, list those that there are, or remove them."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from emostress_ros.cli.models import installed
from emostress_ros.errors import ModelError
from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.engines import (
    PRECISIONS,
    EngineKey,
    cache_folder,
    engine_key,
    gpu_name,
    tensorrt_version,
)
from emostress_ros.inference.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=("build", "list", "clear"))
    parser.add_argument("--models", default="", help="names, separated by commas (all shipped)")
    parser.add_argument("--provider", choices=("tensorrt", "tensorrt_rtx"), default="tensorrt")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp16")
    parser.add_argument("--rebuild", action="store_true", help="also those that there are")


def run(args: argparse.Namespace) -> int:
    """Do what was asked for.

    Raises:
        ModelError: this machine has no such provider, or TensorRT refused a model.
    """
    console = Console()
    if args.action == "clear":
        shutil.rmtree(cache_folder(), ignore_errors=True)
        console.print(f"removed {cache_folder()}")
        return 0
    if args.action == "list":
        console.print(_table())
        return 0
    names = [name.strip() for name in args.models.split(",") if name.strip()]
    cards = [ModelCard.load(name) for name in names] if names else list(_with_weights())
    return build(cards, args.provider, args.precision, args.rebuild, console)


def build(
    cards: list[ModelCard], provider: str, precision: str, rebuild: bool, console: Console
) -> int:
    """Build the engines of some models and show how long each took.

    Raises:
        ModelError: a model would not run with the provider: an engine of it is not built, and
            whoever asked for one must hear of it.
    """
    console.print(f"GPU {gpu_name()}, TensorRT {tensorrt_version(provider)}, {precision}")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        for card in cards:
            task = progress.add_task(card.identifier, total=1)
            progress.update(task, description=_build_one(card, provider, precision, rebuild))
            progress.update(task, completed=1)
    return 0


def _build_one(card: ModelCard, provider: str, precision: str, rebuild: bool) -> str:
    if precision == "int8" and "int8" in card.variants:
        card = card.variant("int8")  # the one with quantisation scales
    key = engine_key(card.file.read_bytes(), provider, precision)
    if key.built and not rebuild:
        return f"{card.identifier}: there already, {_megabytes(key.folder):.1f} MB"
    if rebuild:
        shutil.rmtree(key.folder, ignore_errors=True)
    began = time.monotonic()
    session = Session(card, (provider,), precision=precision)
    if session.provider != provider:
        available = ", ".join(onnxruntime.get_available_providers())
        raise ModelError(
            f"no engine of {card.identifier}: {session.fallback}. This onnxruntime has "
            f"{available}; `pip install 'emostress_ros[gpu]'` brings more, JetPack its own"
        )
    session.warm_up(runs=1)  # TensorRT compiles what has no fixed size when it first sees it
    return f"{card.identifier}: built in {time.monotonic() - began:.1f} s{_empty(key)}"


def _empty(key: EngineKey) -> str:
    return "" if key.built else ", but the provider kept nothing: it compiles at each start"


def _with_weights() -> Iterator[ModelCard]:
    return (card for card in installed() if card.file.suffix == ".onnx")


def _table() -> Table:
    table = Table("GPU", "TensorRT", "precision", "model", "MB", title=str(cache_folder()))
    known = {}
    for card in _with_weights():
        known[card.sha256[:16]] = card.identifier
        for name, variant in card.variants.items():
            known[variant.sha256[:16]] = f"{card.identifier}, {name}"
    for folder in sorted(cache_folder().glob("*/*/*/*")):
        gpu, version, precision, digest = folder.relative_to(cache_folder()).parts
        name = known.get(digest, f"sha256 {digest}")
        table.add_row(gpu, version, precision, name, f"{_megabytes(folder):.1f}")
    return table


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
