"""TensorRT through its own Python module and libcudart, as JetPack brings them."""

from emostress_ros.inference.native.build import BuildListener
from emostress_ros.inference.native.opening import native_key, open_native
from emostress_ros.inference.native.runtime import load_runtime

__all__ = ["BuildListener", "load_runtime", "native_key", "open_native"]
