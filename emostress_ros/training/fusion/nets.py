"""The learned fusion strategies: early, hybrid and attention, over the same two arrays.

All three answer in the same way.  Emotion and stress are sums of evidence in log-odds; valence and
arousal are the expectation and the deviation of Russell's circumplex under the fused emotion, so
that they cannot contradict it.  A token that does not speak of a question adds nothing to it, and
a token that is not present adds nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.affect import CIRCUMPLEX, EMOTIONS
from emostress_ros.fusion.evidence import (
    COLUMNS,
    HAS_EMBEDDING,
    IDENTITY,
    OPINION,
    PRESENT,
    SPEAKS_OF_EMOTION,
    SPEAKS_OF_STRESS,
    STRESS_LOGIT,
    Layout,
)

_FAR = 1e4
_FRESHNESS, _QUALITY = COLUMNS.index("freshness"), COLUMNS.index("quality")


@dataclass(frozen=True)
class Said:
    """What a network makes of P people with M tokens each.

    Attributes:
        emotion: (P, 7) logits.
        stress: (P,) logit.
        emotion_weights: (P, M) size of each token's evidence about the emotion, >= 0.
        stress_weights: (P, M) the same about stress.
        corrections: mean square of what was added to the opinions, for the regularisation.
    """

    emotion: Tensor
    stress: Tensor
    emotion_weights: Tensor
    stress_weights: Tensor
    corrections: Tensor


class Adapters(nn.Module):
    """(P, width) embeddings to (P, K, D), one linear map a modality, inputs standardised.

    Args:
        layout: of the embeddings.
        width: D.
    """

    def __init__(self, layout: Layout, width: int) -> None:
        super().__init__()
        self.sizes = [item.width for item in layout.known]
        self.register_buffer("scale", torch.ones(layout.width))
        self.maps = nn.ModuleList(nn.Linear(size, width, bias=False) for size in self.sizes)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map each modality's vector; an absent one stays zero."""
        parts = (embeddings * self.scale).split(self.sizes, dim=1)
        return torch.stack([m(part) for m, part in zip(self.maps, parts, strict=True)], dim=1)


class AttentionFusion(nn.Module):
    """One layer of attention over modality tokens, then a gate for each token and question.

    A token is made of what the modality says, how it is to be trusted and its embedding.  After
    the tokens have seen each other, each says by how much its opinion counts and how it is to be
    corrected.  The corrected opinions are summed: a product of experts (Hinton, "Training
    products of experts", Neural Computation 14, 2002) whose exponents are attended to (Vaswani et
    al., "Attention is all you need", NeurIPS 2017).

    Args:
        layout: what the model knows.
        width: of a token.
        adapted: of an adapted embedding.
    """

    def __init__(self, layout: Layout, width: int = 48, adapted: int = 16) -> None:
        super().__init__()
        self.adapters = Adapters(layout, adapted)
        self.read = nn.Linear(layout.columns + adapted, width)
        self.norm = nn.LayerNorm(width)
        self.attend = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.answer = nn.Linear(2 * width, 2 * width)
        self.heads = nn.Linear(2 * width, len(EMOTIONS) + 3)
        self.drop = nn.Dropout(0.25)
        nn.init.zeros_(self.heads.weight)
        nn.init.zeros_(self.heads.bias)

    def forward(self, embeddings: Tensor, evidence: Tensor) -> Said:
        """Fuse.

        Args:
            embeddings: (P, width); see ``fusion.evidence``.
            evidence: (P, M, columns).
        """
        vectors = evidence[..., IDENTITY:] @ self.adapters(embeddings)
        tokens = functional.gelu(self.read(torch.cat((evidence, self.drop(vectors)), dim=-1)))
        normed = self.norm(tokens)
        query, key, value = self.attend(normed).chunk(3, dim=-1)
        absent = (evidence[..., PRESENT] - 1.0) * _FAR
        scores = query @ key.transpose(1, 2) * query.shape[-1] ** -0.5 + absent[:, None]
        context = self.merge(scores.softmax(-1) @ value)
        hidden = functional.gelu(self.answer(torch.cat((tokens, context), dim=-1)))
        heads = self.heads(self.drop(hidden))
        return summed(heads, evidence)


def summed(heads: Tensor, evidence: Tensor) -> Said:
    """Sum what every token says, gated and corrected.

    Args:
        heads: (P, M, 10) gates of emotion and of stress, 7 corrections, 1 correction of stress.
        evidence: (P, M, columns).
    """
    # softplus(0.5413) = 1: a new network takes every opinion as it is.
    gate = functional.softplus(heads[..., :2] + 0.5413)
    speaks = (evidence[..., PRESENT] * evidence[..., SPEAKS_OF_EMOTION])[..., None]
    felt = evidence[..., PRESENT] * evidence[..., SPEAKS_OF_STRESS]
    # What an unknown encoder says is not corrected: its biases are not those learned from.
    known = evidence[..., HAS_EMBEDDING]
    offset = 2.0 * torch.tanh(heads[..., 2 : 2 + len(EMOTIONS)]) * known[..., None]
    shift = 2.0 * torch.tanh(heads[..., -1]) * known
    opinion = speaks * (gate[..., :1] * evidence[..., OPINION] + offset)
    feeling = felt * (gate[..., 1] * evidence[..., STRESS_LOGIT] + shift)
    return Said(
        opinion.sum(1),
        feeling.sum(1),
        (opinion.square().mean(-1) + 1e-9).sqrt() + 0.01 * gate[..., 0],
        feeling.abs() + 0.01 * gate[..., 1],
        (speaks * offset).square().mean() + (felt * shift).square().mean(),
    )


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
