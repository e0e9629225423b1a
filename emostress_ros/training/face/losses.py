"""What a face network is trained against, and the figures that are watched."""

from __future__ import annotations

import torch
from torch import Tensor


def soft_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy with label distributions; rows that sum to 0 do not count.

    Args:
        logits: (N, K).
        targets: (N, K) non-negative, rows summing to 1 or to 0.
        smoothing: part of the mass spread over all classes.
    """
    mass = targets.sum(1, keepdim=True)
    targets = targets * (1 - smoothing) + smoothing * mass / targets.shape[1]
    losses = -(targets * torch.log_softmax(logits.float(), dim=1)).sum(1)
    return losses.sum() / mass.sum().clamp(min=1.0)


def accuracies(logits: Tensor, targets: Tensor) -> tuple[float, float]:
    """Return accuracy and unweighted average recall over rows that have a label."""
    rows = targets.sum(1) > 0
    truth, guess = targets[rows].argmax(1), logits[rows].argmax(1)
    hits = (truth == guess).float()
    recalls = [hits[truth == k].mean() for k in range(targets.shape[1]) if (truth == k).any()]
    return float(hits.mean()), float(torch.stack(recalls).mean())
