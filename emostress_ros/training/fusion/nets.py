"""The learned fusion strategies: early, hybrid and attention, over the same two arrays.

All three answer in the same way.  Emotion and stress are sums of evidence in log-odds; valence and
arousal are the expectation and the deviation of Russell's circumplex under the fused emotion, so
that they cannot contradict it.  A token that does not speak of a question adds nothing to it, and
a token that is not present adds nothing at all.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.affect import CIRCUMPLEX, EMOTIONS
from emostress_ros.fusion.evidence import (
    COLUMNS,
    IDENTITY,
    OPINION,
    PRESENT,
    SPEAKS_OF_EMOTION,
    SPEAKS_OF_STRESS,
    STRESS_LOGIT,
    Layout,
)
from emostress_ros.training.fusion.attention import AttentionFusion
from emostress_ros.training.fusion.tokens import Adapters, Said

_FRESHNESS, _QUALITY = COLUMNS.index("freshness"), COLUMNS.index("quality")


class EarlyFusion(nn.Module):
    """A perceptron over everything side by side; modalities that it does not know are left out.

    Args:
        layout: what the model knows.
        width: of the hidden layer.
        adapted: of an adapted embedding.
    """

    def __init__(self, layout: Layout, width: int = 64, adapted: int = 16) -> None:
        super().__init__()
        self.adapters = Adapters(layout, adapted)
        self.hidden = nn.Linear(len(layout.known) * (adapted + IDENTITY), width)
        self.out = nn.Linear(width, len(EMOTIONS) + 1)
        self.drop = nn.Dropout(0.2)

    def forward(self, embeddings: Tensor, evidence: Tensor) -> Said:
        """Fuse; see :class:`AttentionFusion`."""
        out = self.logits(embeddings, evidence)
        present = evidence[..., PRESENT]
        nothing = out.new_zeros(())
        weights = (present * evidence[..., SPEAKS_OF_EMOTION],
                   present * evidence[..., SPEAKS_OF_STRESS])  # fmt: skip
        return Said(out[:, :-1], out[:, -1], *weights, nothing)

    def logits(self, embeddings: Tensor, evidence: Tensor) -> Tensor:
        """Return the (P, 8) logits of emotion and stress."""
        slots = evidence[..., IDENTITY:].transpose(1, 2) @ evidence[..., :IDENTITY]
        joined = torch.cat((slots, self.adapters(embeddings)), dim=-1).flatten(1)
        out: Tensor = self.out(self.drop(functional.gelu(self.hidden(joined))))
        return out


class HybridFusion(nn.Module):
    """A pool of opinions with one learned exponent a modality, corrected by an early fusion.

    Args:
        layout: what the model knows.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.early = EarlyFusion(layout)
        self.exponents = nn.Linear(layout.columns - IDENTITY, 2)
        nn.init.zeros_(self.early.out.weight)

    def forward(self, embeddings: Tensor, evidence: Tensor) -> Said:
        """Fuse; see :class:`AttentionFusion`."""
        trust = (evidence[..., _QUALITY] * evidence[..., _FRESHNESS])[..., None]
        gate = functional.softplus(self.exponents(evidence[..., IDENTITY:]) + 0.5413) * trust
        opinion = gate[..., :1] * evidence[..., OPINION] * evidence[..., PRESENT, None]
        feeling = gate[..., 1] * evidence[..., STRESS_LOGIT] * evidence[..., PRESENT]
        out = self.early.logits(embeddings, evidence)
        size = (opinion.square().mean(-1) + 1e-9).sqrt() + 0.01 * gate[..., 0]
        return Said(
            opinion.sum(1) + out[:, :-1],
            feeling.sum(1) + out[:, -1],
            size,
            feeling.abs() + 0.01 * gate[..., 1],
            out.square().mean(),
        )


NETS: dict[str, type[nn.Module]] = {
    "early": EarlyFusion,
    "hybrid": HybridFusion,
    "attention": AttentionFusion,
}
"""Learned strategies by name."""


class DeployedFusion(nn.Module):
    """A network with the outputs that the running graph takes.

    Args:
        net: one of :data:`NETS`.
        temperature: divides the logits of the emotion.
    """

    def __init__(self, net: nn.Module, temperature: float = 1.0) -> None:
        super().__init__()
        self.net = net
        self.temperature = temperature
        points = torch.tensor([CIRCUMPLEX[label] for label in EMOTIONS])
        # Mean and mean square of valence and arousal in one product.
        self.register_buffer("moments", torch.cat((points, points.square()), dim=1))

    def forward(self, embeddings: Tensor, evidence: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs in the order of ``fusion.learned.OUTPUTS``."""
        said = self.net(embeddings, evidence)
        probabilities = (said.emotion / self.temperature).softmax(-1)
        moments = probabilities @ self.moments
        mean = moments[:, :2]
        deviation = (moments[:, 2:] - mean.square()).clamp_min(0.0).sqrt()
        return (
            probabilities, mean[:, 0], mean[:, 1], deviation[:, 0], deviation[:, 1],
            said.stress.sigmoid(), said.emotion_weights, said.stress_weights,
        )  # fmt: skip
