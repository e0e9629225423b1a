"""The processes that train one network together."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from emostress_ros.training.devices import chosen

if TYPE_CHECKING:
    import torch
    from torch import nn

_NAMED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_PATIENCE = timedelta(days=7)
"""How long one waits for another, which may judge for hours; that one died, torchrun notices."""


def processes() -> int:
    """Return how many processes ``torchrun`` started; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if all(name in os.environ for name in _NAMED) else 1


class Workers:
    """The processes that train one network together, as ``torchrun`` starts them.

    Each works on its share of every batch, so that a training with several is that with one,
    faster; ``DistributedDataParallel`` averages the gradients, so that all hold the same weights
    (Li et al., "PyTorch Distributed", VLDB 2020).  Alone, everything here does nothing.

    Args:
        device: of this process; that of the command when not given (:mod:`.devices`).  Under
            ``torchrun`` with ``cuda``, each takes its own.
        alone: train without the others, where a training is too small to share.

    Attributes:
        rank: of this process, from 0.
        count: of the processes.
        device: of this process.
    """

    def __init__(self, device: str | None = None, *, alone: bool = False) -> None:
        import torch

        self.count = 1 if alone else processes()
        self.rank = int(os.environ["RANK"]) if self.count > 1 else 0
        self.device = torch.device(device or chosen())
        if self.count == 1:
            return
        if self.device.type == "cuda":
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)))
            torch.cuda.set_device(self.device)
        if not torch.distributed.is_initialized():
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            torch.distributed.init_process_group(backend, timeout=_PATIENCE)

    @property
    def leads(self) -> bool:
        """True for the one that judges, logs and writes checkpoints."""
        return self.rank == 0

    def wrap(self, module: nn.Module, *, every_weight: bool = True) -> nn.Module:
        """Return a module whose backward pass averages gradients over the workers.

        Args:
            module: gets the leader's weights.
            every_weight: each batch asks all weights.
        """
        if self.count == 1:
            return module
        from torch.nn.parallel import DistributedDataParallel

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # the flag's new name is too new
            return DistributedDataParallel(
                module, find_unused_parameters=not every_weight, broadcast_buffers=False
            )

    def share(self, batch: Any) -> tuple[Any, float]:
        """Return this worker's part of a batch, and what its loss weighs.

        The weights are such that the mean of the weighted gradients is that of the whole batch,
        also where its rows do not divide among the workers.  Where there are fewer rows than
        workers, some go through the first row for nothing, as all have to take the same steps.

        Args:
            batch: tensors and arrays are parted along their first axis, tuples and mappings item
                by item; anything else goes to all as it is.
        """
        rows = _rows(batch)
        if self.count == 1 or not rows:
            return batch, 1.0
        part = slice(self.rank, None, self.count) if self.rank < rows else slice(0, 1)
        mine = len(range(self.rank, rows, self.count))
        return _parted(batch, part), mine * self.count / rows

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace tensors by their mean over the workers, in one exchange."""
        if self.count == 1 or not tensors:
            return
        import torch
        from torch import distributed

        flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.count
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def means(self, *values: float) -> tuple[float, ...]:
        """Return the means of numbers over the workers."""
        if self.count == 1 or not values:
            return values
        import torch
        from torch import distributed

        held = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(held)
        return tuple((held / self.count).tolist())

    def leaders(self, found: Any) -> Any:
        """Return what the leader has, so that all decide alike."""
        if self.count == 1:
            return found
        import torch
        from torch import distributed

        held = [found]
        distributed.broadcast_object_list(held, src=0, device=torch.device("cpu"))
        return held[0]


def _rows(batch: Any) -> int:
    """Return the length of the first array of a batch; 0 where there is none."""
    if isinstance(batch, tuple | Mapping):
        parts = batch.values() if isinstance(batch, Mapping) else batch
        return next((rows for rows in map(_rows, parts) if rows), 0)
    return len(batch) if getattr(batch, "shape", ()) else 0


def _parted(batch: Any, part: slice) -> Any:
    if isinstance(batch, tuple):
        return tuple(_parted(item, part) for item in batch)
    if isinstance(batch, Mapping):
        return {name: _parted(item, part) for name, item in batch.items()}
    return batch[part] if getattr(batch, "shape", ()) else batch
