"""What is there to stay is no garbage to look through."""

from __future__ import annotations

import gc

import pytest

from emostress_ros.nodes.run import _Started


@pytest.fixture
def thawed():
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_what_nodes_made_is_left_alone_once_the_last_has_started(thawed):
    started = _Started(3)
    for _ in range(2):
        started.one_more()
        assert gc.get_freeze_count() == 0
    started.one_more()
    assert gc.get_freeze_count() > 1000


def test_what_comes_later_is_still_collected(thawed):
    _Started(1).one_more()
    circle: list[object] = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1
