"""Store an ONNX file's weights in half precision, and compute with them in single precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

LEAST = 256
"""Tensors of fewer numbers stay as they are: nothing is won."""


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
    """Round the weights to what half precision can hold, in place; see :data:`LEAST`."""
    for parameter in net.parameters():
        if parameter.numel() >= LEAST:
            parameter.data = _rounded(parameter.data)


def _rounded(values: Tensor) -> Tensor:
    return values.half().float()


def store_half(path: Path) -> None:
    """Write an ONNX file's float32 weights as float16 with a cast behind them, in place.

    ONNX Runtime undoes the casts once, when it loads the file, so that nothing runs slower.
    Rounded weights (:func:`round_weights`) are stored without loss.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path))
    casts = []
    for item in model.graph.initializer:
        if item.data_type != TensorProto.FLOAT or np.prod(item.dims) < LEAST:
            continue
        stored = numpy_helper.from_array(
            numpy_helper.to_array(item).astype(np.float16), f"{item.name}_half"
        )
        casts.append(helper.make_node("Cast", [stored.name], [item.name], to=TensorProto.FLOAT))
        item.CopyFrom(stored)
    kept = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *kept])
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
