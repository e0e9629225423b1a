from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from emostress_ros.errors import DatasetError, ModelNotFoundError  # noqa: E402
from emostress_ros.evaluation.score_face import score  # noqa: E402
from emostress_ros.inference import ModelCard  # noqa: E402
from emostress_ros.training import common  # noqa: E402
from emostress_ros.training.datasets.fer2013 import LABELS  # noqa: E402
from emostress_ros.training.face import nets as face_nets  # noqa: E402
from emostress_ros.training.face import train as face  # noqa: E402
from emostress_ros.training.face.augment import Augmentation, augment, mixup  # noqa: E402
from emostress_ros.training.face.data import prepare  # noqa: E402
from emostress_ros.training.face.fit import soft_cross_entropy  # noqa: E402


def arguments(path, tmp_path, *more):
    work, out = tmp_path / "work", tmp_path / "face_toy"
    fixed = ["--data", str(path), "--work", str(work), "--out", str(out), "--arch", "cnn"]
    return [*fixed, "--threads", "1", "--batch", "64", "--quiet", *more]


def test_training_resumes_and_exports_a_model_that_scores(toy_set, tmp_path, capsys):
    assert face.main(arguments(toy_set, tmp_path, "--epochs", "1", "--no-export")) == 0
    assert face.main(arguments(toy_set, tmp_path, "--epochs", "2", "--resume")) == 0
    log = common.CsvLog(tmp_path / "work" / "log.csv", resume=True).read()
    assert log["epoch"] == [1, 2]
    assert (tmp_path / "face_toy" / "training.png").stat().st_size > 5000
    scored = score("fer2013", toy_set, model=str(tmp_path / "face_toy"), progress=False)
    assert scored.n == 70 and scored.extra["skipped"] == 0
    assert scored.extra["split"] == "PublicTest"
    slices = scored.extra["slices"]
    assert slices["raters unanimous"]["n"] == 70 and "raters disputed" not in slices
    assert [slices[f"label {name}"]["n"] for name in LABELS] == [10] * 7
    card = ModelCard.load(tmp_path / "face_toy")
    assert ("slices", "label fear") in [figure.part for figure in card.measured]
    assert score("ferplus", toy_set, model=str(tmp_path / "face_toy"), progress=False).n == 70
    with pytest.raises(DatasetError, match="ferplus"):
        score("affectnet", toy_set)


def test_copies_of_test_faces_leave_the_training_set(toy_set):
    from emostress_ros.training.datasets import fer2013

    data = fer2013.load(toy_set)
    images = data.images.copy()
    images[:5] = images[400:405]
    train, validation, report = prepare(fer2013.Fer2013(images, data.labels, data.usage, None), 0)
    assert "5 exact" in report
    assert len(train.faces) + len(validation.faces) == 345
    assert float(train.ferplus.sum()) == 0.0


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ModelNotFoundError, match="resnet_small"):
        face_nets.build("resnet_huge")


@pytest.mark.parametrize("name", sorted(face_nets.ARCHITECTURES))
def test_every_architecture_answers_both_questions(name):
    net = face_nets.build(name).eval()
    emotion, ferplus = net(torch.zeros(2, 1, 48, 48))
    assert emotion.shape == (2, 7) and ferplus.shape == (2, 8)


def test_augmentation_keeps_shape_and_mixup_keeps_mass():
    torch.manual_seed(0)
    faces = torch.rand(16, 1, 48, 48) * 255
    changed = augment(faces, Augmentation(), 40)
    assert changed.shape == (16, 1, 40, 40) and torch.isfinite(changed).all()
    targets = torch.eye(7)[torch.arange(16) % 7]
    mixed, (mixed_targets,) = mixup(faces, [targets], 0.4)
    assert mixed.shape == faces.shape
    torch.testing.assert_close(mixed_targets.sum(1), torch.ones(16))


def test_faces_without_a_label_do_not_count():
    logits = torch.randn(4, 7)
    targets = torch.eye(7)[:4].clone()
    full = soft_cross_entropy(logits[:3], targets[:3])
    targets[3] = 0
    torch.testing.assert_close(soft_cross_entropy(logits, targets), full)


def test_the_schedule_warms_up_and_ends_at_nothing():
    factors = [common.cosine_warmup(step / 100) for step in range(101)]
    assert factors[0] < 0.01 and max(factors) == pytest.approx(1.0) and factors[-1] < 1e-6
    assert factors[5:] == sorted(factors[5:], reverse=True)


def test_the_moving_average_follows_the_weights():
    net = torch.nn.Linear(3, 2)
    average = common.ModelEma(net, decay=0.5)
    with torch.no_grad():
        net.weight.fill_(4.0)
    for _ in range(60):
        average.update(net)
    torch.testing.assert_close(average.net.weight, net.weight, atol=1e-3, rtol=0)


def test_a_checkpoint_that_is_none_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no checkpoint"):
        common.load_checkpoint(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"junk")
    with pytest.raises(DatasetError, match="not a checkpoint"):
        common.load_checkpoint(tmp_path / "bad.pt")
