"""Stamped items of several streams in, aligned sets out: on a deadline, with any subset."""

from emostress_ros.sync.aligner import Aligned, Aligner, SyncConfig
from emostress_ros.sync.approximate import ApproximateTimeSynchronizer
from emostress_ros.sync.clock import SensorClock
from emostress_ros.sync.filter import SubsetSynchronizer
from emostress_ros.sync.stream import Arrival, Stream, StreamPolicy

__all__ = [
    "Aligned",
    "Aligner",
    "ApproximateTimeSynchronizer",
    "Arrival",
    "SensorClock",
    "Stream",
    "StreamPolicy",
    "SubsetSynchronizer",
    "SyncConfig",
]
