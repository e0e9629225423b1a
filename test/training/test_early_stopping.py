"""Early stopping and class balancing, as every trainer shares them."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emostress_ros.training import common  # noqa: E402
from emostress_ros.training.early_stopping import EarlyStopping  # noqa: E402


def net_of(value: float) -> torch.nn.Linear:
    net = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(net.weight, value)
    return net


def test_it_stops_after_its_patience_and_gives_back_the_best() -> None:
    stopping, net, seen = EarlyStopping(2), net_of(0.0), []
    for epoch, figure in enumerate([0.3, 0.5, 0.4, 0.5, 0.9]):
        torch.nn.init.constant_(net.weight, float(epoch))
        stopping.see(figure, net)
        seen.append(epoch)
        if stopping.over:
            break
    assert seen == [0, 1, 2, 3]  # 0.5 again is no better; 0.9 is never reached
    stopping.give_back(net)
    assert net.weight.item() == 1.0
    assert stopping.best == 0.5


def test_without_patience_nothing_stops_and_the_last_weights_stay() -> None:
    stopping, net = EarlyStopping(0), net_of(7.0)
    for figure in (0.9, 0.1, 0.1, 0.1):
        stopping.see(figure, net_of(1.0))
    assert not stopping.over
    stopping.give_back(net)
    assert net.weight.item() == 7.0


def test_a_checkpoint_remembers_what_was_best(tmp_path: Path) -> None:
    before = EarlyStopping(3)
    before.see(0.6, net_of(6.0))
    before.see(0.2, net_of(2.0))
    common.save_checkpoint(tmp_path / "c.pt", {"stopping": before.state_dict()})
    after, net = EarlyStopping(3), net_of(0.0)
    after.load_state_dict(common.load_checkpoint(tmp_path / "c.pt")["stopping"])
    after.give_back(net)
    assert (after.best, after.waited, net.weight.item()) == (0.6, 1, 6.0)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_classes_are_weighed_by_their_rarity(power: float) -> None:
    targets = torch.eye(3)[torch.tensor([0] * 8 + [1] * 2 + [2] * 1)]
    weights = common.class_weights(targets, power)
    mass = targets.sum(0)
    assert float((weights * mass).sum() / mass.sum()) == pytest.approx(1.0)
    ratio = float(weights[2] / weights[0])
    assert ratio == pytest.approx(8.0**power)
    if power == 1.0:
        np.testing.assert_allclose((weights * mass).numpy(), (weights * mass).numpy()[0], rtol=1e-6)


def test_a_face_training_stops_early_and_resumes_no_further(tmp_path: Path) -> None:
    from emostress_ros.training.datasets.fer2013 import Fer2013
    from emostress_ros.training.face.data import prepare
    from emostress_ros.training.face.fit import load_net, trainer_of
    from emostress_ros.training.face.train import parser

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (140, 48, 48), dtype=np.uint8)
    data = Fer2013(images, rng.integers(0, 7, 140), np.full(140, "Training"), None)
    words = ["--data", "x", "--arch", "logistic", "--epochs", "30", "--batch", "32", "--quiet",
             "--patience", "2", "--balance", "1", "--work", str(tmp_path), "--resume"]  # fmt: skip
    options: argparse.Namespace = parser().parse_args(words)
    train, validation, _ = prepare(data, 0, 0)
    first = trainer_of(options, train, validation)
    net = first.run()
    assert 3 <= first.epoch < 30
    again = trainer_of(options, train, validation)
    assert again.stopping.over
    again.run()
    assert again.epoch == first.epoch
    kept = load_net(tmp_path / "checkpoint.pt").state_dict()
    assert all(torch.equal(kept[key], value) for key, value in net.state_dict().items())
