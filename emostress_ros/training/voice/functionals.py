"""Functionals of frames: what a logistic regression reads of a stretch of speech, and its fit.

Source: Schuller et al., "The INTERSPEECH 2009 Emotion Challenge" (functionals over low-level
descriptors).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.training.datasets.splits import Split, person_folds, random_folds
from emostress_ros.training.voice.frames import BANDS, FrameBank, IntArray
from emostress_ros.training.voice.over_time import Cepstrum, greatest_over, masked, mean_over

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles over time."""
PENALTIES = (0.1, 0.03, 0.01, 0.003)
"""Weights of the squared coefficients that are tried, the strongest first."""
_FURTHEST = 5.0  # deviations from the mean that a functional may be
_FOLDS = 3  # that choose the penalty
_STEPS = 50  # of L-BFGS, for one penalty


class Functionals(nn.Module):
    """Mean, deviation, quantiles and motion over time of log-mel bands, MFCC and prosody."""

    columns = BANDS + Cepstrum.width
    dim = columns * (5 + len(LEVELS))

    def __init__(self) -> None:
        super().__init__()
        self.cepstrum = Cepstrum()
        self.register_buffer("middle", torch.zeros(self.dim))
        self.register_buffer("deviation", torch.ones(self.dim))

    def forward(self, frames: Tensor, lengths: Tensor | None) -> Tensor:
        """(N, T, 67) to (N, 970), each of mean 0 and deviation 1 over the training's clips."""
        rows: Tensor = (self.measured(frames, lengths) - self.middle) / self.deviation
        return rows.clamp(-_FURTHEST, _FURTHEST)

    def measured(self, frames: Tensor, lengths: Tensor | None) -> Tensor:
        """(N, T, 67) to (N, 970) as they are."""
        if lengths is None:
            lengths = torch.full((frames.shape[0],), frames.shape[1], device=frames.device)
        rows = masked(torch.cat((frames[..., :BANDS], self.cepstrum(frames)), dim=-1), lengths)
        step, steps = rows[:, 1:] - rows[:, :-1], (lengths - 1).clamp_min(1)
        step = masked(step, lengths - 1)
        return torch.cat(
            (mean_over(rows, lengths), _spread(rows, lengths), *_quantiles(rows, lengths),
             mean_over(step.abs(), steps), _spread(step, steps), greatest_over(step.abs(), steps)),
            dim=1,
        )  # fmt: skip


def _spread(rows: Tensor, lengths: Tensor) -> Tensor:
    mean = mean_over(rows, lengths)
    return (mean_over((rows - mean[:, None]).square(), lengths) + 1e-5).sqrt()


def _quantiles(rows: Tensor, lengths: Tensor) -> Iterator[Tensor]:
    """Yield (N, D) for every one of :data:`LEVELS`, between neighbours in order of size."""
    outside = torch.arange(rows.shape[1], device=rows.device) >= lengths[:, None]
    ordered = rows.masked_fill(outside[..., None], 1e4).sort(dim=1).values
    for level in LEVELS:
        place = level * (lengths - 1).to(rows.dtype)
        below = place.floor()
        share = (place - below)[:, None]
        low, high = (
            ordered.gather(1, index.long()[:, None, None].expand(-1, 1, ordered.shape[2]))[:, 0]
            for index in (below, place.ceil())
        )
        yield (1 - share) * low + share * high


@dataclass(frozen=True)
class _Known:
    """What a fit sees: (n, D) functionals, (n,) labels, and how many classes there are."""

    rows: Tensor
    labels: Tensor
    classes: int

    def part(self, index: IntArray) -> _Known:
        """Return some of the clips."""
        return _Known(self.rows[index], self.labels[index], self.classes)


def fit_logistic(
    body: Functionals,
    classify: nn.Linear,
    standard: tuple[Tensor, Tensor],
    known: tuple[FrameBank, IntArray],
    *,
    mixed: bool,
) -> float:
    """Fit the linear layer on plain clips; returns the loss.

    The penalty is the one under which folds inside the training part are least surprising.

    Args:
        body: gets its standardisation.
        classify: gets its coefficients.
        standard: standardised (n, T, 67) frames and (n,) lengths of the clips to learn from.
        known: the bank, and which n clips those are.
        mixed: whether the inner folds may share people, as a random split does.
    """
    bank, index = known
    with torch.no_grad():
        measured = body.measured(*standard)
        body.middle.copy_(measured.mean(dim=0))
        body.deviation.copy_(measured.std(dim=0) + 1e-2)
        rows = body(*standard)
    learned = _Known(rows, torch.from_numpy(bank.labels[index]), classify.out_features)
    folds = _inner_folds([bank.persons[i] for i in index], bank.labels[index], mixed=mixed)
    found = np.mean([_surprise(learned, fold) for fold in folds], axis=0)
    best = int(np.argmin(found))
    weights, bias, loss = list(_path(learned, PENALTIES[: best + 1]))[-1]
    with torch.no_grad():
        classify.weight.copy_(weights.T)
        classify.bias.copy_(bias)
    return loss


def _inner_folds(persons: list[str], labels: IntArray, *, mixed: bool) -> list[Split]:
    people = len(set(persons))
    # One voice alone, as one speaker of TESS, cannot be kept apart from itself.
    if mixed or people == 1:
        return random_folds(persons, labels, _FOLDS, seed=0)
    return person_folds(persons, min(_FOLDS, people))


def _surprise(known: _Known, fold: Split) -> list[float]:
    """Return the negative log-likelihood of a fold's clips under every penalty."""
    judged = known.part(fold.test)
    return [
        float(functional.cross_entropy(judged.rows @ weights + bias, judged.labels))
        for weights, bias, _ in _path(known.part(fold.train), PENALTIES)
    ]


def _path(known: _Known, penalties: tuple[float, ...]) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Yield (D, K) coefficients, (K,) offsets and the loss for every penalty in turn."""
    count = torch.bincount(known.labels, minlength=known.classes).clamp_min(1)
    balance = (len(known.labels) / (known.classes * count))[known.labels]
    weights = torch.zeros(known.rows.shape[1], known.classes, requires_grad=True)
    bias = torch.zeros(known.classes, requires_grad=True)
    for penalty in penalties:
        # Each starts where the stronger one ended, which is near.
        optimiser = torch.optim.LBFGS(
            [weights, bias], max_iter=_STEPS, history_size=10, line_search_fn="strong_wolfe"
        )

        def loss(weight: float = penalty, by: torch.optim.Optimizer = optimiser) -> Tensor:
            by.zero_grad()
            logits = known.rows @ weights + bias
            wrong = functional.cross_entropy(logits, known.labels, reduction="none")
            total = (wrong * balance).mean() + weight * weights.square().sum()
            total.backward()
            return total

        optimiser.step(loss)
        yield weights.detach().clone(), bias.detach().clone(), float(loss().detach())
