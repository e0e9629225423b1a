"""The part of the voice encoder that is not trained, run by ONNX Runtime."""

from __future__ import annotations

import io

import numpy as np
import torch
from torch import Tensor, nn

from emostress_ros.inference.session import Session
from emostress_ros.training.voice_data import Encode, Float32Array
from emostress_ros.training.voice_net import BLOCKS, VoiceNet, statistics

TRAINED_BLOCKS = 1
"""Blocks that are trained, counted from the top."""


class LowerPart(nn.Module):
    """Stem and lower blocks: waveform to pooled statistics and frames."""

    def __init__(self, net: VoiceNet) -> None:
        super().__init__()
        self.stem = net.stem
        self.blocks = nn.ModuleList(list(net.blocks)[: BLOCKS - TRAINED_BLOCKS])

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, S) to (N, L) statistics and (N, T, 288) frames."""
        frames, pooled = self.stem(waveform), []
        for block in self.blocks:
            frames = block(frames)
            pooled.append(statistics(frames))
        return torch.cat(pooled, dim=1), frames


def lower_encoder(net: VoiceNet) -> Encode:
    """Return a function from a waveform to the lower part's output."""
    buffer = io.BytesIO()
    torch.onnx.export(
        LowerPart(net).eval(),
        (torch.randn(1, 16_000),),
        buffer,
        input_names=["waveform"],
        output_names=["lower", "frames"],
        dynamic_axes={"waveform": {1: "S"}, "frames": {1: "T"}},
        opset_version=17,
        dynamo=False,
    )
    session = Session(buffer.getvalue(), threads=1)

    def encode(waveform: Float32Array) -> tuple[Float32Array, Float32Array]:
        outputs = session.run({"waveform": waveform[None]})
        return outputs["lower"][0], np.asarray(outputs["frames"][0], dtype=np.float32)

    return encode
