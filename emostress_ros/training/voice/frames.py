"""Clips as frames of sound and prosody, computed once: what the networks by name learn from.

The numbers come from the streaming front end that the voice node runs, so that a network trained
here hears on a robot what it heard in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.files import whole_file
from emostress_ros.modalities.voice.log_mel import LogMelOptions, LogMelStream
from emostress_ros.modalities.voice.pitch import PROSODY_COLUMNS, PitchStream
from emostress_ros.training.common import progress_bar
from emostress_ros.training.datasets.speech_clips import SpeechClip
from emostress_ros.training.voice.augment import augment
from emostress_ros.training.voice.data import Float32Array, cache_key, speech_of

BANDS = LogMelOptions().n_mels
WIDTH = BANDS + len(PROSODY_COLUMNS)
"""Columns of a frame: log-mel bands, then pitch, periodicity and level."""
POOLED = 4
"""Frames of 10 ms that become one."""
LONGEST = 75
"""Frames that are kept of a clip: 3 s."""
_MIDDLE_F0_HZ = 200.0
IntArray = npt.NDArray[np.int64]


class Front(nn.Module):
    """Log-mel and prosody to frames of 40 ms, less the mean level: gain does not count."""

    def forward(self, log_mel: Tensor, prosody: Tensor) -> Tensor:
        """Map (N, T, 64) dB and (N, P <= T, 3) to (N, P / 4, 67)."""
        f0, periodicity, level = prosody.unbind(-1)
        pitch = (f0.clamp_min(1.0) / _MIDDLE_F0_HZ).log() * (f0 > 0).float()
        level = (level - level.mean(dim=1, keepdim=True)) / 10.0
        spoken = torch.stack((pitch, periodicity, level), dim=-1)
        shape = (log_mel - log_mel.mean(dim=(1, 2), keepdim=True)) / 10.0
        frames = torch.cat((shape[:, : prosody.shape[1]], spoken), dim=-1)
        return functional.avg_pool1d(frames.transpose(1, 2), POOLED).transpose(1, 2)


@dataclass(frozen=True)
class FrameBank:
    """Every variant of N clips.

    Attributes:
        frames: (V, N, LONGEST, WIDTH) half-precision numbers, zeros behind a clip's end; the
            first variant is the clip as it is.
        lengths: (V, N) frames of each.
        labels: (N,) class of every clip.
        persons: (N,) whom each comes from.
    """

    frames: npt.NDArray[np.float16]
    lengths: IntArray
    labels: IntArray
    persons: tuple[str, ...]

    def batch(self, variants: IntArray, clips: IntArray) -> tuple[Tensor, Tensor]:
        """Return (n, longest of them, WIDTH) frames and their (n,) lengths."""
        lengths = self.lengths[variants, clips]
        rows = self.frames[variants, clips, : lengths.max()]
        return torch.from_numpy(rows.astype(np.float32)), torch.from_numpy(lengths)

    def moments(self, clips: IntArray) -> tuple[Tensor, Tensor]:
        """Return the (WIDTH,) mean and deviation over the plain frames of some clips."""
        rows, lengths = self.batch(np.zeros_like(clips), clips)
        told = rows[torch.arange(rows.shape[1]) < lengths[:, None]]
        return told.mean(dim=0), told.std(dim=0) + 1e-3


def frames_of(waveform: Float32Array) -> Float32Array:
    """Return the (T <= LONGEST, WIDTH) frames of (n,) samples; the middle of a long clip."""
    rows = (LogMelStream().push(waveform), PitchStream().push(waveform))
    with torch.no_grad():
        frames: Float32Array = Front()(*(torch.from_numpy(row)[None] for row in rows))[0].numpy()
    begin = max(0, len(frames) - LONGEST) // 2
    return frames[begin : begin + LONGEST]


def frame_bank(
    clips: Sequence[SpeechClip],
    labels: IntArray,
    cache: Path,
    *,
    changed: int,
    seed: int = 0,
    progress: bool = True,
) -> FrameBank:
    """Compute the frames of clips, or read them from the cache.

    Args:
        clips: N clips.
        labels: (N,) class of each.
        cache: folder.
        changed: variants besides the plain one, each a random change of the clip.
        seed: of the changes.
        progress: show a bar.
    """
    file = cache / f"voice-frames-{cache_key(clips, changed, seed, LONGEST)}.npz"
    if not file.is_file():
        speech = speech_of(clips, cache, progress=progress)
        frames, lengths = _compute(speech, changed, seed, progress=progress)
        with whole_file(file) as draft:
            np.savez(draft, frames=frames, lengths=lengths)
    with np.load(file) as held:
        return FrameBank(held["frames"], held["lengths"], labels, tuple(c.person for c in clips))


def _compute(
    speech: Sequence[Float32Array], changed: int, seed: int, *, progress: bool
) -> tuple[npt.NDArray[np.float16], IntArray]:
    frames = np.zeros((1 + changed, len(speech), LONGEST, WIDTH), dtype=np.float16)
    lengths = np.zeros((1 + changed, len(speech)), dtype=np.int64)
    with progress_bar(lengths.size, "computing frames", enabled=progress) as advance:
        for clip, waveform in enumerate(speech):
            for variant in range(1 + changed):
                rng = np.random.default_rng((seed, clip, variant))
                rows = frames_of(augment(waveform, rng) if variant else waveform)
                lengths[variant, clip] = max(1, len(rows))
                frames[variant, clip, : len(rows)] = rows
                advance("")
    return frames, lengths
