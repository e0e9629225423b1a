"""What every trainer needs: seeds, schedule, moving average, checkpoints, logs, curves.

torch and rich are imported where they are used, so that this file costs nothing to import.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emostress_ros.errors import DatasetError
from emostress_ros.training.balance import class_weights
from emostress_ros.training.checkpoint import load_checkpoint, save_checkpoint
from emostress_ros.training.logs import CsvLog, plot_curves, plot_log, progress_bar
from emostress_ros.training.schedule import cosine_warmup
from emostress_ros.training.weights import ModelEma, parameter_groups
from emostress_ros.training.workers import Workers

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = [
    "CsvLog",
    "ModelEma",
    "Workers",
    "class_weights",
    "cosine_warmup",
    "go_on",
    "load_checkpoint",
    "parameter_groups",
    "plot_curves",
    "plot_log",
    "progress_bar",
    "save_checkpoint",
    "seed_everything",
]


def seed_everything(seed: int) -> np.random.Generator:
    """Seed Python, numpy and torch, and return a numpy generator of the same seed."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def go_on(
    path: Path, net: nn.Module, optimiser: torch.optim.Optimizer, options: Mapping[str, object]
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
