"""What a machine needs to run TensorRT itself: Python's ``tensorrt``, libcudart and a GPU."""

from __future__ import annotations

import functools
import importlib
import logging
import re
from dataclasses import dataclass
from typing import Any

from emostress_ros.errors import ProviderError
from emostress_ros.inference.native.cuda import Cuda, Device

OLDEST = (8, 6)
"""JetPack 6.0's; JetPack 5 has Python 3.8, for which this package is not made."""
STRONG = 11
"""From this major version on the model's own types are the precision: no flag changes them."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runtime:
    """TensorRT and CUDA on this machine.

    Attributes:
        trt: the module ``tensorrt``.
        version: its version, such as ``10.3.0``.
        cuda: the runtime library.
        device: the GPU.
        log: what TensorRT logs to.
    """

    trt: Any
    version: str
    cuda: Cuda
    device: Device
    log: Any

    @property
    def major(self) -> int:
        """First number of TensorRT's version."""
        return version_of(self.version)[0]

    @property
    def gpu(self) -> str:
        """The GPU as engines are kept for it."""
        return f"{self.device.name} sm_{self.device.capability.replace('.', '')}"


@functools.lru_cache(maxsize=1)
def load_runtime() -> Runtime:
    """Return what there is on this machine, loaded once.

    Raises:
        ProviderError: something is missing; names it and what mends it.
    """
    trt = _module()
    version = str(trt.__version__)
    if version_of(version) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise ProviderError(f"TensorRT {version} is too old; {wanted} or newer is needed")
    cuda = Cuda.load()
    device, log = cuda.device(), make_log(trt)
    # Some of ONNX's operators, InstanceNormalization say, are plugins in TensorRT 8.
    if not trt.init_libnvinfer_plugins(log, ""):
        logger.warning("TensorRT has no plugins: %s", "; ".join(log.errors))
    return Runtime(trt, version, cuda, device, log)


def version_of(text: str) -> tuple[int, int]:
    """Return major and minor version."""
    numbers = [int(number) for number in re.findall(r"\d+", text)[:2]]
    major, minor = (*numbers, 0, 0)[:2]
    return major, minor


def make_log(trt: Any) -> Any:
    """Return a logger for TensorRT that hands its lines to Python's logging.

    Its ``errors`` keeps what went wrong last: TensorRT's functions say no more than that they
    failed.
    """

    class Log(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors = [*self.errors[-2:], msg]
                logger.warning("TensorRT: %s", msg)
            elif severity == trt.ILogger.WARNING:
                logger.info("TensorRT: %s", msg)

    return Log()


def _module() -> Any:
    try:
        return importlib.import_module("tensorrt")
    except ModuleNotFoundError as error:
        raise ProviderError(
            f"Python's module `{error.name}` is not installed: JetPack brings it (`sudo apt "
            "install python3-libnvinfer`, and a virtual environment made with "
            "--system-site-packages), "
            "elsewhere `pip install tensorrt`"
        ) from error
    except (ImportError, OSError) as error:
        raise ProviderError(
            f"Python's `tensorrt` cannot be loaded: {error}; its libraries have to be of the same "
            "version: `sudo apt install libnvinfer-bin` on a Jetson, else `pip install tensorrt`"
        ) from error
