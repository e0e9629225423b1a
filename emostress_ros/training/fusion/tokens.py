"""What fusion networks start from and end in: adapted embeddings, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.fusion.evidence import Layout


@dataclass(frozen=True)
class Said:
    """What a network makes of P people with M tokens each.

    Attributes:
        emotion: (P, 7) logits.
        stress: (P,) logit.
        emotion_weights: (P, M) size of each token's evidence about the emotion, >= 0.
        stress_weights: (P, M) the same about stress.
        corrections: mean square of what was added to the opinions, for the regularisation.
        trust: (P, M, 2) log-odds that the signal of a token is no noise, as what it says of
            emotion and of stress shows; None: not judged.
    """

    emotion: Tensor
    stress: Tensor
    emotion_weights: Tensor
    stress_weights: Tensor
    corrections: Tensor
    trust: Tensor | None = None


class Adapters(nn.Module):
    """(P, width) embeddings to (P, K, D), one linear map a modality, inputs standardised.

    Args:
        layout: of the embeddings.
        width: D.
    """

    def __init__(self, layout: Layout, width: int) -> None:
        super().__init__()
        self.sizes = [item.width for item in layout.known]
        self.width = width
        self.register_buffer("scale", torch.ones(layout.width))
        self.maps = nn.ModuleList(nn.Linear(size, width, bias=False) for size in self.sizes)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map each modality's vector; an absent one stays zero."""
        # One product for all: in the exported model the joined weights are a constant.
        joined = self.joined() * self.scale
        return functional.linear(embeddings, joined).reshape(-1, len(self.sizes), self.width)

    def joined(self) -> Tensor:
        """Return the (K D, width) weights of all maps, zero where a map does not look."""
        rows, start, whole = [], 0, sum(self.sizes)
        for size, own in zip(self.sizes, self.maps, strict=True):
            rows.append(functional.pad(own.weight, (start, whole - start - size)))
            start += size
        return torch.cat(rows)


def size(said: Tensor) -> Tensor:
    """Length of (P, M, K) evidence; never 0, so that a token that is used has a share."""
    return torch.linalg.vector_norm(said, dim=-1) + 1e-3
