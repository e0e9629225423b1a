"""What is done to a network's weights besides a step: their moving average, their decay."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


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


def parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split parameters so that biases and normalisations are not decayed."""
    decayed = [p for p in net.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in net.parameters() if p.requires_grad and p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]


def parameter_count(net: nn.Module, *, trained: bool = False) -> int:
    """Return how many numbers a network has, or those that a training moves."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad or not trained)
