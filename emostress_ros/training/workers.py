"""The processes that train one network together."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emostress_ros.errors import ParameterError

if TYPE_CHECKING:
    import torch
    from torch import nn


class Workers:
    """The processes that train one network together, as ``torchrun`` starts them.

    Each works on its share of every batch, so that a training with several is that with one,
    faster; ``DistributedDataParallel`` averages the gradients, so that all hold the same weights
    (Li et al., "PyTorch Distributed", VLDB 2020).  Alone, everything here does nothing.

    Attributes:
        rank: of this process, from 0.
        count: of the processes.
        device: of this process: under ``torchrun`` with ``cuda``, each its own.
    """

    def __init__(self, device: str = "cpu") -> None:
        import torch

        self.rank = int(os.environ.get("RANK", "0"))
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.device = torch.device(device)
        if self.count == 1:
            return
        if self.device.type == "cuda":
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)))
            torch.cuda.set_device(self.device)
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")

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

    def share(self, batch: Any) -> Any:
        """Return this worker's part of a batch.

        Args:
            batch: tensors and arrays are parted along their first axis, tuples and mappings item
                by item; anything else goes to all as it is.

        Raises:
            ParameterError: fewer rows than workers.
        """
        if self.count == 1:
            return batch
        if isinstance(batch, tuple):
            return tuple(self.share(part) for part in batch)
        if isinstance(batch, Mapping):
            return {name: self.share(part) for name, part in batch.items()}
        if not hasattr(batch, "shape") or not batch.shape:
            return batch
        if len(batch) < self.count:
            raise ParameterError(
                f"a batch of {len(batch)} cannot be shared by {self.count} processes; use larger "
                f"batches or fewer processes"
            )
        return batch[self.rank :: self.count]

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
        import torch

        held = torch.tensor(values, device=self.device)
        self.average([held])
        return tuple(held.tolist()) if self.count > 1 else values

    def leaders(self, found: dict[str, float]) -> dict[str, float]:
        """Return what the leader found, so that all decide alike."""
        if self.count == 1:
            return found
        from torch import distributed

        held = [found]
        distributed.broadcast_object_list(held, src=0)
        return held[0]

    def close(self) -> None:
        """Leave the group."""
        if self.count > 1:
            from torch import distributed

            distributed.destroy_process_group()
