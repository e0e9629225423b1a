"""Networks over raw windows of a wearable: an LSTM, and convolutions before an LSTM.

Both take scaled frames (N, T, 42) of :mod:`.raw` and answer with one logit. The LSTM is the
one of the literature (Hochreiter and Schmidhuber 1997) over frames as they are; the second has a
convolutional branch for each sensor at the sensor's own rate, in the manner of DeepConvLSTM
(Ordóñez and Roggen, "Deep convolutional and LSTM recurrent neural networks for multimodal
wearable activity recognition", Sensors 2016).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.training.physiology.raw import FRAMES_PER_S, WIDTH

_HIDDEN = 48


class FrameLstm(nn.Module):
    """A second a step into an LSTM; mean over time and last state; a line."""

    def __init__(self, hidden: int = _HIDDEN) -> None:
        super().__init__()
        self.project = nn.Linear(FRAMES_PER_S * WIDTH, hidden)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * hidden, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """(N, T, 42) to (N,) logits."""
        seconds = frames.reshape(len(frames), -1, FRAMES_PER_S * WIDTH)
        states, _ = self.lstm(torch.tanh(self.project(seconds)))
        pooled = torch.cat((states.mean(dim=1), states[:, -1]), dim=1)
        return self.head(pooled)[:, 0]


class CnnLstm(nn.Module):
    """A branch of convolutions for each sensor, joined at 1 Hz, then an LSTM in both directions."""

    def __init__(self, hidden: int = _HIDDEN) -> None:
        super().__init__()
        self.pulse = nn.Sequential(_layer(1, 16, 17, 8), _layer(16, 24, 9, 4))
        self.motion = nn.Sequential(_layer(3, 12, 9, 4), _layer(12, 12, 9, 4))
        self.slow = nn.Sequential(_layer(2, 12, 9, 1), _layer(12, 12, 9, 2))
        self.lstm = nn.LSTM(48, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Dropout(0.4), nn.Linear(4 * hidden, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """(N, T, 42) to (N,) logits."""
        count = len(frames)
        pulse = self.pulse(frames[..., :16].reshape(count, 1, -1))
        axes = frames[..., 16:40].reshape(count, -1, 3).transpose(1, 2)
        slow = self.slow(frames[..., 40:].transpose(1, 2))
        joined = torch.cat((pulse, self.motion(axes), slow), dim=1)
        states, _ = self.lstm(functional.avg_pool1d(joined, 2).transpose(1, 2))
        pooled = torch.cat((states.mean(dim=1), states.amax(dim=1)), dim=1)
        return self.head(pooled)[:, 0]


def _layer(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        # Statistics of one window: those of a batch would mix people.
        nn.GroupNorm(4, outputs),
        nn.GELU(),
    )


NETS: dict[str, type[nn.Module]] = {"lstm": FrameLstm, "cnn_lstm": CnnLstm}
"""Networks by the name they have in the registry."""
