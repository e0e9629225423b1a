"""The voice network: convolutional stem, attention blocks, and statistics of sound and prosody.

Two branches meet in the head.  The first hears the waveform; its encoder has the form of Jeffries
et al., "Moonshine: Speech Recognition for Live Transcription and Voice Commands" (2024), cut
after its third block: the lower blocks of a recogniser carry how something is said, the upper
ones what is said.  It starts from the MIT-licensed ``tiny-en`` weights (see
:mod:`emostress_ros.training.voice.pretrained`) and all of it is trained.  The second takes the
streaming log-mel spectrogram, pitch and energy.  Both are pooled into statistics over time
(Snyder et al., "X-vectors", ICASSP 2018).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.modalities.voice.log_mel import LogMelOptions

WIDTH = 288
HEADS = 8
HIDDEN = 1152
BLOCKS = 3
ROTARY = 32
STRIDE = 384
"""Samples from one frame of the encoder to the next: 24 ms at 16 kHz."""
MEMBERS = 4
MEMBER_WIDTH = 64
EMBEDDING = MEMBERS * MEMBER_WIDTH
LONGEST_FRAMES = 1300
HEARD = 2 * WIDTH * BLOCKS
"""Statistics of the waveform's branch."""
BANDS = LogMelOptions().n_mels
PROSODY_STATISTICS = 7
ACOUSTIC = 2 * BANDS + PROSODY_STATISTICS
"""Statistics of the branch of log-mel and prosody."""
_MIDDLE_F0_HZ = 200.0
_TARGET_RMS = 0.08


class Stem(nn.Module):
    """(N, S) waveform at 16 kHz to (N, T, 288) frames of 24 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(1, WIDTH, 127, stride=64, bias=False)
        self.norm = nn.GroupNorm(1, WIDTH)
        self.conv2 = nn.Conv1d(WIDTH, 2 * WIDTH, 7, stride=3)
        self.conv3 = nn.Conv1d(2 * WIDTH, WIDTH, 3, stride=2)

    def forward(self, waveform: Tensor) -> Tensor:
        """Level the waveform, then convolve it."""
        centred = waveform - waveform.mean(dim=1, keepdim=True)
        rms = centred.square().mean(dim=1, keepdim=True).add(1e-10).sqrt()
        frames = self.norm(torch.tanh(self.conv1((centred * (_TARGET_RMS / rms))[:, None])))
        frames = functional.gelu(self.conv3(functional.gelu(self.conv2(frames))))
        return frames.transpose(1, 2)


class Block(nn.Module):
    """Pre-norm self-attention with rotary positions, then a two-layer perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.out = (
            nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4)
        )
        self.expand = nn.Linear(WIDTH, HIDDEN)
        self.contract = nn.Linear(HIDDEN, WIDTH)
        cosine, sine = _rotary_tables(LONGEST_FRAMES)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Map (N, T, 288) to the same."""
        batch, length = frames.shape[0], frames.shape[1]
        normed = self.norm1(frames)
        query, key, value = (
            layer(normed).view(batch, length, HEADS, WIDTH // HEADS).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        cosine, sine = self.cosine[:length], self.sine[:length]
        query, key = _rotate(query, cosine, sine), _rotate(key, cosine, sine)
        weight = query @ key.transpose(-1, -2) / math.sqrt(WIDTH // HEADS)
        mixed = (weight.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, WIDTH)
        frames = frames + self.out(mixed)
        return frames + self.contract(functional.gelu(self.expand(self.norm2(frames))))


class VoiceHead(nn.Module):
    """A committee of small perceptrons over pooled statistics.

    The members differ in their start and in what dropout hides from them; the mean of their
    probabilities is steadier than any of them (Lakshminarayanan et al., NeurIPS 2017).

    Args:
        classes: number of labels.
        inputs: width of the pooled statistics.
    """

    def __init__(self, classes: int, inputs: int = HEARD + ACOUSTIC) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.drop_in, self.drop_out = nn.Dropout(0.5), nn.Dropout(0.5)
        self.embed = nn.Parameter(torch.empty(MEMBERS, inputs, MEMBER_WIDTH))
        self.embed_bias = nn.Parameter(torch.zeros(MEMBERS, 1, MEMBER_WIDTH))
        self.classify = nn.Parameter(torch.empty(MEMBERS, MEMBER_WIDTH, classes))
        self.classify_bias = nn.Parameter(torch.zeros(MEMBERS, 1, classes))
        nn.init.uniform_(self.embed, -(inputs**-0.5), inputs**-0.5)
        nn.init.uniform_(self.classify, -(MEMBER_WIDTH**-0.5), MEMBER_WIDTH**-0.5)

    def members(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, inputs) to (M, N, width) embeddings and (M, N, classes) logits."""
        normal = ((pooled - self.mean) / self.scale).expand(MEMBERS, -1, -1)
        embedding = functional.gelu(self.drop_in(normal) @ self.embed + self.embed_bias)
        return embedding, self.drop_out(embedding) @ self.classify + self.classify_bias

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, inputs) to the (N, M * width) embedding and (N, classes) log-probabilities."""
        embedding, logits = self.members(pooled)
        joined = embedding.transpose(0, 1).flatten(1)
        return joined, logits.softmax(-1).mean(0).clamp_min(1e-8).log()


class VoiceNet(nn.Module):
    """Waveform, log-mel and prosody to embedding and log-probabilities."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = Stem()
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.head = VoiceHead(classes)

    def heard(self, waveform: Tensor) -> Tensor:
        """Map (N, S) at 16 kHz to the (N, HEARD) statistics of every block's frames."""
        frames = self.stem(waveform)
        pooled = []
        for block in self.blocks:
            frames = block(frames)
            pooled.append(statistics(frames))
        return torch.cat(pooled, dim=1)

    def forward(self, waveform: Tensor, log_mel: Tensor, prosody: Tensor) -> tuple[Tensor, Tensor]:
        """Map one stretch of speech to the (N, 256) embedding and log-probabilities.

        Args:
            waveform: (N, S) at 16 kHz.
            log_mel: (N, T, 64) dB.
            prosody: (N, P, 3) F0 in Hz (0 where unvoiced), periodicity, level in dBFS.
        """
        acoustic = acoustic_statistics(log_mel, prosody)
        return self.head(torch.cat((self.heard(waveform), acoustic), dim=1))


