"""Variants of an exported model that compute in 8 bits.

Fast only where the CPU has instructions for products of 8-bit numbers (AVX512-VNNI, AVX-VNNI, Arm
dot product), and slower elsewhere: :mod:`emostress_ros.inference.variants` asks the CPU.

Per-channel quantisation: Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", CVPR 2018; Krishnamoorthi 2018.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx

from emostress_ros.errors import ModelError
from emostress_ros.training.compress import LEAST_SIZE, WIDENED, large_weights
from emostress_ros.training.refit import refit_embedding

Feed = Mapping[str, npt.NDArray[Any]]
_Writer = Callable[[Path, list[str]], None]
BOUNDS = ("Clip", "Relu")
"""Become part of the int8 product before them: else its result is rounded twice."""
SPARED = 2
"""So many first convolutions stay in float32."""


def quantise_static(model: Path, out: Path, feeds: Sequence[Feed]) -> None:
    """Write a variant that multiplies in int8, its activations' ranges taken from real inputs.

    The first two convolutions stay in float32: they see the plain contrasts, which 8 bits render
    worst. The last layer is fitted anew (:mod:`~emostress_ros.training.refit`).

    Args:
        model: file with float32 weights.
        out: file to write: QDQ format, a scale a channel.
        feeds: inputs from the training people, never from those the model is judged on.

    Raises:
        ModelError: the graph cannot be quantised, or has nothing worth it.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    def write(prepared: Path, nodes: list[str]) -> None:
        quantize_static(
            str(prepared), str(out), _Reader(feeds), quant_format=QuantFormat.QDQ,
            per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            nodes_to_quantize=nodes, op_types_to_quantize=[*WIDENED, *BOUNDS],
        )  # fmt: skip

    _prepared(model, WIDENED, write)
    refit_embedding(out, model, feeds)


def quantise_dynamic(model: Path, out: Path) -> None:
    """Write a variant whose matrix products are int8, ranges taken afresh from every input.

    Raises :class:`ModelError` as :func:`quantise_static` does.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    def write(prepared: Path, nodes: list[str]) -> None:
        quantize_dynamic(
            str(prepared), str(out), per_channel=True, weight_type=QuantType.QInt8,
            nodes_to_quantize=nodes,
        )  # fmt: skip

    # Optimising would join a product with its bias to a Gemm, which has no dynamic counterpart.
    _prepared(model, ("MatMul",), write, optimise=False)


def _prepared(model: Path, kinds: Sequence[str], write: _Writer, *, optimise: bool = True) -> None:
    """Prepare a graph as the quantisers want it; hand over the file and the nodes to quantise."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        try:
            quant_pre_process(
                str(model), str(prepared), skip_symbolic_shape=True, skip_optimization=not optimise
            )
            nodes = _named(prepared, kinds, spared=SPARED if optimise else 0)
            if not nodes:
                raise ModelError("no product of at least "
                                 f"{LEAST_SIZE} weights by {' or '.join(kinds)}")  # fmt: skip
            write(prepared, nodes)
        except (RuntimeError, ValueError, KeyError, AssertionError) as error:
            raise ModelError(f"{model} cannot be quantised: {error}") from error


def _named(file: Path, kinds: Sequence[str], spared: int) -> list[str]:
    """Give every node a name; return those with a large weight that ONNX Runtime can multiply.

    Its 8-bit matrix products take a matrix: a vector, or a stack of matrices, stays in float32.
    What bounds the result of a chosen product is returned with it.  The few matrices behind
    convolutions stay, too: all that was seen passes through them.
    """
    model = onnx.load(str(file))
    ranks = {item.name: len(item.dims) for item in model.graph.initializer}
    large, chosen, results = dict(large_weights(model)), [], set[str]()
    convolutional = False
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
        weight = node.input[1] if len(node.input) > 1 else ""
        convolution = node.op_type == "Conv" and weight in ranks
        matrix = weight in large and ranks[weight] == 2 and not convolutional
        if convolution and spared > 0:
            spared -= 1
        elif node.op_type in kinds and (convolution or matrix):
            chosen.append(node.name)
            results.add(node.output[0])
            convolutional |= convolution
        elif node.op_type in BOUNDS and node.input[0] in results:
            chosen.append(node.name)
    onnx.save(model, str(file))
    return chosen


class _Reader:
    """Hands feeds to the calibrator one by one; it asks until it gets ``None``."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)
