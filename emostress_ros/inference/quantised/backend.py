"""Models of 8-bit convolutions that the kernel runs in place of ONNX Runtime.

ONNX Runtime does the 1×1 products well, and takes as long for all that lies between them.
"""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from emostress_ros.errors import ModelCorruptError
from emostress_ros.inference.backend import Backend, TensorSpec
from emostress_ros.inference.onnx_graph import read_graph
from emostress_ros.inference.quantised.matching import match
from emostress_ros.inference.quantised.network import Network
from emostress_ros.inference.quantised.packing import pack
from emostress_ros.inference.trial import UnsupportedError
from emostress_ros.kernels import compiled

logger = logging.getLogger(__name__)
OFF_BY = 0.02
"""Most that an output may differ from ONNX Runtime's on made-up pictures, see :func:`_off_by`.

Sums of floats in another order, before the first rounding, move a level by one here and there.
"""


class QuantisedBackend:
    """A network that the kernel runs; see :class:`~emostress_ros.inference.backend.Backend`.

    Args:
        network: to run.
        spec: of its input: (n, 1, side, side) uint8.

    Raises:
        UnsupportedError: the kernel, or this processor, cannot run it.
    """

    provider = "cpu"
    compiled = True

    def __init__(self, network: Network, spec: TensorSpec) -> None:
        kernel = _compiled()
        if kernel is None:
            raise UnsupportedError("the kernels are not installed")
        lanes, self._call = kernel
        if not lanes:
            raise UnsupportedError("the processor has no instructions for it")
        side = spec.shape[-1]
        if spec.dtype != np.uint8 or spec.shape[1:] != (1, side, side) or not isinstance(side, int):
            raise UnsupportedError(f"its input is {spec.shape} {spec.dtype}")
        self._plan, self._kept = pack(network, side, lanes)
        self._dense, self._alone = network.dense, threading.Lock()
        self.inputs = {network.input: spec}
        self.output_names = list(network.outputs)

    def run(self, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Run once."""
        (pictures,) = feed.values()
        outputs = [np.empty(shape, np.float32) for shape in self._shapes(len(pictures))]
        self.bind(feed, outputs)()
        return outputs

    def bind(
        self, inputs: Mapping[str, np.ndarray], outputs: Sequence[np.ndarray]
    ) -> Callable[[], object]:
        """Return a run over arrays that stay."""
        (pictures,) = inputs.values()
        count, named = len(pictures), dict(zip(self.output_names, outputs, strict=True))
        every = [
            named[product.name]
            if product.name
            else np.empty((count, product.weights.shape[1]), np.float32)
            for product in self._dense
        ]
        addresses = (ctypes.c_void_p * len(every))(*(array.ctypes.data for array in every))
        plan, source, kept = ctypes.addressof(self._plan), pictures.ctypes.data, (pictures, every)

        def run(kept: object = kept) -> None:
            with self._alone:  # the plan holds the room that a run works in
                self._call(plan, source, count, addresses)

        return run

    def _shapes(self, count: int) -> list[tuple[int, ...]]:
        sizes = {
            product.name: (count,) if product.flat else (count, product.weights.shape[1])
            for product in self._dense
        }
        return [sizes[name] for name in self.output_names]


def open_quantised(name: str, source: Path | str | bytes, usual: Backend) -> Backend | None:
    """Return what runs a model in place of ONNX Runtime; None where only that does.

    Args:
        name: of the model, for the log.
        source: the model.
        usual: ONNX Runtime with the model, which the kernel has to agree with.
    """
    if _compiled() is None or len(usual.inputs) != 1:
        return None
    (spec,) = usual.inputs.values()
    if spec.dtype != np.uint8:
        return None
    model = source if isinstance(source, bytes) else Path(source).read_bytes()
    try:
        found = QuantisedBackend(match(read_graph(model)), spec)
    except (UnsupportedError, ModelCorruptError) as error:
        logger.debug("%s is run by ONNX Runtime: %s", name, error)
        return None
    if list(found.output_names) != list(usual.output_names):
        return None
    off = _off_by(found, usual, spec)
    if off <= OFF_BY:
        return found
    logger.warning("%s: the kernel of 8-bit convolutions is %.2g off and is not used", name, off)
    return None


def _off_by(found: Backend, usual: Backend, spec: TensorSpec) -> float:
    """Return the largest difference on made-up pictures, in parts of outputs above 1."""
    random = np.random.default_rng(0)
    shape = [3, *(size for size in spec.shape[1:] if isinstance(size, int))]
    noise = random.normal(0.0, 1.0, shape).cumsum(axis=-1).cumsum(axis=-2)
    pictures = np.clip(128 + 100 * noise / np.abs(noise).max(), 0, 255).astype(np.uint8)
    feed = {spec.name: pictures}
    pairs = zip(found.run(feed), usual.run(feed), strict=True)
    # NaN comes through, which Python's max would lose.
    return float(np.max([np.abs(a - b).max() / max(1.0, np.abs(b).max()) for a, b in pairs]))


@compiled
def _compiled(library: ctypes.CDLL) -> tuple[int, Callable[..., None]]:
    lanes = ctypes.CFUNCTYPE(ctypes.c_int32)(("emostress_quantised_lanes", library))()
    address, count = ctypes.c_void_p, ctypes.c_int64
    run = ctypes.CFUNCTYPE(None, address, address, count, address)
    return lanes, run(("emostress_quantised", library))
