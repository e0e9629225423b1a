"""Expression networks for 48×48 grey faces, by name.

Every network takes grey levels 0 … 255, standardises each image by its own mean and deviation
(light and exposure drop out), and ends in one embedding with two linear heads: FER2013's seven
classes and FER+'s eight.

Sources: He et al., CVPR 2016 (residual blocks); Hu et al., CVPR 2018 (squeeze-and-excitation);
Sandler et al., CVPR 2018 (inverted residuals); Simonyan and Zisserman, ICLR 2015 (VGG);
Huang et al., ECCV 2016 (stochastic depth).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emostress_ros.errors import ModelNotFoundError
from emostress_ros.training.datasets.fer2013 import FERPLUS_LABELS, LABELS, SIDE
from emostress_ros.training.face.mobilenet import FullPrecisionConv, MobileNetV1

EMBEDDING_DIM = 128


def conv_bn(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Return a convolution without bias and its batch normalisation."""
    layer = FullPrecisionConv if groups > 1 and stride > 1 else nn.Conv2d
    conv = layer(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class SqueezeExcite(nn.Module):
    """Scale channels by a gate computed from their means."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, max(8, channels // reduction), 1)
        self.excite = nn.Conv2d(max(8, channels // reduction), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        gate = self.excite(torch.relu(self.squeeze(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


class StochasticDepth(nn.Module):
    """Drop a residual branch for whole images while training."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        if not self.training or self.rate == 0.0:
            return x
        keep = torch.rand(x.shape[0], 1, 1, 1, device=x.device) >= self.rate
        return x * keep.to(x.dtype) / (1.0 - self.rate)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with squeeze-and-excitation beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, drop: float = 0.0) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            conv_bn(inputs, outputs, 3, stride),
            nn.ReLU(),
            conv_bn(outputs, outputs),
            SqueezeExcite(outputs),
            StochasticDepth(drop),
        )
        pool = [nn.AvgPool2d(2)] if stride == 2 else []
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*pool, conv_bn(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""
        return torch.relu(self.branch(x) + self.shortcut(x))


class InvertedResidual(nn.Module):
    """Expand, depthwise 3×3, squeeze-and-excitation, project."""

    def __init__(self, inputs: int, outputs: int, stride: int, drop: float = 0.0) -> None:
        super().__init__()
        middle = inputs * 4
        self.branch = nn.Sequential(
            conv_bn(inputs, middle, 1),
            nn.ReLU(),
            conv_bn(middle, middle, 3, stride, groups=middle),
            nn.ReLU(),
            SqueezeExcite(middle, 8),
            conv_bn(middle, outputs, 1),
            StochasticDepth(drop),
        )
        self.residual = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""
        y: Tensor = self.branch(x)
        return x + y if self.residual else y


@dataclass(frozen=True)
class Stages:
    """Widths, depths and strides of a network's stages behind its stem of stride 1 or 2."""

    stem: int
    stem_stride: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    strides: tuple[int, ...]
    drop: float = 0.0


def staged(block: Callable[[int, int, int, float], nn.Module], stages: Stages) -> nn.Sequential:
    """Return stem and stages, (N, 1, 48, 48) to (N, widths[-1], h, w)."""
    layers: list[nn.Module] = [conv_bn(1, stages.stem, 3, stages.stem_stride), nn.ReLU()]
    channels, done, total = stages.stem, 0, max(1, sum(stages.depths) - 1)
    for width, depth, stride in zip(stages.widths, stages.depths, stages.strides, strict=True):
        for index in range(depth):
            drop = stages.drop * done / total
            layers.append(block(channels, width, stride if index == 0 else 1, drop))
            channels, done = width, done + 1
    return nn.Sequential(*layers)


def vgg(widths: tuple[int, ...], drop: float = 0.0) -> nn.Sequential:
    """Return pairs of 3×3 convolutions with pooling between them."""
    layers: list[nn.Module] = []
    channels = 1
    for width in widths:
        layers += [conv_bn(channels, width), nn.ReLU(), conv_bn(width, width), nn.ReLU()]
        layers += [nn.MaxPool2d(2), nn.Dropout2d(drop)]
        channels = width
    return nn.Sequential(*layers)


class FaceNet(nn.Module):
    """Standardisation, a body, global pooling, an embedding and two heads.

    Attributes:
        side: the size of face that the body works on; training ends with it.
    """

    def __init__(self, body: nn.Module, channels: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.body = body
        self.side = body.side if isinstance(body, MobileNetV1) else SIDE
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(channels, EMBEDDING_DIM)
        self.emotion = nn.Linear(EMBEDDING_DIM, len(LABELS))
        self.ferplus = nn.Linear(EMBEDDING_DIM, len(FERPLUS_LABELS))

    def embed(self, faces: Tensor) -> Tensor:
        """(N, 1, 48, 48) grey levels to (N, 128)."""
        features = self.body(standardise(faces)).mean((2, 3))
        embedding: Tensor = self.project(self.dropout(features))
        return embedding

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1, 48, 48) grey levels to the logits (N, 7) and (N, 8)."""
        embedding = self.embed(faces)
        return self.emotion(embedding), self.ferplus(embedding)


def standardise(faces: Tensor) -> Tensor:
    """Bring each (1, s, s) image of grey levels to mean 0 and deviation 1."""
    centred = faces - faces.mean((1, 2, 3), keepdim=True)
    deviation = (centred * centred).mean((1, 2, 3), keepdim=True).sqrt()
    return centred / (deviation + 8.0)


class Flat(nn.Module):
    """The pixels themselves as features: the logistic regression's body."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 48, 48) to (N, 2304, 1, 1)."""
        return x.flatten(1)[:, :, None, None]


def _staged_net(
    block: Callable[[int, int, int, float], nn.Module], stages: Stages, dropout: float = 0.2
) -> Callable[[], FaceNet]:
    return lambda: FaceNet(staged(block, stages), stages.widths[-1], dropout)


def _mobilenet(blocks: int, side: int, dropout: float) -> Callable[[], FaceNet]:
    def construct() -> FaceNet:
        body = MobileNetV1(blocks, side)
        return FaceNet(body, body.channels, dropout)

    return construct


ARCHITECTURES: dict[str, Callable[[], FaceNet]] = {
    "logistic": lambda: FaceNet(Flat(), 48 * 48, dropout=0.0),
    "cnn": lambda: FaceNet(vgg((32, 64, 128)), 128),
    "resnet_small": _staged_net(
        BasicBlock, Stages(32, 2, (32, 64, 160), (2, 2, 2), (1, 2, 2)), 0.1
    ),
    "mobile": _staged_net(
        InvertedResidual, Stages(24, 1, (32, 64, 128), (2, 3, 3), (2, 2, 2), 0.05)
    ),
    "mobilenet": _mobilenet(12, 80, 0.2),
    "mobilenet_medium": _mobilenet(12, 96, 0.2),
    "mobilenet_fine": _mobilenet(12, 112, 0.2),
    "mobilenet_large": _mobilenet(13, 96, 0.3),
    "resnet18": _staged_net(
        BasicBlock, Stages(64, 1, (64, 128, 256, 512), (2, 2, 2, 2), (1, 2, 2, 2), 0.2), 0.4
    ),
    "vgg": lambda: FaceNet(vgg((64, 128, 256, 512), 0.1), 512, 0.4),
}
"""Constructors by name; ``mobilenet_large``, ``resnet18`` and ``vgg`` are large: teachers.

``mobilenet`` and its kin can start from face recognition (``--pretrained``); ``mobilenet_medium``
and ``mobilenet_fine`` are the same network on faces enlarged further, nearer to the size that its
start weights know.
"""


def build(name: str) -> FaceNet:
    """Return a freshly initialised network.

    Raises:
        ModelNotFoundError: no such architecture.
    """
    if name not in ARCHITECTURES:
        raise ModelNotFoundError(
            f"architecture must be one of {', '.join(ARCHITECTURES)}; got {name!r}"
        )
    return ARCHITECTURES[name]()
