"""What every trainer needs: seeds, schedule, moving average, checkpoints, logs, curves.

torch and rich are imported where they are used, so that this file costs nothing to import.
"""

from __future__ import annotations

import copy
import csv
import math
import os
import pickle
import random
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emostress_ros.errors import DatasetError

if TYPE_CHECKING:
    import torch
    from torch import nn


def seed_everything(seed: int) -> np.random.Generator:
    """Seed Python, numpy and torch, and return a numpy generator of the same seed."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def cosine_warmup(progress: float, warmup: float = 0.05, floor: float = 0.0) -> float:
    """Return the learning-rate factor: linear warm-up, then half a cosine.

    Loshchilov and Hutter, "SGDR", ICLR 2017; Goyal et al., "Accurate, large minibatch SGD", 2017.

    Args:
        progress: part of the training done, [0, 1].
        warmup: part of the training that warms up.
        floor: factor at the end.
    """
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    done = min(1.0, (progress - warmup) / max(1e-9, 1.0 - warmup))
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * done))


class ModelEma:
    """Exponential moving average of a network's weights (Polyak averaging).

    The decay warms up, so that the average forgets the random start.

    Attributes:
        net: the averaged copy, in evaluation mode.
    """

    def __init__(self, net: nn.Module, decay: float = 0.999) -> None:
        self.net = copy.deepcopy(net).eval()
        self.decay = decay
        self.updates = 0
        for parameter in self.net.parameters():
            parameter.requires_grad_(False)

    def update(self, net: nn.Module) -> None:
        """Move the average towards ``net``; buffers (batch statistics) likewise."""
        import torch

        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            theirs = net.state_dict()
            pairs = [(mine, theirs[key]) for key, mine in self.net.state_dict().items()]
            floats = [(a, b) for a, b in pairs if a.dtype.is_floating_point]
            torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1.0 - decay)
            for mine, other in pairs:
                if not mine.dtype.is_floating_point:
                    mine.copy_(other)


def class_weights(targets: torch.Tensor, power: float) -> torch.Tensor:
    """Return (K,) weights under which rare classes count more, their mean over items 1.

    Args:
        targets: (N, K) labels or label distributions.
        power: 0: all classes count as often as they occur; 1: all count alike.
    """
    mass = targets.float().sum(0)
    weights = mass.clamp(min=1.0) ** -power
    result: torch.Tensor = weights * mass.sum() / (weights * mass).sum()
    return result


def parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split parameters so that biases and normalisations are not decayed."""
    decayed = [p for p in net.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in net.parameters() if p.requires_grad and p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint so that a crash in the middle leaves the older one whole."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(dict(state), partial)
    partial.replace(path)


def load_checkpoint(path: Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are unpickled.

    Raises:
        DatasetError: nothing there, or not a checkpoint.
    """
    import torch

    if not path.is_file():
        raise DatasetError(f"no checkpoint at {path}")
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (*_UNREADABLE, pickle.UnpicklingError) as error:
        raise DatasetError(f"{path} is not a checkpoint: {error}") from error
    return state


def go_on(
    path: Path, net: nn.Module, optimiser: torch.optim.Optimizer, options: Mapping[str, Any]
) -> int:
    """Put a training back to where its checkpoint was written.

    Args:
        path: checkpoint with ``net``, ``optimiser``, ``options`` and ``epoch`` (the last whole
            one); where there is none, nothing happens.
        net: gets its weights.
        optimiser: gets its state, where the checkpoint has one.
        options: of the training that goes on.

    Returns:
        the first epoch that is left.

    Raises:
        DatasetError: the checkpoint is of a training with other options.
    """
    if not path.is_file():
        return 0
    state = load_checkpoint(path)
    other = [key for key, value in options.items() if state["options"].get(key) != value]
    if other:
        raise DatasetError(f"{path} is of a training with another {', '.join(other)}")
    net.load_state_dict(state["net"])
    if "optimiser" in state:
        optimiser.load_state_dict(state["optimiser"])
    return int(state["epoch"]) + 1


class Workers:
    """The processes that train one network together, as ``torchrun`` starts them.

    Each works on its share of every batch; gradients are averaged after each step, so that all
    hold the same weights.  Alone, everything here does nothing.
    """

    def __init__(self, device: str) -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        if self.count > 1:
            from torch import distributed

            backend = "nccl" if device.startswith("cuda") else "gloo"
            distributed.init_process_group(backend)

    @property
    def leads(self) -> bool:
        """True for the one that writes logs and checkpoints."""
        return self.rank == 0

    def share(self, rows: torch.Tensor) -> torch.Tensor:
        """Return this worker's part of a batch."""
        return rows[self.rank :: self.count]

    def average(self, tensors: list[torch.Tensor]) -> None:
        """Replace tensors by their mean over the workers, in one exchange."""
        if self.count == 1:
            return
        import torch
        from torch import distributed

        flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.count
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def mean(self, value: float) -> float:
        """Return the mean of a number over the workers."""
        import torch

        held = torch.tensor([value])
        self.average([held])
        return float(held)

    def close(self) -> None:
        """Leave the group."""
        if self.count > 1:
            from torch import distributed

            distributed.destroy_process_group()


# What torch.load raises over a file that is no checkpoint.
_UNREADABLE = (RuntimeError, ValueError, LookupError, EOFError, OSError, struct.error)


class CsvLog:
    """One row of figures an epoch; appends after a resume."""

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not resume and path.exists():
            path.unlink()

    def write(self, row: Mapping[str, float]) -> None:
        """Append a row; the first one writes the header."""
        fresh = not self.path.exists()
        with self.path.open("a", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(row))
            if fresh:
                writer.writeheader()
            writer.writerow({key: f"{value:.6g}" for key, value in row.items()})

    def read(self) -> dict[str, list[float]]:
        """Return the columns; empty where nothing was written."""
        if not self.path.exists():
            return {}
        with self.path.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        return {key: [float(row[key]) for row in rows] for key in (rows[0] if rows else {})}


def plot_curves(
    columns: Mapping[str, list[float]], panels: Mapping[str, list[str]], title: str, path: Path
) -> None:
    """Draw training curves, one panel a quantity, over the column ``epoch``."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(panels), figsize=(4.6 * len(panels), 3.4), squeeze=False, layout="constrained"
    )
    for axis, (quantity, names) in zip(axes[0], panels.items(), strict=True):
        for name in names:
            if name in columns:
                axis.plot(columns["epoch"], columns[name], label=name.replace("_", " "), lw=1.4)
        axis.set(xlabel="epoch", title=quantity)
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


@contextmanager
def progress_bar(total: int, title: str, *, enabled: bool = True) -> Iterator[Any]:
    """Yield ``advance(text)``: moves a rich bar by one and shows ``text`` beside it."""
    if not enabled:
        yield lambda text: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}")) as bar:
        task = bar.add_task(title, total=total, note="")
        yield lambda text: bar.update(task, advance=1, note=text)
