"""The learned fusion strategies: early, hybrid and attention, over the same two arrays.

All three answer in the same way.  Emotion and stress are sums of evidence in log-odds; valence and
arousal are the expectation and the deviation of Russell's circumplex under the fused emotion, so
that they cannot contradict it.  A token that does not speak of a question adds nothing to it, and
a token that is not present adds nothing at all.
"""

from __future__ import annotations

import math
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
        trust: (P, M) log-odds that the signal of a token is no noise; None: not judged.
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


class AttentionFusion(nn.Module):
    """One layer of attention over modality tokens, then a gate for each token and question.

    A token is made of what the modality says, how it is to be trusted and its embedding.  After
    the tokens have seen each other, each says whether it is noise, by how much its opinion counts
    and how it is to be corrected.  The corrected opinions are summed: a product of experts (Hinton,
    "Training products of experts", Neural Computation 14, 2002) whose exponents are attended to
    (Vaswani et al., "Attention is all you need", NeurIPS 2017).

    Nothing before the heads has a bias but by the column ``present``, which one unit of a token
    keeps as it is: a token that is not there is zero throughout, and those that are there score
    each other so high that the softmax needs no mask.

    Args:
        layout: what the model knows.
        width: of a token.
        adapted: of an adapted embedding.
        query: of what tokens compare.
    """

    def __init__(self, layout: Layout, width: int = 32, adapted: int = 16, query: int = 8) -> None:
        super().__init__()
        self.adapters = Adapters(layout, adapted)
        self.read = nn.Linear(layout.columns + adapted, width - 1, bias=False)
        self.sizes = [query + 1, query + 1, width, width]
        self.attend = nn.Linear(width, sum(self.sizes), bias=False)
        self.heads = nn.Linear(width, 2 + len(QUESTIONS) + 1)
        self.drop = nn.Dropout(0.1)
        nn.init.zeros_(self.heads.weight)
        # A new network takes every opinion as it is, with an exponent of 1, corrects nothing ...
        nn.init.zeros_(self.heads.bias)
        with torch.no_grad():
            self.heads.bias[:2] = math.log(1.0 / (_MOST * _TRUST_AT_FIRST - 1.0))
            self.heads.bias[-1] = math.log(_TRUST_AT_FIRST / (1.0 - _TRUST_AT_FIRST))
        self.register_buffer("spread", torch.tensor(_SPREAD))
        self.register_buffer("select", _selection(layout.columns))

    def forward(self, embeddings: Tensor, evidence: Tensor) -> Said:
        """Fuse.

        Args:
            embeddings: (P, width); see ``fusion.evidence``.
            evidence: (P, M, columns).
        """
        vectors = evidence[..., IDENTITY:] @ self.adapters(embeddings)
        joined = torch.cat((evidence, self.drop(vectors)), dim=-1)
        tokens = functional.relu(functional.linear(joined, self._reading()))
        projected = functional.linear(tokens, self._attending())
        query, key, value, own = projected.split(self.sizes, dim=-1)
        context = (query @ key.transpose(1, 2)).softmax(-1) @ value
        hidden = self.drop(functional.relu(own + context))
        heads = functional.linear(
            hidden, self.heads.weight[self.spread], self.heads.bias[self.spread]
        )
        return summed(heads, evidence @ self.select)

    def _reading(self) -> Tensor:
        """Weights of the tokens; the last unit is ``present``."""
        keep = functional.one_hot(torch.tensor([PRESENT]), self.read.in_features).float()
        return torch.cat((self.read.weight, keep))

    def _attending(self) -> Tensor:
        """Weights of query, key, value and own; the last of query and key tells who is there."""
        query = self.sizes[0]
        there = functional.one_hot(torch.tensor([self.attend.in_features - 1]),
                                   self.attend.in_features).float() * _THERE**0.5  # fmt: skip
        weight = self.attend.weight
        asked = weight[: query - 1] * (query - 1) ** -0.5
        return torch.cat((asked, there, weight[query : 2 * query - 1], there, weight[2 * query :]))


QUESTIONS = (*EMOTIONS, "stress")
"""What a token has an opinion on: log-odds each."""
_MOST = 3.0
"""Greatest exponent of an opinion."""
_BOUND = 2.0
"""Greatest correction of a log-odds."""
_TRUST_AT_FIRST = 0.9
_THERE = 50.0  # a score that no product of query and key makes up for
# The gate of the emotion counts for each of its labels.
_SPREAD = [*[0] * len(EMOTIONS), 1, *range(2, 2 + len(QUESTIONS)), 2 + len(QUESTIONS)]


def _selection(columns: int) -> Tensor:
    """Return the (columns, 16) matrix that picks opinions, and whether each may be corrected."""
    matrix = torch.zeros(columns, 2 * len(QUESTIONS))
    for question in range(len(QUESTIONS)):
        felt = question == len(QUESTIONS) - 1
        matrix[STRESS_LOGIT if felt else OPINION.start + question, question] = _MOST
        # 1 where it speaks and its encoder is known, otherwise 0 or less: what an unknown encoder
        # says is not corrected, as its biases are not those learned from.
        correct = len(QUESTIONS) + question
        matrix[SPEAKS_OF_STRESS if felt else SPEAKS_OF_EMOTION, correct] = 1.0
        matrix[HAS_EMBEDDING, correct], matrix[PRESENT, correct] = 1.0, -1.0
    return matrix


def summed(heads: Tensor, evidence: Tensor) -> Said:
    """Sum what every token says, gated and corrected.

    Args:
        heads: (P, M, 17) gates, corrections and whether the token is to be trusted.
        evidence: (P, M, 16) opinions times the greatest exponent (zero where a token does not
            speak), and above 0 where they may be corrected.
    """
    count = len(QUESTIONS)
    gates, corrections, trust = heads.sigmoid().split([count, count, 1], dim=-1)
    opinion, known = evidence.split([count, count], dim=-1)
    offset = functional.relu(known) * (2.0 * _BOUND * corrections - _BOUND)
    said = trust * (gates * opinion + offset)
    named, felt = said.split([len(EMOTIONS), 1], dim=-1)
    emotion, stress = said.sum(1).split([len(EMOTIONS), 1], dim=-1)
    return Said(
        emotion,
        stress.squeeze(-1),
        _size(named),
        _size(felt),
        offset.square().mean(),
        heads[..., -1],
    )


def _size(said: Tensor) -> Tensor:
    """Length of (P, M, K) evidence; never 0, so that a token that is used has a share."""
    return torch.linalg.vector_norm(said, dim=-1) + 1e-3


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
