"""Training of the voice model: statistics, calibration, learning and export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [train]")
pytest.importorskip("onnx", reason="needs the extra [train]")

from emostress_ros.inference.session import Session  # noqa: E402
from emostress_ros.modalities.voice.log_mel import LogMelStream  # noqa: E402
from emostress_ros.modalities.voice.pitch import PitchStream  # noqa: E402
from emostress_ros.training.datasets import ravdess  # noqa: E402
from emostress_ros.training.voice.data import VARIANTS, make_variant, variant_of  # noqa: E402
from emostress_ros.training.voice.export import PARITY, DeployedVoiceNet, export  # noqa: E402
from emostress_ros.training.voice.fit import FitOptions, Lessons, fit, predict  # noqa: E402
from emostress_ros.training.voice.lower import acoustic_of, start_encoder  # noqa: E402
from emostress_ros.training.voice.net import (  # noqa: E402
    ACOUSTIC,
    HEARD,
    VoiceNet,
    acoustic_statistics,
)
from emostress_ros.training.voice.train import fit_temperature, soften  # noqa: E402

torch.set_num_threads(1)


def lessons(labels: np.ndarray) -> Lessons:
    """Clips of 0.5 s whose statistics tell the label."""
    rng = np.random.default_rng(0)
    start = rng.normal(size=(2, len(labels), HEARD + ACOUSTIC)).astype(np.float32)
    start[:, :, :8] += 4.0 * np.eye(8)[labels]
    start[:, :, HEARD : HEARD + 8] += 4.0 * np.eye(8)[labels]
    speech = [
        rng.normal(0, 0.1, n).astype(np.float32) for n in rng.integers(8_000, 9_000, len(labels))
    ]
    return Lessons(speech, start, labels, np.ones(len(labels)), np.arange(len(labels)))


def test_the_head_learns_what_can_be_learned() -> None:
    labels = np.tile(np.arange(8), 6)
    known = lessons(labels)
    options = FitOptions(head_epochs=12, tuning_epochs=0, head_batch=16)
    steps = list(fit(VoiceNet(8), known, options))
    assert len(steps) == 12
    assert steps[-1][0] < steps[0][0]
    found = predict(steps[-1][1], known, known.index, tuned=False).argmax(axis=1)
    assert np.mean(found == labels) > 0.7


def test_tuning_moves_every_layer_of_a_copy() -> None:
    torch.manual_seed(0)
    net = VoiceNet(8)
    known = lessons(np.arange(8))
    options = FitOptions(head_epochs=1, tuning_epochs=2, head_batch=8, tuning_batch=4)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    *_, (loss, tuned) = fit(net, known, options)
    assert np.isfinite(loss)
    for name, value in tuned.named_parameters():
        assert not torch.equal(value, before[name]), name
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, before[name])
    rows = predict(tuned, known, np.array([3, 1]), tuned=True)
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, atol=1e-4)


def test_gain_does_not_count() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(16_000) / 16_000
    buzz = (0.1 * np.sign(np.sin(2 * np.pi * 150 * time)) + 0.01 * rng.normal(size=16_000)).astype(
        np.float32
    )
    np.testing.assert_allclose(acoustic_of(buzz), acoustic_of(0.1 * buzz), atol=0.02)


def test_pitch_is_found_in_the_statistics() -> None:
    time = np.arange(16_000) / 16_000
    low, high = (
        acoustic_of(np.sin(2 * np.pi * f0 * time).astype(np.float32)) for f0 in (120.0, 240.0)
    )
    assert (high - low)[-ACOUSTIC + 128] == pytest.approx(np.log(2.0), abs=0.02)


def test_silence_has_finite_statistics() -> None:
    silent = acoustic_statistics(torch.full((2, 1, 64), -100.0), torch.zeros(2, 1, 3))
    assert silent.shape == (2, ACOUSTIC)
    assert torch.isfinite(silent).all()


def test_start_statistics_are_what_the_network_computes() -> None:
    torch.manual_seed(0)
    net = VoiceNet(8).eval()
    waveform = np.random.default_rng(0).normal(0, 0.1, 9_999).astype(np.float32)
    rows = start_encoder(net)(waveform)
    with torch.no_grad():
        expected = net.heard(torch.from_numpy(waveform)[None])[0].numpy()
    np.testing.assert_allclose(rows[:HEARD], expected, atol=1e-3)


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
    deployed = DeployedVoiceNet(net, labels, 0.8)
    assert export(deployed, tmp_path / "model.onnx") <= PARITY
    silence = np.zeros(16_000, np.float32)
    feed = {"waveform": silence, "log_mel": LogMelStream().push(silence),
            "prosody": PitchStream().push(silence)}  # fmt: skip
    out = Session(tmp_path / "model.onnx").run(
        {name: np.stack([array] * 3) for name, array in feed.items()}
    )
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


def test_the_same_clip_and_seed_give_the_same_noise() -> None:
    waveform = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    first, again, other = (variant_of(waveform, 3, clip, 0) for clip in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_labels_are_those_of_ravdess() -> None:
    assert len(ravdess.LABELS) == 8
