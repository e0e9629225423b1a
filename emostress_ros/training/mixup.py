"""Mixup: every item of a batch blended with another, labels likewise.

Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def shares_and_partners(
    count: int, alpha: float, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw for every item its own share, Beta(alpha, alpha), and with which item it is blended.

    Returns:
        (count,) shares in [0, 1], float32, and (count,) row numbers.
    """
    import torch

    share = torch.from_numpy(rng.beta(alpha, alpha, count).astype(np.float32))
    return share, torch.from_numpy(rng.permutation(count))


def blend(rows: torch.Tensor, share: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return ``share * rows + (1 - share) * rows[other]``, row by row.

    Args:
        rows: (N, …) inputs, labels or label distributions.
        share: (N,) of the row itself.
        other: (N,) numbers of the rows blended in.
    """
    column = share.view(-1, *[1] * (rows.ndim - 1))
    mixed: torch.Tensor = rows * column + rows[other] * (1 - column)
    return mixed
