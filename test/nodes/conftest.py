"""A bench for each test of the nodes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A context with a peer node; everything is taken down after the test."""
    made = Bench()
    yield made
    made.close()
