"""Second stage of the fusion's training: one network over frozen encoders.

Loss = classification + modality consistency + regularisation.  The classification is the cross
entropy of emotion and stress under a random one of the 15 subsets and under all modalities; the
consistency is the divergence of what a subset says from what everything says (a network that
teaches itself: Furlanello et al., "Born-again neural networks", ICML 2018); the regularisation
keeps the corrections of the opinions small, and what is known to be noise from saying anything;
a strategy that judges what is noise also learns that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.affect import MODALITIES
from emostress_ros.fusion.evidence import HAS_EMBEDDING, SPEAKS_OF_EMOTION, SPEAKS_OF_STRESS
from emostress_ros.training.common import (
    CsvLog,
    ModelEma,
    cosine_warmup,
    parameter_groups,
    seed_everything,
)
from emostress_ros.training.fusion.directions import telling
from emostress_ros.training.fusion.nets import NETS
from emostress_ros.training.fusion.pairs import SUBSETS, Moments, Pairs, mask
from emostress_ros.training.fusion.tokens import Said

MASKS = np.array([[name in subset for name in MODALITIES] for subset in SUBSETS])
"""(15, 4) True where a subset has the modality."""


@dataclass(frozen=True)
class FitOptions:
    """Options of a training.

    Attributes:
        steps: of the optimiser.
        batch: moments of a step.
        rate: highest learning rate.
        weight_decay: of AdamW.
        consistency: weight of the modality consistency.
        regularisation: weight of the squared corrections.
        noise: weight of what noise in place of a signal adds to the state.
        detection: weight of telling noise from a signal, where the strategy judges that.
        log_every: steps between two rows of the log.
        seed: of everything.
    """

    steps: int = 1500
    batch: int = 256
    rate: float = 6e-3
    weight_decay: float = 0.1
    consistency: float = 0.3
    regularisation: float = 0.02
    noise: float = 0.6
    detection: float = 0.3
    log_every: int = 50
    seed: int = 0


@dataclass(frozen=True)
class Loss:
    """The terms of the loss, weighted, and the share of right answers under the subsets."""

    classification: Tensor
    consistency: Tensor
    regularisation: Tensor
    noise: Tensor
    detection: Tensor
    accuracy: float

    @property
    def total(self) -> Tensor:
        """Sum of the terms."""
        regularisation = self.regularisation + self.noise + self.detection
        return self.classification + self.consistency + regularisation


def fit(
    strategy: str,
    pairs: Pairs,
    options: FitOptions,
    log: CsvLog | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> nn.Module:
    """Train a network and return the average of its weights.

    Args:
        strategy: of ``NETS``.
        pairs: gives moments of the people to learn from.
        options: of the training.
        log: takes a row every ``log_every`` steps.
        say: is told of every row.
    """
    rng = seed_everything(options.seed)
    net = NETS[strategy](pairs.layout)
    standardise(net, pairs)
    ema = ModelEma(net, 0.995)
    optimiser = torch.optim.AdamW(parameter_groups(net, options.weight_decay), options.rate)
    began, terms = time.perf_counter(), []
    for step in range(options.steps):
        for group in optimiser.param_groups:
            group["lr"] = options.rate * cosine_warmup(step / options.steps)
        net.train()
        loss = loss_of(net, pairs, pairs.draw(options.batch, rng), options, rng)
        optimiser.zero_grad()
        loss.total.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        ema.update(net)
        terms.append(_row(loss))
        if (step + 1) % options.log_every == 0:
            mean = {name: float(np.mean([row[name] for row in terms])) for name in terms[0]}
            terms = []
            say(f"{strategy} {step + 1}: " + ", ".join(f"{k} {v:.3f}" for k, v in mean.items()))
            if log is not None:
                log.write({"epoch": step + 1, **mean, "seconds": time.perf_counter() - began})
    return ema.net


def standardise(net: nn.Module, pairs: Pairs) -> None:
    """Give the adapters the scale of the embeddings, and what tells their kinds apart."""
    adapters = next(module for module in net.modules() if hasattr(module, "maps"))
    scales = []
    for table, own in zip(pairs.tables, adapters.maps, strict=True):
        scale = 1.0 / (table.vectors[0].std(axis=0) + 1e-2)
        directions = telling(table, scale)[: len(own.weight)]
        with torch.no_grad():
            own.weight[: len(directions)] = torch.from_numpy(directions)
        scales.append(scale)
    adapters.scale.copy_(torch.from_numpy(np.concatenate(scales)).float())


def loss_of(
    net: nn.Module, pairs: Pairs, moments: Moments, options: FitOptions, rng: np.random.Generator
) -> Loss:
    """Return the loss of some moments, under all modalities and under a random subset each."""
    embeddings, evidence = pairs.assemble(moments, rng=rng)
    chosen = MASKS[rng.integers(len(MASKS), size=len(moments.emotion))]
    part = mask(pairs.layout, embeddings, evidence, chosen)
    whole = net(torch.from_numpy(embeddings), torch.from_numpy(evidence))
    some = net(*(torch.from_numpy(array) for array in part))
    emotion = torch.from_numpy(moments.emotion)
    stressed = torch.from_numpy(moments.stressed)
    # Where nothing that is there speaks of a question, there is nothing to learn about it.
    asked = (emotion >= 0) & torch.from_numpy(chosen[:, [0, 1, 3]].any(1))
    felt = (stressed >= 0) & torch.from_numpy(chosen[:, [2, 3]].any(1))
    classification = 0.5 * _classification(whole, emotion, stressed, emotion >= 0, stressed >= 0)
    classification = classification + _classification(some, emotion, stressed, asked, felt)
    consistency = _divergence(some, whole, asked, felt)
    right = (some.emotion.argmax(1) == emotion)[asked].float().mean()
    replaced = torch.from_numpy(pairs.replaced(moments))
    return Loss(
        classification,
        options.consistency * consistency,
        options.regularisation * (whole.corrections + some.corrections),
        options.noise * _noise(whole, replaced),
        options.detection * _detection(whole, replaced, torch.from_numpy(evidence)),
        float(right),
    )


def _classification(
    said: Said, emotion: Tensor, stressed: Tensor, asked: Tensor, felt: Tensor
) -> Tensor:
    named = functional.cross_entropy(said.emotion[asked], emotion[asked])
    stress = functional.binary_cross_entropy_with_logits(said.stress[felt], stressed[felt].float())
    return named + stress


def _divergence(some: Said, whole: Said, asked: Tensor, felt: Tensor) -> Tensor:
    teacher = whole.emotion.detach().softmax(-1)
    named = functional.kl_div(
        some.emotion.log_softmax(-1)[asked], teacher[asked], reduction="batchmean"
    )
    sure = whole.stress.detach().sigmoid()
    entropy = functional.binary_cross_entropy(sure, sure, reduction="none")
    cross = functional.binary_cross_entropy_with_logits(some.stress, sure, reduction="none")
    return named + (cross - entropy)[felt].mean()


def _noise(whole: Said, replaced: Tensor) -> Tensor:
    """Mean square of what tokens say whose signal is noise: it should be nothing."""
    said = whole.emotion_weights.square() + whole.stress_weights.square()
    return (said * replaced).mean()


def _detection(whole: Said, replaced: Tensor, evidence: Tensor) -> Tensor:
    """Cross entropy of "this is noise", on tokens whose embedding can be read."""
    if whole.trust is None:
        return whole.stress.new_zeros(())
    read = evidence[..., HAS_EMBEDDING, None] * evidence[..., [SPEAKS_OF_EMOTION, SPEAKS_OF_STRESS]]
    sound = 1.0 - replaced[..., None].float().expand_as(read)
    return functional.binary_cross_entropy_with_logits(whole.trust[read > 0.0], sound[read > 0.0])


def _row(loss: Loss) -> dict[str, float]:
    return {
        "loss": float(loss.total.detach()),
        "classification": float(loss.classification.detach()),
        "consistency": float(loss.consistency.detach()),
        "regularisation": float(loss.regularisation.detach()),
        "noise": float(loss.noise.detach()),
        "detection": float(loss.detection.detach()),
        "accuracy": loss.accuracy,
    }
