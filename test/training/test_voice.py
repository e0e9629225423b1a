"""Training of the voice model: masks, calibration, learning and export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [train]")
pytest.importorskip("onnx", reason="needs the extra [train]")

from emostress_ros.inference.session import Session  # noqa: E402
from emostress_ros.training.datasets import ravdess  # noqa: E402
from emostress_ros.training.voice import fit_temperature, soften  # noqa: E402
from emostress_ros.training.voice_data import VARIANTS, Material, make_variant  # noqa: E402
from emostress_ros.training.voice_export import PARITY, DeployedVoiceNet, export  # noqa: E402
from emostress_ros.training.voice_fit import (  # noqa: E402
    FitOptions,
    UpperPart,
    batches_of,
    fit,
    pooled_at_start,
    predict,
)
from emostress_ros.training.voice_net import WIDTH, Block, VoiceNet, statistics  # noqa: E402

LOWER = 4 * WIDTH
torch.set_num_threads(1)


def material(labels: np.ndarray, seed: int = 0) -> Material:
    """Clips of 5 to 20 frames whose lower statistics tell the label."""
    rng = np.random.default_rng(seed)
    lower = rng.normal(size=(len(labels), LOWER)).astype(np.float32)
    lower[:, :8] += 4.0 * np.eye(8)[labels]
    frames = [
        rng.normal(size=(n, WIDTH)).astype(np.float16) for n in rng.integers(5, 20, len(labels))
    ]
    return Material(lower, frames)


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    upper = UpperPart(Block(), 8).eval()
    clips = material(np.arange(6))
    together = upper.pooled(*batches_of(clips, np.arange(6)))
    alone = torch.cat([upper.pooled(*batches_of(clips, np.array([i]))) for i in range(6)])
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=1e-3)


def test_masked_statistics_are_those_of_the_unmasked_frames() -> None:
    frames = torch.randn(2, 9, 5)
    mask = torch.ones(2, 9)
    torch.testing.assert_close(statistics(frames, mask), statistics(frames))


@pytest.mark.parametrize(("head_epochs", "block_epochs"), [(12, 0), (2, 1)])
def test_what_can_be_learned_is_learned(head_epochs: int, block_epochs: int) -> None:
    labels = np.tile(np.arange(8), 6)
    variants = [material(labels, seed) for seed in (0, 1)]
    block = Block()
    pooled = pooled_at_start(block, variants, progress=False)
    options = FitOptions(head_epochs=head_epochs, block_epochs=block_epochs, batch=16)
    index = np.arange(len(labels))
    steps = list(fit(block, pooled, variants, labels, index, 8, options))
    assert len(steps) == head_epochs + block_epochs
    assert steps[-1][0] < steps[0][0]
    if block_epochs == 0:
        found = predict(steps[-1][1], pooled[0]).argmax(axis=1)
        assert np.mean(found == labels) > 0.7


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    honest = soften(rng.dirichlet(np.ones(8), 4_000), 1.0)
    truth = np.array([rng.choice(8, p=row) for row in honest])
    boastful = soften(honest, 0.5)
    assert fit_temperature(truth, boastful) == pytest.approx(2.0, rel=0.1)
    np.testing.assert_allclose(soften(boastful, 2.0), honest, atol=1e-3)


def test_export_answers_as_torch_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = VoiceNet(8).eval()
    labels = tuple("neutral calm happy sad angry scared disgusted surprised".split())
    deployed = DeployedVoiceNet(net, UpperPart(net.blocks[-1], 8), labels, 0.8)
    assert export(deployed, tmp_path / "model.onnx") <= PARITY
    out = Session(tmp_path / "model.onnx").run({"waveform": np.zeros((3, 16_000), np.float32)})
    assert out["embedding"].shape[0] == 3 and out["probabilities"].shape == (3, 8)
    np.testing.assert_allclose(out["probabilities"].sum(axis=1), 1.0, atol=1e-5)
    assert np.isfinite(out["valence"]).all() and np.abs(out["arousal"]).max() <= 1.0


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_keep_the_sound_finite(variant: str) -> None:
    waveform = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    changed = make_variant(waveform, variant, np.random.default_rng(0))
    assert np.isfinite(changed).all()
    expected = {"slow": 16_000 * 10 / 9, "fast": 16_000 * 10 / 11}.get(variant, 16_000)
    assert len(changed) == pytest.approx(expected, abs=1)


def test_labels_are_those_of_ravdess() -> None:
    assert len(ravdess.LABELS) == 8
