"""TensorRT through its own Python module and libcudart, as JetPack brings them."""

from emostress_ros.inference.native.build import BuildListener
from emostress_ros.inference.native.opening import native_key, open_native

__all__ = ["BuildListener", "native_key", "open_native"]
