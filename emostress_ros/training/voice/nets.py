"""Emotion networks over frames of speech, by name.

All take standardised frames of 40 ms (64 log-mel bands, pitch, periodicity, level) and end in one
embedding and one linear layer.  ``voice_speech`` is the shipped one, which hears the waveform too:
see :mod:`emostress_ros.training.voice.net`.

Sources: Davis and Mermelstein, IEEE TASSP 28 (1980) (MFCC); Hochreiter and Schmidhuber, Neural
Computation 9 (1997) (LSTM); Cho et al., EMNLP 2014 (GRU); Issa et al., "Speech emotion recognition
with deep convolutional neural networks", BSPC 59 (2020) (1D-CNN); Zhao et al., "Speech emotion
recognition using deep 1D & 2D CNN LSTM networks", BSPC 47 (2019); Mirsamadi et al., "Automatic
speech emotion recognition using recurrent neural networks with local attention", ICASSP 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from emostress_ros.errors import ModelNotFoundError
from emostress_ros.training.voice.frames import BANDS, WIDTH, Front
from emostress_ros.training.voice.functionals import Functionals
from emostress_ros.training.voice.over_time import (
    Cepstrum,
    greatest_over,
    masked,
    mean_over,
    paired,
    pooled_lengths,
)

SHIPPED = "voice_speech"
FROZEN = "voice_speech_frozen"
"""The shipped network with its encoder as it starts: the head alone learns."""


class Paired(nn.Module):
    """A body over frames of 80 ms, the means of neighbours: half the steps, no less known."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.dim = int(body.dim)

    def forward(self, frames: Tensor, lengths: Tensor | None) -> Tensor:
        """(N, T, 67) to (N, dim)."""
        found: Tensor = self.body(*paired(frames, lengths))
        return found


