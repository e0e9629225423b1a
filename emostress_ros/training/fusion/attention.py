"""The shipped fusion strategy: attention over modality tokens."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.affect import EMOTIONS
from emostress_ros.fusion.evidence import (
    HAS_EMBEDDING,
    IDENTITY,
    OPINION,
    PRESENT,
    SPEAKS_OF_EMOTION,
    SPEAKS_OF_STRESS,
    STRESS_LOGIT,
    Layout,
)
from emostress_ros.training.fusion.tokens import Adapters, Said, size


class AttentionFusion(nn.Module):
    """Attention over modality tokens for each question, then a gate for each token.

    A token is made of what the modality says, how it is to be trusted and its embedding.  For each
    question, emotion and stress, the tokens that speak of it see each other; then each says whether
    it is noise, by how much its opinion counts and how it is to be corrected.  The corrected
    opinions are summed: a product of experts (Hinton, "Training products of experts", Neural
    Computation 14, 2002) whose exponents are attended to (Vaswani et al., "Attention is all you
    need", NeurIPS 2017).  A sense that says nothing of a question cannot change its answer.

    Nothing before the heads has a bias but by the columns of ``evidence``, two of which a token
    keeps as they are: whether it speaks of emotion, and of stress.  So a token that is not there is
    zero throughout, and those that speak score each other so high that no softmax needs a mask.

    Args:
        layout: what the model knows.
        width: of a token.
        adapted: of an adapted embedding.
        query: of what tokens compare.
        hidden: of what a token makes of itself and the others, for each question.
    """

    def __init__(
        self, layout: Layout, width: int = 32, adapted: int = 16, query: int = 8, hidden: int = 24
    ) -> None:
        super().__init__()
        self.adapters = Adapters(layout, adapted)
        self.read = nn.Linear(layout.columns + adapted, width - len(_SPEAK), bias=False)
        self.sizes = [query + 1, query + 1, hidden, hidden]
        self.attend = nn.ModuleList(
            nn.Linear(width, 2 * query + 2 * hidden, bias=False) for _ in _SPEAK
        )
        self.heads = nn.ModuleList(nn.Linear(hidden, 2 + count) for count in _ANSWERS)
        self.drop = nn.Dropout(0.1)
        for head in self.heads:
            _modest(head)
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
        # (P, questions, M, ...) from here to the hidden layer.
        query, key, value, own = (tokens[:, None] @ self._attending()).split(self.sizes, dim=-1)
        context = (query @ key.transpose(2, 3)).softmax(-1) @ value
        hidden = self.drop(functional.relu(own + context)).transpose(1, 2).flatten(2)
        return summed(functional.linear(hidden, *self._answering()), evidence @ self.select)

    def _reading(self) -> Tensor:
        """Weights of the tokens; the last units are what a token speaks of."""
        speak = torch.tensor(_SPEAK, device=self.read.weight.device)
        keep = functional.one_hot(speak, self.read.in_features).float()
        return torch.cat((self.read.weight, keep))

    def _attending(self) -> Tensor:
        """Weights (questions, width, ...) of query, key, value and own.

        The last unit of query and key is whether the token speaks of the question.
        """
        query, width = self.sizes[0] - 1, self.read.out_features + len(_SPEAK)
        weights = []
        for question, attend in enumerate(self.attend):
            at = torch.tensor([width - len(_SPEAK) + question], device=attend.weight.device)
            there = functional.one_hot(at, width).float() * _THERE**0.5
            asked, told, rest = attend.weight.split([query, query, 2 * self.sizes[-1]])
            weights.append(torch.cat((asked * query**-0.5, there, told, there, rest)))
        return torch.stack(weights).transpose(1, 2)

    def _answering(self) -> tuple[Tensor, Tensor]:
        """Weights (24, questions * hidden) and biases of gates, corrections and trust.

        One of each for every label and for stress; gate and trust of emotion are the same for all
        labels.
        """
        (emotion, stress), hidden = self.heads, self.sizes[-1]
        spread = torch.tensor(_SPREAD, device=emotion.weight.device)
        weight = torch.cat(
            (functional.pad(emotion.weight, (0, hidden)),
             functional.pad(stress.weight, (hidden, 0)))
        )  # fmt: skip
        return weight[spread], torch.cat((emotion.bias, stress.bias))[spread]


QUESTIONS = (*EMOTIONS, "stress")
"""What a token has an opinion on: log-odds each."""
_SPEAK = (SPEAKS_OF_EMOTION, SPEAKS_OF_STRESS)
_ANSWERS = (len(EMOTIONS), 1)
_MOST = 3.0
"""Greatest exponent of an opinion."""
_BOUND = 2.0
"""Greatest correction of a log-odds."""
_TRUST_AT_FIRST = 0.9
_THERE = 1e3  # a score that no product of query and key makes up for
# A head gives a gate, the trust and its corrections; that of stress follows that of emotion.
_STRESS = 2 + len(EMOTIONS)
_SPREAD = [
    *[0] * len(EMOTIONS), _STRESS,
    *range(2, _STRESS), _STRESS + 2,
    *[1] * len(EMOTIONS), _STRESS + 1,
]  # fmt: skip


def _modest(head: nn.Linear) -> None:
    """Let a new head take every opinion as it is, with an exponent of 1, and correct nothing."""
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    with torch.no_grad():
        head.bias[0] = -math.log(_MOST * _TRUST_AT_FIRST - 1.0)
        head.bias[1] = math.log(_TRUST_AT_FIRST / (1.0 - _TRUST_AT_FIRST))


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
        heads: (P, M, 24) gates, corrections and trust, each for 7 labels and stress.
        evidence: (P, M, 16) opinions times the greatest exponent (zero where a token does not
            speak), and above 0 where they may be corrected.
    """
    count = len(QUESTIONS)
    gates, corrections, trust = heads.sigmoid().split([count, count, count], dim=-1)
    opinion, known = evidence.split([count, count], dim=-1)
    offset = functional.relu(known) * (2.0 * _BOUND * corrections - _BOUND)
    said = trust * (gates * opinion + offset)
    named, felt = said.split([len(EMOTIONS), 1], dim=-1)
    emotion, stress = said.sum(1).split([len(EMOTIONS), 1], dim=-1)
    return Said(
        emotion,
        stress.squeeze(-1),
        size(named),
        size(felt),
        offset[..., :-1].square().mean() + offset[..., -1].square().mean(),
        heads[..., -2:],
    )
