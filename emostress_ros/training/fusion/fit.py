"""Second stage of the fusion's training: one network over frozen encoders.

Loss = classification + modality consistency + regularisation.  The classification is the cross
entropy of emotion and stress under a random one of the 15 subsets and under all modalities; the
consistency is the divergence of what a subset says from what everything says (a network that
teaches itself: Furlanello et al., "Born-again neural networks", ICML 2018); the regularisation
keeps the corrections of the opinions small, and what is known to be noise from saying anything;
a strategy that judges what is noise also learns that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.affect import MODALITIES
from emostress_ros.fusion.evidence import HAS_EMBEDDING, SPEAKS_OF_EMOTION, SPEAKS_OF_STRESS
from emostress_ros.training.common import CsvLog, seed_everything
from emostress_ros.training.devices import device_of
from emostress_ros.training.fusion.directions import telling
from emostress_ros.training.fusion.nets import NETS
from emostress_ros.training.fusion.pairs import SUBSETS, IntArray, Moments, Pairs, mask
from emostress_ros.training.fusion.tokens import Said
from emostress_ros.training.task import Loss, Step, Task, TrainerOptions
from emostress_ros.training.trainer import Trainer

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
    regularisation: float = 0.1
    noise: float = 0.6
    detection: float = 0.3
    log_every: int = 50
    seed: int = 0


class _Fused(Task):
    """The state of people, from what the encoders say of them."""

    every_weight = False

    def __init__(self, pairs: Pairs, options: FitOptions) -> None:
        self.pairs, self.options = pairs, options

    def batches(self, epoch: int, rng: np.random.Generator) -> list[IntArray]:
        """Return the steps: as many rows as each draws moments."""
        return [np.arange(self.options.batch)] * self.options.steps

    def loss(self, net: nn.Module, batch: IntArray, step: Step) -> Loss:
        """Return the loss of moments drawn anew."""
        moments = self.pairs.draw(len(batch), step.rng)
        return loss_of(net, self.pairs, moments, self.options, step.rng)


def fit(
    strategy: str,
    pairs: Pairs,
    options: FitOptions,
    log: CsvLog | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> nn.Module:
    """Train a network and return the average of its weights, on the CPU.

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
    wanted = TrainerOptions(
        epochs=1, rate=options.rate, weight_decay=options.weight_decay, clip_norm=2.0, ema=0.995,
        log_every=options.log_every, seed=options.seed,
    )  # fmt: skip
    task = _Fused(pairs, options)
    # On the CPU, as one that is read back: it is small, and is judged and exported there.
    return Trainer(net, task, wanted, rng, log=log, say=say, title=strategy).run().cpu()


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
    device = device_of(net)
    everything = torch.from_numpy(embeddings).to(device), torch.from_numpy(evidence).to(device)
    whole = net(*everything)
    some = net(*(torch.from_numpy(array).to(device) for array in part))
    emotion = torch.from_numpy(moments.emotion).to(device)
    stressed = torch.from_numpy(moments.stressed).to(device)
    # Where nothing that is there speaks of a question, there is nothing to learn about it.
    asked = (emotion >= 0) & torch.from_numpy(chosen[:, [0, 1, 3]].any(1)).to(device)
    felt = (stressed >= 0) & torch.from_numpy(chosen[:, [2, 3]].any(1)).to(device)
    classification = 0.5 * _classification(whole, emotion, stressed, emotion >= 0, stressed >= 0)
    classification = classification + _classification(some, emotion, stressed, asked, felt)
    consistency = _divergence(some, whole, asked, felt)
    right = (some.emotion.argmax(1) == emotion)[asked].float().mean()
    replaced = torch.from_numpy(pairs.replaced(moments)).to(device)
    terms = {
        "classification": classification,
        "consistency": options.consistency * consistency,
        "regularisation": options.regularisation * (whole.corrections + some.corrections),
        "noise": options.noise * _noise(whole, replaced),
        "detection": options.detection * _detection(whole, replaced, everything[1]),
    }
    return Loss(terms, {"accuracy": right})


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
    asked = read > 0.0
    return functional.binary_cross_entropy_with_logits(whole.trust[asked], sound[asked])