class Recurrent(nn.Module):
    """A recurrent layer over MFCC and prosody; mean and greatest value over time."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], hidden: int = 64) -> None:
        super().__init__()
        self.cepstrum = Cepstrum()
        self.layers = kind(Cepstrum.width, hidden, batch_first=True)
        self.dim = 2 * hidden

    def forward(self, frames: Tensor, lengths: Tensor | None) -> Tensor:
        """(N, T, 67) to (N, 2 * hidden)."""
        heard = self.layers(self.cepstrum(frames))[0]
        return torch.cat((mean_over(heard, lengths), greatest_over(heard, lengths)), dim=1)


class Conv1d(nn.Module):
    """Convolutions over time, every band a channel; mean and greatest value over time."""

    def __init__(self, widths: tuple[int, ...] = (96, 128, 192)) -> None:
        super().__init__()
        sides = (WIDTH, *widths[:-1])
        strides = (1, *(2 for _ in widths[1:]))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(a, b, 5, step, padding=2, bias=False), nn.BatchNorm1d(b), nn.ReLU()
            )
            for a, b, step in zip(sides, widths, strides, strict=True)
        )
        self.strides = strides
        self.dim = 2 * widths[-1]

    def forward(self, frames: Tensor, lengths: Tensor | None) -> Tensor:
        """(N, T, 67) to (N, 2 * width)."""
        for block, step in zip(self.blocks, self.strides, strict=True):
            lengths = pooled_lengths(lengths, step)
            frames = masked(block(frames.transpose(1, 2)).transpose(1, 2), lengths)
        return torch.cat((mean_over(frames, lengths), greatest_over(frames, lengths)), dim=1)


class Conv2d(nn.Module):
    """3×3 convolutions over time and bands; prosody is read beside them.

    Args:
        widths: channels of the stages; each halves the bands.
        halved: the last stages that halve time.
        flat: mean and greatest value over time; else frames come out.
    """

    def __init__(
        self, widths: tuple[int, ...] = (8, 16, 32, 64), halved: int = 2, *, flat: bool = True
    ) -> None:
        super().__init__()
        sides = (1, *widths[:-1])
        self.times = tuple(1 + int(i >= len(widths) - halved) for i in range(len(widths)))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(a, b, 3, (times, 2), padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()
            )
            for a, b, times in zip(sides, widths, self.times, strict=True)
        )
        self.flat = flat
        spoken = WIDTH - BANDS
        bands = BANDS // 2 ** len(widths)
        self.dim = (widths[-1] * bands + spoken) * (2 if flat else 1)

    def forward(self, frames: Tensor, lengths: Tensor | None) -> Tensor:
        """(N, T, 67) to (N, dim), or to (N, T / 2^halved, dim) where it is not flat."""
        picture, spoken = frames[..., :BANDS], frames[..., BANDS:]
        rows = picture[..., None]
        for block, times in zip(self.blocks, self.times, strict=True):
            rows = block(rows.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            lengths = pooled_lengths(lengths, times)
            rows = masked(rows.flatten(2), lengths).unflatten(2, rows.shape[2:])
            spoken = spoken[:, ::times]
        heard = torch.cat((rows.flatten(2), spoken), dim=-1)
        if not self.flat:
            return heard
        return torch.cat((mean_over(heard, lengths), greatest_over(heard, lengths)), dim=1)


class ConvBiLstmAttention(nn.Module):
    """2D convolutions, an LSTM in both directions, and attention over time."""

    def __init__(self, hidden: int = 48) -> None:
        super().__init__()
        self.convolve = Conv2d((8, 16, 32), 2, flat=False)
        self.layers = nn.LSTM(self.convolve.dim, hidden, batch_first=True, bidirectional=True)
        self.attend = nn.Linear(2 * hidden, 1)
        self.dim = 2 * hidden

    def forward(self, frames: Tensor, lengths: Tensor | None) -> Tensor:
        """(N, T, 67) to (N, 2 * hidden)."""
        rows = self.convolve(frames, lengths)
        kept = pooled_lengths(lengths, 4)
        if kept is None:
            heard = self.layers(rows)[0]
        else:
            # torch asks for the lengths on the CPU, wherever the rows are.
            packed = pack_padded_sequence(rows, kept.cpu(), batch_first=True, enforce_sorted=False)
            heard, _ = pad_packed_sequence(self.layers(packed)[0], batch_first=True)
        weight = self.attend(heard)
        if kept is not None:
            outside = torch.arange(heard.shape[1], device=heard.device) >= kept[:, None]
            weight = weight.masked_fill(outside[..., None], -1e4)
        return (weight.softmax(dim=1) * heard).sum(dim=1)


class FrameNet(nn.Module):
    """Standardisation, a body, and a linear layer.

    Args:
        body: standardised (N, T, 67) frames and (N,) lengths or None to (N, ``body.dim``).
        classes: number of labels.
        dropout: before the linear layer.
    """

    def __init__(self, body: nn.Module, classes: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.front, self.body = Front(), body
        self.register_buffer("mean", torch.zeros(WIDTH))
        self.register_buffer("scale", torch.ones(WIDTH))
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(int(body.dim), classes)

    def standardise(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(N, T, 67) frames to the same, of mean 0 and deviation 1 over the training's clips."""
        return masked((frames - self.mean) / self.scale, lengths)

    def logits(self, standard: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Standardised (N, T, 67) frames to (N, dim) embedding and (N, classes) logits."""
        embedding = self.body(standard, lengths)
        return embedding, self.classify(self.dropout(embedding))

    def forward(self, log_mel: Tensor, prosody: Tensor) -> tuple[Tensor, Tensor]:
        """Map what the front end gives of one stretch of speech, as on a robot.

        Args:
            log_mel: (N, T, 64) dB.
            prosody: (N, P, 3) F0 in Hz (0 where unvoiced), periodicity, level in dBFS.
        """
        embedding, logits = self.logits(self.standardise(self.front(log_mel, prosody)))
        return embedding, logits.log_softmax(dim=-1)


@dataclass(frozen=True)
class Architecture:
    """A network by name and how long it is trained.

    Attributes:
        build: number of classes to a fresh network.
        epochs: passes over the clips; a closed fit has one.
        rate: highest learning rate.
        mixup: parameter of mixup's Beta distribution; 0 for none.
    """

    build: Callable[[int], FrameNet]
    epochs: int
    rate: float = 3e-3
    mixup: float = 0.0


def _of(body: Callable[[], nn.Module]) -> Callable[[int], FrameNet]:
    return lambda classes: FrameNet(Paired(body()), classes)


ARCHITECTURES: dict[str, Architecture] = {
    "logistic": Architecture(lambda classes: FrameNet(Functionals(), classes, 0.0), 1),
    "lstm": Architecture(_of(lambda: Recurrent(nn.LSTM)), 80),
    "gru": Architecture(_of(lambda: Recurrent(nn.GRU)), 80),
    "cnn1d": Architecture(lambda classes: FrameNet(Conv1d(), classes), 80, mixup=0.2),
    "cnn2d": Architecture(_of(Conv2d), 40),
    "cnn_bilstm_attention": Architecture(_of(ConvBiLstmAttention), 30),
}
"""Networks over frames by name; :data:`SHIPPED` is trained by a trainer of its own."""


def architecture(name: str) -> Architecture:
    """Return an architecture by name.

    Raises:
        ModelNotFoundError: no such architecture.
    """
    if name not in ARCHITECTURES:
        raise ModelNotFoundError(
            f"architecture must be one of {', '.join((*ARCHITECTURES, SHIPPED))}; got '{name}'"
        )
    return ARCHITECTURES[name]