def statistics(frames: Tensor) -> Tensor:
    """Return the (N, 2 D) mean and deviation of (N, T, D) frames over time."""
    mean = frames.mean(dim=1)
    variance = (frames - mean[:, None]).square().mean(dim=1)
    return torch.cat((mean, (variance + 1e-5).sqrt()), dim=1)


def acoustic_statistics(log_mel: Tensor, prosody: Tensor) -> Tensor:
    """Return the (N, ACOUSTIC) statistics of (N, T, 64) log-mel and (N, P, 3) prosody.

    The mean level of the stretch is taken off, so that neither the microphone's gain nor its
    distance counts.
    """
    shape = (log_mel - log_mel.mean(dim=(1, 2), keepdim=True)) / 10.0
    f0, periodicity, level = prosody.unbind(-1)
    voiced = (f0 > 0).float()
    pitch = (f0.clamp_min(1.0) / _MIDDLE_F0_HZ).log() * voiced
    count = voiced.sum(dim=1).clamp_min(1.0)
    middle = pitch.sum(dim=1) / count
    spread = ((pitch - middle[:, None]).square() * voiced).sum(dim=1) / count
    pairs = voiced[:, 1:] * voiced[:, :-1]
    slope = (pitch[:, 1:] - pitch[:, :-1]).abs() * pairs
    motion = 10.0 * slope.sum(dim=1) / pairs.sum(dim=1).clamp_min(1.0)
    sound = statistics(torch.stack((periodicity, level / 10.0), dim=-1))
    found = (middle, (spread + 1e-5).sqrt(), motion, voiced.mean(dim=1))
    # The mean level, second of the four, is the one that does not count.
    return torch.cat((statistics(shape), torch.stack(found, dim=1), sound[:, [0, 2, 3]]), dim=1)


def _rotary_tables(length: int) -> tuple[Tensor, Tensor]:
    frequency = 10_000.0 ** (-torch.arange(0, ROTARY, 2) / ROTARY)
    angle = torch.arange(length)[:, None] * frequency
    return angle.cos().repeat_interleave(2, -1), angle.sin().repeat_interleave(2, -1)


def _rotate(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    # Su et al., "RoFormer" (2021), on the first 32 of 36 channels, in neighbouring pairs.
    turned, kept = heads[..., :ROTARY], heads[..., ROTARY:]
    pairs = torch.stack((-turned[..., 1::2], turned[..., ::2]), dim=-1).flatten(-2)
    return torch.cat((turned * cosine + pairs * sine, kept), dim=-1)
