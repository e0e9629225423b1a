"""Frames of speech of unlike length: what is taken over each one's own length, and cepstra.

Source: Davis and Mermelstein, IEEE TASSP 28 (1980) (MFCC).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.training.voice.frames import BANDS, WIDTH

COEFFICIENTS = 30
"""MFCC that are kept."""


class Cepstrum(nn.Module):
    """Frames with their bands replaced by MFCC: a cosine transform decorrelates them."""

    width = COEFFICIENTS + WIDTH - BANDS

    def __init__(self) -> None:
        super().__init__()
        place = (torch.arange(BANDS) + 0.5) / BANDS
        order = torch.arange(COEFFICIENTS)[:, None]
        basis = torch.cos(math.pi * order * place) * math.sqrt(2.0 / BANDS)
        self.register_buffer("basis", basis, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """(N, T, 67) to (N, T, 33)."""
        return torch.cat((frames[..., :BANDS] @ self.basis.T, frames[..., BANDS:]), dim=-1)


def masked(frames: Tensor, lengths: Tensor | None) -> Tensor:
    """(N, T, D) with zeros behind each one's length."""
    if lengths is None:
        return frames
    inside = torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]
    return frames * inside[..., None].to(frames.dtype)


def mean_over(frames: Tensor, lengths: Tensor | None) -> Tensor:
    """(N, T, D) to the (N, D) mean over each one's length."""
    if lengths is None:
        return frames.mean(dim=1)
    return masked(frames, lengths).sum(dim=1) / lengths[:, None].to(frames.dtype)


def pooled_lengths(lengths: Tensor | None, times: int) -> Tensor | None:
    """Lengths after steps of ``times`` frames; a last one that is not full counts."""
    return None if lengths is None else (lengths + times - 1) // times


def greatest_over(frames: Tensor, lengths: Tensor | None) -> Tensor:
    """(N, T, D) to the (N, D) greatest values over each one's length."""
    if lengths is not None:
        outside = torch.arange(frames.shape[1], device=frames.device) >= lengths[:, None]
        frames = frames.masked_fill(outside[..., None], -1e4)
    return frames.amax(dim=1)


def paired(frames: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """(N, T, D) to the (N, T / 2, D) means of neighbours and their lengths; an odd end goes."""
    halved = None if lengths is None else (lengths // 2).clamp_min(1)
    pooled = functional.avg_pool1d(frames.transpose(1, 2), 2).transpose(1, 2)
    return masked(pooled, halved), halved
