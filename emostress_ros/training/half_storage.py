"""Make a network ready to be stored in half precision without loss: folded, then rounded."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from emostress_ros.training.compress import LEAST_SIZE


def fold_norms(net: nn.Module) -> None:
    """Fold every batch normalisation that follows a convolution into it, in place.

    What is rounded to half precision is then what is stored.
    """
    for module in net.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for index in range(len(module) - 1):
            conv, norm = module[index], module[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[index] = fuse_conv_bn_eval(conv, norm)
                module[index + 1] = nn.Identity()


def round_weights(net: nn.Module) -> None:
    """Round the weights that :func:`~.compress.halve` stores as float16, in place."""
    for parameter in net.parameters():
        if parameter.numel() >= LEAST_SIZE:
            parameter.data = parameter.data.half().float()
