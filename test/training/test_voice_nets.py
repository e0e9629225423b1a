"""The voice networks by name: shapes, padding, learning, and what the front end gives them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io.wavfile

torch = pytest.importorskip("torch", reason="needs the extra [train]")

from emostress_ros.errors import ModelNotFoundError  # noqa: E402
from emostress_ros.modalities.voice.log_mel import LogMelStream  # noqa: E402
from emostress_ros.modalities.voice.pitch import PitchStream  # noqa: E402
from emostress_ros.training.datasets.speech_clips import SpeechClip  # noqa: E402
from emostress_ros.training.voice.frames import (  # noqa: E402
    LONGEST,
    WIDTH,
    FrameBank,
    frame_bank,
    frames_of,
)
from emostress_ros.training.voice.functionals import LEVELS, Functionals  # noqa: E402
from emostress_ros.training.voice.nets import (  # noqa: E402
    ARCHITECTURES,
    architecture,
)
from emostress_ros.training.voice.nets_fit import NetOptions, fit_net, predict_net  # noqa: E402
from emostress_ros.training.weights import parameter_count  # noqa: E402

torch.set_num_threads(1)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("length", [2, 7])
def test_padding_does_not_count(name: str, length: int) -> None:
    torch.manual_seed(0)
    net = architecture(name).build(5).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-1, 1)
    rows = torch.randn(1, length, WIDTH)
    padded = torch.cat((torch.cat((rows, torch.zeros(1, 31 - length, WIDTH)), 1),
                        torch.randn(1, 31, WIDTH)))  # fmt: skip
    with torch.no_grad():
        alone = net.logits(rows)[1]
        together = net.logits(padded, torch.tensor([length, 31]))[1]
    torch.testing.assert_close(alone, together[:1], atol=1e-4, rtol=1e-4)


def bank(clips: int = 48, classes: int = 4) -> FrameBank:
    """Clips of 10 to 20 frames, whose loudest band tells the class."""
    rng = np.random.default_rng(0)
    frames = np.zeros((2, clips, LONGEST, WIDTH), np.float16)
    lengths = rng.integers(10, 21, (2, clips))
    labels = np.arange(clips) % classes
    for variant in range(2):
        for clip in range(clips):
            rows = rng.normal(size=(lengths[variant, clip], WIDTH))
            rows[:, 8 * labels[clip] : 8 * labels[clip] + 8] += 2.0
            frames[variant, clip, : len(rows)] = rows
    return FrameBank(frames, lengths, labels, tuple(f"p{i % 6}" for i in range(clips)))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_can_be_learned_is_learned(name: str) -> None:
    known = bank()
    options = NetOptions(batch=8, share=0.2, ema=0.9)
    index = np.arange(40)
    steps = list(fit_net(architecture(name), known, index, 4, options))
    assert len(steps) == options.epochs(architecture(name))
    assert len(steps) == 1 or steps[-1][0] < steps[0][0]
    rows = predict_net(steps[-1][1], known, np.arange(40, 48))
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, atol=1e-5)
    assert np.mean(rows.argmax(axis=1) == known.labels[40:]) >= 0.75


def test_the_same_seed_gives_the_same_network() -> None:
    known, options = bank(), NetOptions(batch=8, share=0.05)
    first, again = (
        predict_net(list(fit_net(architecture("gru"), known, np.arange(40), 4, options))[-1][1],
                    known, np.arange(48))
        for _ in range(2)
    )  # fmt: skip
    np.testing.assert_array_equal(first, again)


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(ModelNotFoundError, match=r"logistic, lstm.*voice_speech; got 'rnn'"):
        architecture("rnn")


def test_parameters_are_counted() -> None:
    net = architecture("logistic").build(8)
    assert parameter_count(net) == 8 * net.body.dim + 8


def test_gain_does_not_count() -> None:
    rng = np.random.default_rng(0)
    tone = np.sin(2 * np.pi * 150 * np.arange(16_000) / 16_000) + 0.01 * rng.normal(size=16_000)
    loud, soft = (frames_of((gain * tone).astype(np.float32)) for gain in (0.5, 0.05))
    np.testing.assert_allclose(loud, soft, atol=0.02)


def test_frames_are_those_that_a_robot_hears() -> None:
    waveform = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
    net = architecture("cnn1d").build(8).eval()
    parts = (LogMelStream().push(waveform), PitchStream().push(waveform))
    with torch.no_grad():
        heard = net(*(torch.from_numpy(part)[None] for part in parts))[1]
        known = net.logits(net.standardise(torch.from_numpy(frames_of(waveform))[None]))[1]
    torch.testing.assert_close(heard, known.log_softmax(-1), atol=1e-4, rtol=1e-4)


def test_a_bank_is_kept_and_its_first_variant_is_plain(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = []
    for index in range(3):
        path = tmp_path / f"{index}.wav"
        sound = (8_000 * np.sin(2 * np.pi * 150 * np.arange(24_000) / 16_000)).astype(np.int16)
        scipy.io.wavfile.write(path, 16_000, sound + rng.integers(-99, 99, 24_000, np.int16))
        clips.append(SpeechClip(path, "sad", f"p{index}"))
    made = frame_bank(clips, np.zeros(3, np.int64), tmp_path / "kept", changed=1, progress=False)
    for path in tmp_path.glob("*.wav"):
        path.unlink()
    again = frame_bank(clips, np.zeros(3, np.int64), tmp_path / "kept", changed=1, progress=False)
    np.testing.assert_array_equal(made.frames, again.frames)
    assert made.frames.shape == (2, 3, LONGEST, WIDTH)
    assert not np.array_equal(made.frames[0], made.frames[1])
    for clip in range(3):
        assert not made.frames[0, clip, made.lengths[0, clip] :].any()


def test_functionals_are_those_of_numpy() -> None:
    rows = np.random.default_rng(0).normal(size=(1, 20, WIDTH)).astype(np.float32)
    padded = np.concatenate((rows, np.full((1, 9, WIDTH), 7, np.float32)), axis=1)
    body = Functionals()
    found = body.measured(torch.from_numpy(padded), torch.tensor([20]))[0].numpy()
    parts = found.reshape(-1, Functionals.columns)[:, :64]  # of the log-mel bands
    told, step = rows[0, :, :64], np.diff(rows[0, :, :64], axis=0)
    wanted = [told.mean(0), told.std(0), *np.quantile(told, LEVELS, axis=0),
              np.abs(step).mean(0), step.std(0), np.abs(step).max(0)]  # fmt: skip
    np.testing.assert_allclose(parts, np.stack(wanted), atol=1e-4)
