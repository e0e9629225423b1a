"""Augmentation of a whole batch of faces at once, on the device that trains.

Crop, turn, scale and flip as one affine resampling; light and contrast; blur and noise;
random erasing (Zhong et al., AAAI 2020); mixup (Zhang et al., ICLR 2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from emostress_ros.training.mixup import blend


@dataclass(frozen=True)
class Augmentation:
    """How strongly faces are disturbed.

    Attributes:
        turn_deg: greatest rotation, degrees.
        shift: greatest shift, part of the side.
        zoom: greatest scale factor (and its inverse).
        light: greatest change of contrast and exponent of gamma, as a factor.
        blur: probability of a 3×3 binomial blur.
        noise: greatest standard deviation of pixel noise, grey levels.
        erase: probability of erasing a rectangle.
        mixup: parameter of the Beta distribution; 0 turns mixup off.
    """

    turn_deg: float = 10.0
    shift: float = 0.08
    zoom: float = 1.15
    light: float = 1.4
    blur: float = 0.1
    noise: float = 5.0
    erase: float = 0.2
    mixup: float = 0.2


def _uniform(count: int, low: float, high: float, device: torch.device) -> Tensor:
    return torch.rand(count, device=device) * (high - low) + low


def augment(faces: Tensor, strength: Augmentation, side: int = 48) -> Tensor:
    """Return disturbed copies of (N, 1, 48, 48) grey levels, 0 … 255, as (N, 1, side, side)."""
    faces = _resample(faces, strength, side)
    faces = _relight(faces, strength)
    faces = _degrade(faces, strength)
    return _erase(faces, strength)


def _resample(faces: Tensor, strength: Augmentation, side: int) -> Tensor:
    n, device = len(faces), faces.device
    limit = math.radians(strength.turn_deg)
    angle = _uniform(n, -limit, limit, device)
    log_zoom = math.log(strength.zoom)
    scale = torch.exp(_uniform(n, -log_zoom, log_zoom, device))
    flip = torch.where(torch.rand(n, device=device) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    across = _uniform(n, -2 * strength.shift, 2 * strength.shift, device)
    down = _uniform(n, -2 * strength.shift, 2 * strength.shift, device)
    matrix = torch.stack([cos * flip, -sin, across, sin * flip, cos, down], dim=1).view(n, 2, 3)
    grid = functional.affine_grid(matrix, [n, 1, side, side], align_corners=False)
    return functional.grid_sample(faces, grid, padding_mode="border", align_corners=False)


def _relight(faces: Tensor, strength: Augmentation) -> Tensor:
    n, device, limit = len(faces), faces.device, math.log(strength.light)
    shape = (n, 1, 1, 1)
    gamma = torch.exp(_uniform(n, -limit, limit, device)).view(shape)
    contrast = torch.exp(_uniform(n, -limit, limit, device)).view(shape)
    light = _uniform(n, -32.0, 32.0, device).view(shape)
    curved = 255.0 * (faces.clamp(0, 255) / 255.0 + 1e-4) ** gamma
    mean = curved.mean((1, 2, 3), keepdim=True)
    return ((curved - mean) * contrast + mean + light).clamp(0, 255)


def _degrade(faces: Tensor, strength: Augmentation) -> Tensor:
    n, device = len(faces), faces.device
    taps = torch.tensor([1.0, 2.0, 1.0], device=device) / 4.0
    kernel = (taps[:, None] * taps[None, :]).view(1, 1, 3, 3)
    blurred = functional.conv2d(functional.pad(faces, (1, 1, 1, 1), mode="replicate"), kernel)
    chosen = (torch.rand(n, device=device) < strength.blur).view(n, 1, 1, 1)
    faces = torch.where(chosen, blurred, faces)
    deviation = _uniform(n, 0.0, strength.noise, device).clamp(min=0).view(n, 1, 1, 1)
    return faces + torch.randn_like(faces) * deviation


def _erase(faces: Tensor, strength: Augmentation) -> Tensor:
    n, device, side = len(faces), faces.device, faces.shape[-1]
    height = _uniform(n, 0.15, 0.5, device) * side
    width = _uniform(n, 0.15, 0.5, device) * side
    top = torch.rand(n, device=device) * (side - height)
    left = torch.rand(n, device=device) * (side - width)
    axis = torch.arange(side, device=device).float()
    rows = (axis >= top[:, None]) & (axis < (top + height)[:, None])
    columns = (axis >= left[:, None]) & (axis < (left + width)[:, None])
    hit = (torch.rand(n, device=device) < strength.erase)[:, None, None]
    mask = (rows[:, :, None] & columns[:, None, :] & hit)[:, None]
    return torch.where(mask, faces.mean((1, 2, 3), keepdim=True), faces)


def mixup(faces: Tensor, targets: list[Tensor], alpha: float) -> tuple[Tensor, list[Tensor]]:
    """Blend every face and its label distributions with another of the batch."""
    if alpha <= 0:
        return faces, targets
    share = torch.distributions.Beta(alpha, alpha).sample((len(faces),)).to(faces.device)
    share = torch.maximum(share, 1 - share)
    other = torch.randperm(len(faces), device=faces.device)
    mixed = [blend(target, share, other) for target in targets]
    return blend(faces, share, other), mixed
