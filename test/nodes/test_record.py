"""Recording: what is latched is there for whoever comes later, the recorder too."""

from __future__ import annotations

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import String

from emostress_ros.errors import BagError
from emostress_ros.evaluation.bags.reader import read_records
from emostress_ros.msg import AudioChunk
from emostress_ros.nodes.record import record


def test_what_was_said_once_and_holds_is_recorded(bench, tmp_path):
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    said_once = bench.peer.create_publisher(String, "humans/persons/anna/face_id", latched)
    said_once.publish(String(data="face_1"))
    record(tmp_path / "out", ["humans/persons/*/face_id"], 2.0)
    (kept,) = read_records(tmp_path / "out", ["/humans/persons/anna/face_id"])
    assert b"face_1" in bytes(kept.data)


@pytest.mark.parametrize("kind", [Image, CompressedImage, PointCloud2, AudioChunk])
def test_what_shows_a_person_is_recorded_only_when_asked_for(bench, tmp_path, kind):
    bench.peer.create_publisher(kind, "camera/seen", 10)
    with pytest.raises(BagError, match="shows a person; record it with --raw"):
        record(tmp_path / "out", ["camera/*"], 1.0)
