"""Class balancing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def class_weights(targets: torch.Tensor, power: float) -> torch.Tensor:
    """Return (K,) weights under which rare classes count more, their mean over items 1.

    Args:
        targets: (N, K) labels or label distributions.
        power: 0: all classes count as often as they occur; 1: all count alike.
    """
    mass = targets.double().sum(0)
    weights = mass.clamp(min=1.0) ** -power
    return (weights * mass.sum() / (weights * mass).sum()).float()
