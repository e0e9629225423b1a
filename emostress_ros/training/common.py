"""What every training needs, by one name: seeds, and the parts of :mod:`.trainer`.

torch and rich are imported where they are used, so that this file costs nothing to import.
"""

from __future__ import annotations

import random

import numpy as np

from emostress_ros.training.balance import class_weights
from emostress_ros.training.checkpoint import load_checkpoint, save_checkpoint
from emostress_ros.training.logs import CsvLog, plot_curves, plot_log, progress_bar
from emostress_ros.training.schedule import cosine_warmup
from emostress_ros.training.weights import ModelEma, parameter_groups
from emostress_ros.training.workers import Workers

__all__ = [
    "CsvLog",
    "ModelEma",
    "Workers",
    "class_weights",
    "cosine_warmup",
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
