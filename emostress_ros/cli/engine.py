"""Build TensorRT engines before they are needed, list, remove or measure them."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from emostress_ros.cli import engine_measure
from emostress_ros.cli.models import installed
from emostress_ros.errors import ModelError, ProviderError
from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.engines import (
    PRECISIONS,
    EngineKey,
    cache_folder,
    engine_key,
    gpu_name,
    tensorrt_version,
)
from emostress_ros.inference.native import load_runtime, native_key
from emostress_ros.inference.providers import NATIVE
from emostress_ros.inference.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=("build", "list", "clear", "measure"), help="what to do")
    parser.add_argument("--models", default="", help="names, separated by commas (all shipped)")
    parser.add_argument(
        "--provider", choices=("tensorrt", NATIVE, "tensorrt_rtx"), default="tensorrt",
        help=f"what to build for; {NATIVE} is TensorRT's own module, without ONNX Runtime",
    )  # fmt: skip
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="fp16", help="to build in (fp16)"
    )
    parser.add_argument("--rebuild", action="store_true", help="also those that there are")
    engine_measure.add_arguments(parser.add_argument_group("measure"))


def run(args: argparse.Namespace) -> int:
    """Do what was asked for.

    Raises:
        ModelError: this machine has no such provider, or TensorRT refused a model.
    """
    console = Console()
    if args.action == "clear":
        shutil.rmtree(cache_folder(), ignore_errors=True)
        console.print(f"removed {cache_folder()}", markup=False, soft_wrap=True)
        return 0
    if args.action == "list":
        _list(console)
        return 0
    names = [name.strip() for name in args.models.split(",") if name.strip()]
    cards = [ModelCard.load(name) for name in names] if names else list(_with_weights())
    if args.action == "measure":
        return engine_measure.run(args, cards, console)
    return build(cards, args.provider, args.precision, args.rebuild, console)


def build(
    cards: list[ModelCard], provider: str, precision: str, rebuild: bool, console: Console
) -> int:
    """Build the engines of some models and show how long each took.

    Raises:
        ModelError: a model would not run with the provider: an engine of it is not built, and
            whoever asked for one must hear of it, after the others have been built.
    """
    gpu, version = (gpu_name(), tensorrt_version(provider)) if provider != NATIVE else _native()
    console.print(f"GPU {gpu}, TensorRT {version}, {precision}")
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    refused = []
    with Progress(*columns, console=console) as progress:
        for card in cards:
            task = progress.add_task(card.identifier, total=1)
            try:
                said = _build_one(card, provider, precision, rebuild, _Phases(progress))
            except ModelError as error:
                refused.append(str(error))
                said = f"{card.identifier}: no engine"
            progress.update(task, description=said, completed=1)
    if refused:
        raise ModelError("\n".join(dict.fromkeys(refused)))
    return 0


class _Phases:
    """Shows the phases of a build under its model's line."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def phase_start(self, name: str, parent: str | None, steps: int) -> None:
        """Show a bar."""
        indent = "    " if parent else "  "
        self._tasks[name] = self._progress.add_task(f"{indent}{name}", total=steps)

    def step_complete(self, name: str, step: int) -> None:
        """Let it grow."""
        if name in self._tasks:
            self._progress.update(self._tasks[name], completed=step + 1)

    def phase_finish(self, name: str) -> None:
        """Take it away."""
        if name in self._tasks:
            self._progress.remove_task(self._tasks.pop(name))


def _build_one(
    card: ModelCard, provider: str, precision: str, rebuild: bool, phases: _Phases
) -> str:
    if precision == "int8" and "int8" in card.variants:
        card = card.variant("int8")  # the one with quantisation scales
    key = _key(card, provider, precision)
    if key.built and not rebuild:
        return f"{card.identifier}: there already, {_megabytes(key.folder):.1f} MB"
    if rebuild:
        shutil.rmtree(key.folder, ignore_errors=True)
    began = time.monotonic()
    session = Session(card, (provider,), precision=precision, listener=phases)
    if session.provider != provider:
        raise ModelError(f"no engine of {card.identifier}: {session.fallback}.{_remedy(provider)}")
    session.warm_up(runs=1)  # TensorRT compiles what has no fixed size when it first sees it
    return f"{card.identifier}: built in {time.monotonic() - began:.1f} s{_empty(key)}"


def _key(card: ModelCard, provider: str, precision: str) -> EngineKey:
    model = card.file.read_bytes()
    if provider != NATIVE:
        return engine_key(model, provider, precision)
    return native_key(model, card, precision)


def _native() -> tuple[str, str]:
    try:
        runtime = load_runtime()
    except ProviderError as error:
        raise ModelError(f"no engine can be built with {NATIVE}: {error}") from error
    return runtime.gpu, runtime.version


def _remedy(provider: str) -> str:
    if provider == NATIVE:
        return ""  # its own reasons name what mends them
    available = ", ".join(onnxruntime.get_available_providers())
    return (
        f" This onnxruntime has {available}; `pip install 'emostress_ros[gpu]'` brings more, "
        f"JetPack its own, and --provider {NATIVE} needs none"
    )


def _empty(key: EngineKey) -> str:
    return "" if key.built else ", but the provider kept nothing: it compiles at each start"


def _with_weights() -> Iterator[ModelCard]:
    return (card for card in installed() if card.file.suffix == ".onnx")


def _list(console: Console) -> None:
    table = _table()
    said = f"engines in {cache_folder()}" if table.row_count else f"no engines in {cache_folder()}"
    console.print(said, markup=False, soft_wrap=True)
    if table.row_count:
        console.print(table)


def _table() -> Table:
    table = Table("GPU", "TensorRT", "precision", "model", "MB")
    known = {}
    for card in _with_weights():
        known[card.sha256[:16]] = card.identifier
        for name, variant in card.variants.items():
            known[variant.sha256[:16]] = f"{card.identifier}, {name}"
    for folder in sorted(cache_folder().glob("*/*/*/*")):
        gpu, version, precision, model = folder.relative_to(cache_folder()).parts
        digest = model.partition("-")[0]  # what follows are the sizes that it was built for
        name = known.get(digest, f"sha256 {digest}")
        table.add_row(gpu, version, precision, name, f"{_megabytes(folder):.1f}")
    return table


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
