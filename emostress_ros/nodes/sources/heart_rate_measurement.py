"""What a heart-rate strap says: the Heart Rate Measurement characteristic, 0x2A37.

Source: Bluetooth SIG, Heart Rate Service 1.0, section 3.1 and the GATT Specification Supplement.
Flags (one byte), heart rate (uint8, or uint16 where bit 0 is set), energy expended (uint16, bit 3)
and RR intervals in 1/1024 s (uint16 each, bit 4, oldest first); all little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import SignalError

SERVICE = "0000180d-0000-1000-8000-00805f9b34fb"
CHARACTERISTIC = "00002a37-0000-1000-8000-00805f9b34fb"
_WIDE, _CONTACT, _CONTACT_KNOWN, _ENERGY, _INTERVALS = 0x01, 0x02, 0x04, 0x08, 0x10


@dataclass(frozen=True)
class HeartRateMeasurement:
    """One notification of a strap.

    Attributes:
        heart_rate_bpm: beats a minute.
        contact: whether the strap touches the skin; None where it cannot tell.
        energy_kj: energy expended since it was reset, kilojoules; None where it is not sent.
        rr_ms: RR intervals since the last notification, milliseconds, oldest first.
    """

    heart_rate_bpm: int
    contact: bool | None
    energy_kj: int | None
    rr_ms: tuple[float, ...]


def parse_heart_rate_measurement(data: bytes) -> HeartRateMeasurement:
    """Parse a notification.

    Args:
        data: value of characteristic 0x2A37.

    Raises:
        SignalError: the bytes end too early, or too many of them came.
    """
    if not data:
        raise SignalError("a heart rate measurement begins with its flags; got nothing")
    flags = data[0]
    fields = "<x" + ("H" if flags & _WIDE else "B") + ("H" if flags & _ENERGY else "")
    size = struct.calcsize(fields)
    rest = len(data) - size
    if rest < 0 or (rest % 2 if flags & _INTERVALS else rest):
        wanted = f"{size} bytes" + (" and two an interval" if flags & _INTERVALS else "")
        raise SignalError(f"flags 0x{flags:02x} ask for {wanted}; got {data.hex(' ')}")
    values = struct.unpack_from(fields, data)
    intervals = struct.unpack_from(f"<{rest // 2}H", data, size)
    return HeartRateMeasurement(
        heart_rate_bpm=values[0],
        contact=bool(flags & _CONTACT) if flags & _CONTACT_KNOWN else None,
        energy_kj=values[1] if flags & _ENERGY else None,
        rr_ms=tuple(ticks * 1000.0 / 1024.0 for ticks in intervals),
    )


def beat_stamps_ns(rr_ms: tuple[float, ...], received_ns: int) -> list[int]:
    """When each interval ended: the last beat just now, the others before it.

    Args:
        rr_ms: intervals of one notification, milliseconds, oldest first.
        received_ns: when it arrived.
    """
    stamps = [received_ns]
    for interval_ms in reversed(rr_ms[1:]):
        stamps.append(stamps[-1] - round(interval_ms * NANOSECONDS / 1000.0))
    return list(reversed(stamps))[: len(rr_ms)] if rr_ms else []
