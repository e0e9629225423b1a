"""A bench, or a spun node, for each test of the nodes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bench import Bench
from spun import Spun

from emostress_ros.nodes.executor import LeanExecutor, PatientExecutor


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A context with a peer node; everything is taken down after the test."""
    made = Bench()
    yield made
    made.close()


@pytest.fixture(params=[LeanExecutor, PatientExecutor], ids=["lean", "rclpy"])
def either(request: pytest.FixtureRequest) -> Iterator[Spun]:
    """Nodes spun by either executor."""
    made = Spun(request.param)
    yield made
    made.close()


@pytest.fixture
def spun() -> Iterator[Spun]:
    """Nodes spun by the lean executor."""
    made = Spun(LeanExecutor)
    yield made
    made.close()
