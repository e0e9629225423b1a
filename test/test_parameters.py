from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.errors import ParameterError
from emostress_ros.parameters import Config, parameter


@dataclass(frozen=True)
class Example(Config):
    rate_hz: float = parameter(10.0, "How often.", minimum=0.1, maximum=50.0, unit="Hz")
    depth: int = parameter(3, "How many.", minimum=1)
    mode: str = parameter("fast", "How.", choices=("fast", "exact"))
    names: tuple[str, ...] = parameter(("a",), "Which.")
    enabled: bool = parameter(True, "Whether.")


@given(st.floats(0.1, 50.0), st.integers(1, 10**6), st.sampled_from(["fast", "exact"]))
def test_what_is_allowed_is_taken(rate, depth, mode):
    config = Example.from_mapping({"rate_hz": rate, "depth": depth, "mode": mode})
    assert (config.rate_hz, config.depth, config.mode) == (rate, depth, mode)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("rate_hz", 0.0, "parameter 'rate_hz' must be float (0.1 to 50); got 0.0 (float)"),
        ("rate_hz", float("nan"), "got nan"),
        ("rate_hz", "10", "got '10' (str)"),
        ("rate_hz", True, "got True (bool)"),
        ("depth", 0, "must be int (>= 1); got 0"),
        ("depth", 2.5, "got 2.5 (float)"),
        ("mode", "slow", "one of 'fast', 'exact'"),
        ("names", "abc", "must be str[]"),
        ("names", [1], "got [1]"),
        ("enabled", 1, "must be bool"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(name, value, message):
    with pytest.raises(ParameterError) as error:
        Example.from_mapping({name: value})
    assert message in str(error.value)


def test_a_misspelt_name_is_refused_with_the_likely_one():
    with pytest.raises(ParameterError, match="no parameter 'rate'; did you mean 'rate_hz'"):
        Example.from_mapping({"rate": 1.0})


def test_whole_numbers_serve_where_floats_are_asked_for():
    assert Example(rate_hz=5).rate_hz == 5.0
