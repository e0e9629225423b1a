"""The voice network's statistics by its start weights, run by ONNX Runtime."""

from __future__ import annotations

import io

import numpy as np
import torch
from torch import Tensor, nn

from emostress_ros.inference.session import Session
from emostress_ros.modalities.voice.log_mel import LogMelStream
from emostress_ros.modalities.voice.pitch import PitchStream
from emostress_ros.training.voice.data import Encode, Float32Array
from emostress_ros.training.voice.net import VoiceNet, acoustic_statistics


class _Heard(nn.Module):
    def __init__(self, net: VoiceNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, waveform: Tensor) -> Tensor:
        return self.net.heard(waveform)


def start_encoder(net: VoiceNet) -> Encode:
    """Return a function from a waveform to the statistics that the head takes."""
    buffer = io.BytesIO()
    torch.onnx.export(
        _Heard(net).eval(),
        (torch.randn(1, 16_000),),
        buffer,
        input_names=["waveform"],
        output_names=["heard"],
        dynamic_axes={"waveform": {1: "S"}},
        opset_version=17,
        dynamo=False,
    )
    session = Session(buffer.getvalue(), threads=1)

    def encode(waveform: Float32Array) -> Float32Array:
        heard = session.run({"waveform": waveform[None]})["heard"][0]
        return np.concatenate((heard, acoustic_of(waveform)))

    return encode


def acoustic_of(waveform: Float32Array) -> Float32Array:
    """Return the (ACOUSTIC,) statistics of a waveform's log-mel spectrogram and prosody."""
    rows = (LogMelStream().push(waveform), PitchStream().push(waveform))
    found: Float32Array = acoustic_statistics(*(torch.from_numpy(row)[None] for row in rows))[
        0
    ].numpy()
    return found
