"""Networks of 8-bit convolutions, run by a kernel of our own (``src/quantised_lanes.c``)."""

from emostress_ros.inference.quantised.backend import QuantisedBackend, open_quantised

__all__ = ["QuantisedBackend", "open_quantised"]
