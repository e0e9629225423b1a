"""What a wearable may send: signals, their units, rates and plausible values.

A chunk that arrives is brought to one unit per signal here, and samples that no body can make are
marked NaN, so that everything behind this file works in one unit and with one mark for "invalid".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import SignalError, StampError

Samples = npt.NDArray[np.float32]
_Convert = Callable[[np.ndarray], np.ndarray]


def _same(values: np.ndarray) -> np.ndarray:
    return values


def _times(factor: float) -> _Convert:
    return lambda values: values * factor


@dataclass(frozen=True)
class SignalKind:
    """One kind of signal.

    Attributes:
        name: its name on the wire.
        unit: the unit that it is brought to.
        units: how each unit that may come is brought there.
        rates_hz: (lowest, highest) sample rate; (0, 0) for events that carry no rate.
        channels: number of channels.
        valid: (lowest, highest) plausible value in `unit`; a sample outside becomes NaN.
    """

    name: str
    unit: str
    units: Mapping[str, _Convert]
    rates_hz: tuple[float, float]
    channels: int
    valid: tuple[float, float]


_CONDUCTANCE: dict[str, _Convert] = {
    "uS": _same, "µS": _same, "μS": _same, "microsiemens": _same,
    "nS": _times(1e-3), "mS": _times(1e3), "S": _times(1e6),
    # a resistance is the inverse of a conductance; zero ohm is a short circuit, so invalid
    "kohm": lambda v: 1e3 / np.where(v > 0, v, np.nan),
    "ohm": lambda v: 1e6 / np.where(v > 0, v, np.nan),
}  # fmt: skip
_DEGREES: dict[str, _Convert] = {
    "degC": _same, "°C": _same, "celsius": _same,
    "K": lambda v: v - 273.15, "degF": lambda v: (v - 32.0) / 1.8, "°F": lambda v: (v - 32.0) / 1.8,
}  # fmt: skip
_G = 9.80665
_GRAVITIES: dict[str, _Convert] = {
    "g": _same, "mg": _times(1e-3),
    "m/s2": _times(1 / _G), "m/s^2": _times(1 / _G), "m/s²": _times(1 / _G),
}  # fmt: skip
_BEATS: dict[str, _Convert] = {
    "bpm": _same, "1/min": _same, "beats/min": _same, "Hz": _times(60.0)
}  # fmt: skip
# A pulse wave has no unit of its own: only its shape and its change count.
_ANY = {name: _same for name in ("1", "au", "", "adu", "nW", "mV", "V", "counts")}

SIGNALS: Mapping[str, SignalKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            SignalKind("bvp", "au", _ANY, (20.0, 1024.0), 1, (-math.inf, math.inf)),
            SignalKind("eda", "uS", _CONDUCTANCE, (1.0, 256.0), 1, (0.0, 100.0)),
            SignalKind("skin_temperature", "degC", _DEGREES, (0.1, 64.0), 1, (15.0, 45.0)),
            SignalKind("acceleration", "g", _GRAVITIES, (8.0, 512.0), 3, (-32.0, 32.0)),
            SignalKind("heart_rate", "bpm", _BEATS, (0.1, 8.0), 1, (25.0, 240.0)),
            SignalKind(
                "ibi", "ms", {"ms": _same, "s": _times(1e3)}, (0.0, 1e9), 1, (250.0, 2400.0)
            ),
        )
    }
)
"""Signal name to what is known of it."""


def signal_kind(name: str) -> SignalKind:
    """Look a signal up.

    Raises:
        SignalError: there is no such signal; the message lists those that there are.
    """
    if name not in SIGNALS:
        raise SignalError(f"signal must be one of {', '.join(SIGNALS)}; got '{name}'")
    return SIGNALS[name]


def prepare_chunk(
    signal: str, unit: str, sample_rate_hz: float, channels: int, data: npt.ArrayLike, stamp_ns: int
) -> Samples:
    """Check one chunk and bring it to the signal's own unit.

    Args:
        signal: a name of `SIGNALS`.
        unit: unit of `data`.
        sample_rate_hz: samples a second; ignored for `ibi`, whose values are its clock.
        channels: channels in `data`.
        data: flat, interleaved (x y z x y z ...) or of shape (samples, channels).
        stamp_ns: stamp of the first sample (of `ibi`: of the beat that ends the interval).

    Returns:
        shape (samples, channels), float32, in the signal's unit; impossible values are NaN.

    Raises:
        SignalError: unknown signal or unit, a rate or number of channels that cannot be.
        StampError: a negative stamp.
    """
    kind = signal_kind(signal)
    if unit not in kind.units:
        allowed = ", ".join(repr(name) for name in kind.units)
        raise SignalError(f"unit of {signal} must be one of {allowed}; got '{unit}'")
    _check_rate(kind, sample_rate_hz)
    if stamp_ns < 0:
        raise StampError(f"stamp of {signal} must be >= 0 ns; got {stamp_ns}")
    values = _shaped(kind, channels, data)
    with np.errstate(all="ignore"):
        converted = np.asarray(kind.units[unit](values), np.float32)
        low, high = kind.valid
        plausible = np.isfinite(converted) & (converted >= low) & (converted <= high)
    # One impossible axis makes the whole sample impossible.
    return np.where(plausible.all(axis=1, keepdims=True), converted, np.float32(np.nan))


def _check_rate(kind: SignalKind, sample_rate_hz: float) -> None:
    low, high = kind.rates_hz
    if kind.name != "ibi" and not low <= sample_rate_hz <= high:
        raise SignalError(
            f"sample rate of {kind.name} must be {low:g} to {high:g} Hz; got {sample_rate_hz!r}"
        )


def _shaped(kind: SignalKind, channels: int, data: npt.ArrayLike) -> np.ndarray:
    try:
        values = np.asarray(data, np.float64)
    except (TypeError, ValueError) as error:
        raise SignalError(f"{kind.name} must hold numbers: {error}") from error
    if channels != kind.channels or values.size % kind.channels:
        raise SignalError(
            f"{kind.name} has {kind.channels} channel(s); got {channels} with {values.size} values"
        )
    return values.reshape(-1, kind.channels)
