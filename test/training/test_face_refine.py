from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from emostress_ros.inference import ModelCard  # noqa: E402
from emostress_ros.training.face import train as face  # noqa: E402
from emostress_ros.training.face.data import FaceSet  # noqa: E402
from emostress_ros.training.face.refine import refined  # noqa: E402

KINDS = 7


class Sure(torch.nn.Module):
    """A teacher that takes a face's level for its class, and is equally sure of both heads."""

    def forward(self, faces):
        level = (faces.mean((1, 2, 3)) / 10).round().long().clamp(0, KINDS - 1)
        return (4 * torch.nn.functional.one_hot(level, width).float() for width in (KINDS, 8))


def toy(count=700, wrong=0.3):
    """Return faces whose level is their class, FER2013's label often wrong, the votes hardly."""
    torch.manual_seed(0)
    truth = torch.arange(count) % KINDS
    faces = (truth * 10).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 48, 48).contiguous()
    said = torch.where(torch.rand(count) < wrong, torch.randint(KINDS, (count,)), truth)
    votes = 0.8 * torch.nn.functional.one_hot(truth, 8) + 0.2 * torch.rand(count, 8).softmax(1)
    return FaceSet(faces, torch.nn.functional.one_hot(said, KINDS).float(), votes), truth


def test_wrong_labels_are_corrected_by_networks_and_by_raters():
    data, truth = toy()
    undecided = torch.nn.Module()
    undecided.forward = lambda faces: (torch.zeros(len(faces), 7), torch.zeros(len(faces), 8))
    for teacher in (Sure(), undecided):
        found = refined(data, [teacher], 0.0)
        assert (data.emotion.argmax(1) == truth).float().mean() < 0.8
        assert (found.emotion.argmax(1) == truth).float().mean() > 0.99
    assert float(refined(data, [Sure()], 0.0).emotion.max(1).values.min()) > float(
        found.emotion.max(1).values.max()
    ), "two opinions that agree are surer than one"


def test_distributions_stay_distributions_and_no_label_stays_none():
    data, _ = toy(70)
    data.emotion[:5], data.ferplus[5:10] = 0, 0
    found = refined(data, [Sure()], 0.25)
    for old, new in ((data.emotion, found.emotion), (data.ferplus, found.ferplus)):
        torch.testing.assert_close(new.sum(1), old.sum(1))
        assert (new >= 0.25 * old - 1e-6).all()
    assert torch.equal(refined(data, [Sure()], 1.0).emotion, data.emotion)


def test_a_set_without_votes_is_refined_by_the_networks_alone():
    data, truth = toy()
    bare = FaceSet(data.faces, data.emotion, torch.zeros_like(data.ferplus))
    found = refined(bare, [Sure()], 0.0)
    assert (found.emotion.argmax(1) == truth).all()
    assert float(found.ferplus.sum()) == 0.0


def test_the_card_names_what_refined_the_labels(toy_set, tmp_path):
    fixed = ["--data", str(toy_set), "--epochs", "1", "--batch", "64", "--quiet", "--threads", "1"]
    first = ["--arch", "logistic", "--work", str(tmp_path / "first"), "--no-export"]
    assert face.main([*fixed, *first]) == 0
    refine = ["--refine", str(tmp_path / "first" / "checkpoint.pt"), "--own-label", "0.5"]
    out = ["--arch", "logistic", "--work", str(tmp_path / "second"), "--out", str(tmp_path / "out")]
    assert face.main([*fixed, *out, *refine]) == 0
    first, second = ModelCard.load(tmp_path / "out").raw["training"]["command"].split(" && ")
    assert "--refine" not in first and first.endswith("--no-export")
    assert "--own-label 0.5" in second and "--refine runs/first/checkpoint.pt" in second
