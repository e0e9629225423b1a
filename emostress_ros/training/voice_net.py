"""The voice network: a convolutional stem over the waveform, attention blocks, pooled statistics.

The encoder is that of Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and
Voice Commands" (2024), cut after its third block: the lower blocks of a recogniser carry how
something is said, the upper ones what is said.  Its weights are those of the MIT-licensed
``tiny-en`` model, which the pip package ``moonshine-voice==0.0.73`` brings; see
:mod:`emostress_ros.training.voice_pretrained`.  Statistics pooling: Snyder et al., "X-vectors",
ICASSP 2018.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

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

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.out = (
            nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4)
        )
        self.expand = nn.Linear(WIDTH, HIDDEN)
        self.contract = nn.Linear(HIDDEN, WIDTH)
        self.dropout = nn.Dropout(dropout)
        cosine, sine = _rotary_tables(LONGEST_FRAMES)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)

    def forward(self, frames: Tensor, bias: Tensor | None = None) -> Tensor:
        """Map (N, T, 288) to the same; ``bias`` (N, 1, 1, T) is -inf at padded frames."""
        batch, length = frames.shape[0], frames.shape[1]
        normed = self.norm1(frames)
        query, key, value = (
            layer(normed).view(batch, length, HEADS, WIDTH // HEADS).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        cosine, sine = self.cosine[:length], self.sine[:length]
        query, key = _rotate(query, cosine, sine), _rotate(key, cosine, sine)
        weight = query @ key.transpose(-1, -2) / math.sqrt(WIDTH // HEADS)
        weight = weight if bias is None else weight + bias
        mixed = (weight.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, WIDTH)
        frames = frames + self.dropout(self.out(mixed))
        return frames + self.dropout(
            self.contract(functional.gelu(self.expand(self.norm2(frames))))
        )


class VoiceHead(nn.Module):
    """A committee of small perceptrons over pooled statistics.

    The members differ in their start and in what dropout hides from them; the mean of their
    probabilities is steadier than any of them (Lakshminarayanan et al., NeurIPS 2017).

    Args:
        classes: number of labels.
        inputs: width of the pooled statistics.
    """

    def __init__(self, classes: int, inputs: int = 2 * WIDTH * BLOCKS) -> None:
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
    """Waveform to embedding and log-probabilities."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = Stem()
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.head = VoiceHead(classes)

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, S) at 16 kHz to the (N, 256) embedding and log-probabilities."""
        frames = self.stem(waveform)
        pooled = []
        for block in self.blocks:
            frames = block(frames)
            pooled.append(statistics(frames))
        return self.head(torch.cat(pooled, dim=1))


def statistics(frames: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the (N, 2 D) mean and deviation of (N, T, D) frames over time.

    Args:
        frames: (N, T, D).
        mask: (N, T) 1 at frames that count; all when not given.
    """
    if mask is None:
        mean = frames.mean(dim=1)
        variance = (frames - mean[:, None]).square().mean(dim=1)
    else:
        share = (mask / mask.sum(dim=1, keepdim=True))[..., None]
        mean = (frames * share).sum(dim=1)
        variance = ((frames - mean[:, None]).square() * share).sum(dim=1)
    return torch.cat((mean, (variance + 1e-5).sqrt()), dim=1)


def _rotary_tables(length: int) -> tuple[Tensor, Tensor]:
    frequency = 10_000.0 ** (-torch.arange(0, ROTARY, 2) / ROTARY)
    angle = torch.arange(length)[:, None] * frequency
    return angle.cos().repeat_interleave(2, -1), angle.sin().repeat_interleave(2, -1)


def _rotate(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    # Su et al., "RoFormer" (2021), on the first 32 of 36 channels, in neighbouring pairs.
    turned, kept = heads[..., :ROTARY], heads[..., ROTARY:]
    pairs = torch.stack((-turned[..., 1::2], turned[..., ::2]), dim=-1).flatten(-2)
    return torch.cat((turned * cosine + pairs * sine, kept), dim=-1)
