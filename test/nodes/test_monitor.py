"""The verdict of ``/diagnostics`` is about now; the counts are about all that ever came."""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticStatus

from emostress_ros.errors import SignalError
from emostress_ros.nodes.monitor import Monitor


def test_a_node_that_has_recovered_is_no_longer_complained_of(bench):
    monitor = Monitor(bench.peer, timeout_s=0.5)
    monitor.watch("image")
    monitor.received("image")
    monitor.rejected("image", SignalError("0x0 pixels"))
    (bad,) = monitor.report().status
    assert bad.level == DiagnosticStatus.WARN and "1 bad on 'image': 0x0 pixels" in bad.message
    time.sleep(0.6)
    monitor.received("image")
    (good,) = monitor.report().status
    assert good.level == DiagnosticStatus.OK
    assert {item.key: item.value for item in good.values}["image SignalError"] == "1"
