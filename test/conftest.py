"""Fixtures that every test may use."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from emostress_ros.kernels import VARIABLE, kernels

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"

# Each test run talks in a domain of its own, so that two runs on one machine never hear each other.
os.environ.setdefault("ROS_DOMAIN_ID", str(random.SystemRandom().randint(1, 101)))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


# A busy machine is no failure, and a check of a change must not fail by a draw of chance; at the
# desk every run draws anew.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the labelled data sets; skips the test where it is not at hand."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the data sets, which are not at {SHARED}")
    return SHARED


@pytest.fixture(scope="module", params=["compiled", "numpy"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both ways of computing what has a compiled kernel."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "numpy":
            patch.setenv(VARIABLE, "numpy")
        elif kernels().library is None:
            pytest.skip(f"needs the compiled kernels; {kernels().said}")
        yield request.param
