"""Label distributions that say more than one label does: what networks and raters think of a face.

A FER2013 label is one draw of what people would call a face; about a third of the draws disagree.
Trained networks and the votes of FER+ each estimate the distribution that it was drawn from, and
their product estimates it better than either (Hinton, "Training products of experts by minimizing
contrastive divergence", 2002).  Learning from it in place of the draw is label refinery
(Bagherinezhad et al., 2018): the networks are asked once, before the training, so they cost
nothing while it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from emostress_ros.training.face.data import FaceSet
from emostress_ros.training.face.losses import soft_cross_entropy

NETWORKS, RATERS = 0.85, 0.4
"""Exponents of the networks' and the raters' opinion of FER2013's label.

Of a grid on the held-out faces: log-loss 0.78, 0.81 of the networks alone, 0.95 of the raters.
"""
_DECAY = 1e-4


def refined(train: FaceSet, teachers: Sequence[nn.Module], own: float) -> FaceSet:
    """Return the set with labels blended with what networks and raters think of each face.

    A face that lacks a label for one of the heads is left without it.

    Args:
        train: what is learned from.
        teachers: networks that know no face that is held out.
        own: share of a face's own label in its new distribution, 0 … 1.
    """
    networks = _opinion(train.faces, teachers)
    raters = _raters(train)
    pooled = torch.softmax(NETWORKS * networks[0].log() + RATERS * raters, 1)
    return replace(
        train,
        emotion=_blend(train.emotion, pooled, own),
        ferplus=_blend(train.ferplus, networks[1], own),
    )


def _blend(labels: Tensor, thought: Tensor, own: float) -> Tensor:
    return own * labels + (1 - own) * labels.sum(1, keepdim=True) * thought


@torch.no_grad()
def _opinion(faces: Tensor, teachers: Sequence[nn.Module], batch: int = 128) -> list[Tensor]:
    """Return the mean probabilities (N, 7) and (N, 8) over networks, faces and mirrored faces."""
    parts = []
    for part in faces.split(batch):
        levels = part.float()
        answers = [net.eval()(view) for net in teachers for view in (levels, levels.flip(3))]
        heads = zip(*answers, strict=True)
        parts.append([torch.stack([h.softmax(1) for h in head]).mean(0) for head in heads])
    return [torch.cat(head) for head in zip(*parts, strict=True)]


def _raters(train: FaceSet) -> Tensor:
    """Return log-probabilities (N, 7) of FER2013's label by FER+'s votes; 0 where there are none.

    A logistic regression of the label on the share and the squared share of every vote.
    """
    both = (train.emotion.sum(1) > 0) & (train.ferplus.sum(1) > 0)
    inputs = torch.cat([train.ferplus, train.ferplus**2, torch.ones_like(train.ferplus[:, :1])], 1)
    weights = inputs.new_zeros(inputs.shape[1], train.emotion.shape[1], requires_grad=True)
    solver = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = soft_cross_entropy(inputs[both] @ weights, train.emotion[both])
        value = value + _DECAY * (weights**2).sum()
        value.backward()
        return value

    solver.step(loss)
    known = train.ferplus.sum(1, keepdim=True) > 0
    return torch.log_softmax(inputs @ weights.detach(), 1) * known
