"""Which device a command trains on, and what goes there.

A command names it once, before it trains (``--device``); each :class:`.workers.Workers` asks for it
as it is made, so that no trainer in between has to pass it on::

    use(options.device)   # "auto", "cpu" or "cuda"
    Trainer(net, task, options, rng).run()

Without a command it is the CPU.  Networks are exported, and their weights read, on the CPU.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

AUTO, CPU, CUDA = "auto", "cpu", "cuda"
DEVICES = (AUTO, CPU, CUDA)
_used = [CPU]


def use(name: str) -> None:
    """Say on which of :data:`DEVICES` this process trains from here on."""
    _used[0] = name


def chosen() -> str:
    """Return the device to train on; ``auto`` is a GPU where every process here has one."""
    if _used[0] != AUTO:
        return _used[0]
    return CUDA if gpus() >= local_processes() else CPU


def gpus() -> int:
    """Return how many GPUs torch can use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def local_processes() -> int:
    """Return how many processes ``torchrun`` started on this machine; 1 without it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def device_of(net: nn.Module) -> torch.device:
    """Return where a network's numbers are; the CPU where it has none."""
    import torch

    held = next(chain(net.parameters(), net.buffers()), None)
    return torch.device(CPU) if held is None else held.device


def moved(data: Any, device: torch.device) -> Any:
    """Return tensors on a device.

    Args:
        data: a tensor, or tuples and mappings of tensors; anything else is returned as it is.
        device: where they go.
    """
    import torch

    if isinstance(data, torch.Tensor):
        return data.to(device)
    if isinstance(data, tuple):
        return tuple(moved(item, device) for item in data)
    if isinstance(data, Mapping):
        return {name: moved(item, device) for name, item in data.items()}
    return data
