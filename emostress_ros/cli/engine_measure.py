"""What each provider makes of each model: time to open, latency, throughput, and parity."""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from rich.console import Console

from emostress_ros.errors import ModelError, ParameterError
from emostress_ros.inference.card import ModelCard, Tensor
from emostress_ros.inference.engines import gpu_name
from emostress_ros.inference.providers import PROVIDERS, check_provider
from emostress_ros.inference.session import Session

PARITY = 1e-2
"""Largest difference from the CPU that is well."""

_LEAST_RUNS = 5
_HEAD = (
    "| Model | Provider | First opened [s] | Opened again [s] | Batch | Median [ms] | p99 [ms] "
    "| Items/s | Difference from the CPU | |\n|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Batch:
    """Runs of one batch.

    Attributes:
        size: items in a run.
        rounds_s: what each run took.
        difference: the largest from the CPU's float32, over all outputs, as a share of the largest
            number in that output where that is above 1.
    """

    size: int
    rounds_s: tuple[float, ...]
    difference: float


@dataclass(frozen=True)
class Measured:
    """A model with a provider.

    Attributes:
        first_s: to open it and run one item; builds an engine where there was none.
        again_s: the same once more; the engine comes from the cache.
        refusal: why it does not run; nothing else is known then.
    """

    model: str
    provider: str
    first_s: float = 0.0
    again_s: float = 0.0
    batches: tuple[Batch, ...] = ()
    refusal: str = ""


def add_arguments(group: argparse._ArgumentGroup) -> None:
    """Declare the arguments of ``engine measure``."""
    group.add_argument("--providers", default=",".join(PROVIDERS), help="separated by commas (all)")
    group.add_argument("--batches", default="1,8,32", help="items in a run (%(default)s)")
    group.add_argument("--seconds", type=float, default=1.0, help="for each batch (%(default)s)")
    group.add_argument("-o", "--output", type=Path, help="file of the table, in Markdown")


def run(args: argparse.Namespace, cards: Sequence[ModelCard], console: Console) -> int:
    """Measure, print the table, and write it where that was asked for.

    Raises:
        ParameterError: an unknown provider, or a batch that is no number above 0.
    """
    providers = [check_provider(name.strip()) for name in args.providers.split(",")]
    batches = _batches(args.batches)
    rows = []
    for card in cards:
        for provider in providers:
            console.print(f"[dim]{card.identifier} with {provider} …[/dim]")
            rows.append(measure(card, provider, batches, args.precision, args.seconds))
    text = "\n".join(lines(rows, args.precision)) + "\n"
    console.print(text, markup=False, soft_wrap=True)
    if args.output:
        args.output.write_text(text, encoding="utf-8")
    return 0


def measure(
    card: ModelCard, provider: str, batches: Sequence[int], precision: str, seconds: float
) -> Measured:
    """Measure one model with one provider.

    Args:
        card: of the model; with ``int8`` its variant with quantisation scales is taken.
        provider: of :data:`~emostress_ros.inference.providers.PROVIDERS`.
        batches: items in a run.
        precision: of a TensorRT engine.
        seconds: how long each batch is run again and again.
    """
    reference = Session(card)
    if precision == "int8" and "int8" in card.variants:
        card = card.variant("int8")
    one = sample(card, 1)
    try:
        session, first = _opened(card, provider, precision, one)
    except (ModelError, ParameterError) as error:
        return Measured(card.identifier, provider, refusal=str(error))
    if session.provider != provider:
        return Measured(card.identifier, provider, refusal=session.fallback)
    session, again = _opened(card, provider, precision, one)
    told = tuple(_batch(session, reference, sample(card, size), size, seconds) for size in batches)
    return Measured(card.identifier, provider, first, again, told)


def sample(card: ModelCard, size: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return made-up inputs of so many items; other axes are as large as they usually are."""
    random = np.random.default_rng(seed)
    return {item.name: _made(random, item, _shape(card, item, size)) for item in card.inputs}


def lines(rows: Sequence[Measured], precision: str) -> Iterator[str]:
    """Yield the table, what it was measured with, and what did not run."""
    yield (
        f"GPU {gpu_name()}, {platform.machine()}, Python {platform.python_version()}, "
        f"onnxruntime {onnxruntime.__version__}; engines of {precision}."
    )
    yield ""
    yield from _HEAD.split("\n")
    for row in rows:
        for batch in row.batches:
            yield _line(row, batch)
    refused: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.refusal:
            refused.setdefault((row.provider, row.refusal), []).append(row.model)
    if refused:
        yield from ("", "Not run:", "")
    for (provider, reason), models in refused.items():
        yield f"- {provider}, {', '.join(models)}: {reason}"


def _line(row: Measured, batch: Batch) -> str:
    ordered = sorted(batch.rounds_s)
    median, late = statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))]
    well = "" if batch.difference <= PARITY else f"**above {PARITY:g}**"
    cells = (
        row.model, row.provider, f"{row.first_s:.2f}", f"{row.again_s:.2f}", batch.size,
        f"{1e3 * median:.3f}", f"{1e3 * late:.3f}", f"{batch.size / median:.0f}",
        f"{batch.difference:.2g}", well,
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def _opened(
    card: ModelCard, provider: str, precision: str, one: dict[str, np.ndarray]
) -> tuple[Session, float]:
    began = time.perf_counter()
    session = Session(card, (provider,), precision=precision)
    session.run(one)
    return session, time.perf_counter() - began


def _batch(
    session: Session, reference: Session, feed: dict[str, np.ndarray], size: int, seconds: float
) -> Batch:
    wanted, said = reference.run(feed), session.run(feed)
    rounds: list[float] = []
    end = time.perf_counter() + seconds
    while len(rounds) < _LEAST_RUNS or time.perf_counter() < end:
        began = time.perf_counter()
        session.run(feed)
        rounds.append(time.perf_counter() - began)
    worst = max(_difference(said[name], value) for name, value in wanted.items())
    return Batch(size, tuple(rounds), worst)


def _difference(value: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(value - wanted).max() / max(1.0, float(np.abs(wanted).max())))


def _shape(card: ModelCard, item: Tensor, size: int) -> list[int]:
    usual = {name: sizes.usual for name, sizes in card.axes.items()}
    fixed = [axis if isinstance(axis, int) else usual.get(axis, 1) for axis in item.shape]
    return [size, *fixed[1:]]


def _made(random: np.random.Generator, item: Tensor, shape: Sequence[int]) -> np.ndarray:
    kind = np.dtype(item.dtype)
    if kind.kind not in "iu":
        return random.uniform(0.0, 1.0, shape).astype(kind)
    if "mask" in item.name:
        return np.ones(shape, kind)
    return random.integers(1, min(1000, np.iinfo(kind).max), shape).astype(kind)


def _batches(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise ParameterError(f"batches must be numbers of 1 or more, 1,8,32 say; got '{text}'")
    return sizes
