"""Prune the channels of a trained MobileNetV1 and train what is left for a few epochs.

A channel that its batch normalisation scales little says little (Liu et al., "Learning efficient
convolutional networks through network slimming", ICCV 2017).  Whole channels go, so that the net
becomes smaller and faster on any machine, without sparse kernels.

``python -m emostress_ros.training.face.prune --data DIR --checkpoint RUN/checkpoint.pt --keep 0.75
--epochs 2 --out FOLDER``
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import torch
from torch import Tensor

from emostress_ros.errors import ParameterError
from emostress_ros.training import common
from emostress_ros.training.datasets import fer2013
from emostress_ros.training.devices import use
from emostress_ros.training.face import nets as face_nets
from emostress_ros.training.face import train as face
from emostress_ros.training.face.data import FaceSet, prepare
from emostress_ros.training.face.fit import load_net, trainer_of
from emostress_ros.training.face.mobilenet import MobileNetV1

_MULTIPLE = 8
"""Channels are kept in multiples of this: odd widths gain no time."""


def prune(net: face_nets.FaceNet, keep: float) -> face_nets.FaceNet:
    """Return a narrower copy; every layer keeps its most important channels.

    Args:
        net: with a MobileNetV1 body whose batch normalisations are not folded.
        keep: part of the channels to keep, (0, 1].

    Raises:
        ParameterError: a share outside (0, 1], or another network.
    """
    body = net.body
    if not isinstance(body, MobileNetV1):
        raise ParameterError(f"pruning is for mobilenet and its kin, not {type(body).__name__}")
    if not 0.0 < keep <= 1.0:
        raise ParameterError(f"keep must lie in (0, 1]; got {keep}")
    kept = [_strongest(body.units[index], keep) for index in range(0, len(body.units), 2)]
    narrow = MobileNetV1(len(kept) - 1, body.side, [len(rows) for rows in kept])
    before = torch.arange(1)
    for index, (unit, source) in enumerate(zip(narrow.units, body.units, strict=True)):
        after = kept[(index + 1) // 2] if index % 2 == 0 else before
        _copy(unit, source, before, after)
        before = after
    pruned = copy.deepcopy(net)
    pruned.body = narrow
    pruned.project = torch.nn.Linear(len(before), face_nets.EMBEDDING_DIM)
    with torch.no_grad():
        pruned.project.weight.copy_(net.project.weight[:, before])
        pruned.project.bias.copy_(net.project.bias)
    return pruned.eval()


def _strongest(unit: torch.nn.Module, keep: float) -> Tensor:
    """Return the sorted indices of the channels of a unit to keep."""
    scale = unit[-2].weight.detach().abs()
    count = min(len(scale), max(_MULTIPLE, round(keep * len(scale) / _MULTIPLE) * _MULTIPLE))
    return scale.topk(count).indices.sort().values


@torch.no_grad()
def _copy(unit: torch.nn.Module, source: torch.nn.Module, before: Tensor, after: Tensor) -> None:
    """Copy the rows of a unit that are kept; ``before`` are the channels that reach it."""
    conv, norm, whole, full = unit[-3], unit[-2], source[-3], source[-2]
    depthwise = whole.groups > 1
    weight = whole.weight[after]
    conv.weight.copy_(weight if depthwise else weight[:, before])
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(norm, name).copy_(getattr(full, name)[after])


def fine_tune(
    net: face_nets.FaceNet,
    options: argparse.Namespace,
    train: FaceSet,
    validation: FaceSet,
    epochs: int,
) -> face_nets.FaceNet:
    """Train a pruned network further and return its average.

    Args:
        net: the pruned network.
        options: of :func:`emostress_ros.training.face.train.parser`; ``teachers`` may name the
            network before it was pruned.
        train: what is learned from.
        validation: what is watched.
        epochs: at least 1.
    """
    wanted = argparse.Namespace(**{**vars(options), "epochs": epochs, "minutes": 0.0})
    tuned = trainer_of(wanted, train, validation, net=net).run()
    assert isinstance(tuned, face_nets.FaceNet)
    return tuned


def main(argv: list[str] | None = None) -> int:
    """Prune, train further, export; the words that are not named here are the trainer's."""
    made = argparse.ArgumentParser(
        "python -m emostress_ros.training.face.prune", description=__doc__
    )
    made.add_argument("--checkpoint", type=Path, required=True)
    made.add_argument("--keep", type=float, default=0.75)
    own, rest = made.parse_known_args(argv)
    state = common.load_checkpoint(own.checkpoint)
    words = ["--arch", state["arch"], "--seed", str(state["seed"]), "--optimizer", "adamw"]
    words += ["--teachers", str(own.checkpoint), "--half", "--ema", "0.995", "--lr", "5e-4"]
    options = face.parser().parse_args([*words, *rest])
    use(options.device)
    common.seed_everything(options.seed)
    train, validation, report = prepare(fer2013.load(options.data), options.seed, options.limit)
    print(report)
    net = load_net(own.checkpoint)
    assert isinstance(net, face_nets.FaceNet)
    tuned = fine_tune(prune(net, own.keep), options, train, validation, options.epochs)
    if not options.no_export:
        from emostress_ros.training.face.export import export

        targets = validation.emotion.numpy(), validation.ferplus.numpy()
        print(export(tuned, options, validation.faces, *targets))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
