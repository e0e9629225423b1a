"""Checkpoints: written whole or not at all, read without running code, with every random state."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emostress_ros.errors import DatasetError
from emostress_ros.files import whole_file

if TYPE_CHECKING:
    import numpy as np
    import torch

# What torch.load raises over a file that is no checkpoint.
_UNREADABLE = (RuntimeError, ValueError, LookupError, EOFError, OSError, struct.error)


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint so that a crash in the middle leaves the older one whole."""
    import torch

    with whole_file(path) as draft:
        torch.save(dict(state), draft)


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


def random_state(rng: np.random.Generator) -> dict[str, Any]:
    """Return the states of a training's generator and of torch's, on every device."""
    import torch

    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"numpy": dict(rng.bit_generator.state), "torch": torch.get_rng_state(), "cuda": cuda}


def restore_random_state(state: Mapping[str, Any], rng: np.random.Generator) -> None:
    """Put back what :func:`random_state` gave; devices that are gone are passed over."""
    import torch

    rng.bit_generator.state = state["numpy"]
    torch.set_rng_state(state["torch"].cpu())
    if torch.cuda.is_available():
        for device, kept in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(kept.cpu(), device)
