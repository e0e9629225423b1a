"""A heart-rate strap (Polar H10 or any other with the standard service) on `physiology`."""

from __future__ import annotations

import asyncio
from array import array
from typing import Any

from rclpy.qos import QoSProfile
from rclpy.time import Time

from emostress_ros.errors import SignalError
from emostress_ros.msg import PhysiologySamples
from emostress_ros.nodes.sources.base import SensorGoneError, Source, load_extra
from emostress_ros.nodes.sources.heart_rate_measurement import (
    CHARACTERISTIC,
    SERVICE,
    HeartRateMeasurement,
    beat_stamps_ns,
    parse_heart_rate_measurement,
)

_SCAN_S = 10.0
_SILENCE_S = 10.0  # a strap notifies every second


class HeartRateStrap(Source):
    """Publishes heart rate (bpm) and inter-beat intervals (ms) of a Bluetooth LE strap.

    Args:
        device: address or part of the name; empty: the first strap that is found.
        person_id: the wearer.
        namespace: of the node.
        context: rclpy context.

    Raises:
        MissingExtraError: bleak is not installed.
    """

    def __init__(
        self, device: str = "", person_id: str = "", namespace: str = "", context: Any = None
    ) -> None:
        self._bleak = load_extra("bleak", "heart-rate strap")
        super().__init__("heart_rate_strap", namespace, context)
        self._wanted, self._person_id = device.lower(), person_id
        self._publisher = self.create_publisher(
            PhysiologySamples, "physiology", QoSProfile(depth=50)
        )
        self._device_id = ""
        self._refused = 0
        self._heard_s = 0.0

    def read(self) -> None:
        """Find the strap and listen until stopped; see `Source.read`."""
        trouble = (self._bleak.exc.BleakError, OSError, asyncio.TimeoutError, EOFError)
        try:
            asyncio.run(self._listen())
        except trouble as error:
            raise SensorGoneError(
                f"heart-rate strap: {error or type(error).__name__}; is Bluetooth switched on, and "
                f"may this user speak to it (BlueZ over D-Bus)?"
            ) from error

    def publish(self, data: bytes, received_ns: int) -> None:
        """Publish what one notification says.

        Args:
            data: value of the characteristic.
            received_ns: when it arrived.
        """
        try:
            measurement = parse_heart_rate_measurement(data)
        except SignalError as error:
            self._refuse(str(error))
            return
        if measurement.contact is False or measurement.heart_rate_bpm == 0:
            self._refuse("the strap does not touch the skin")
            return
        self._publish(measurement, received_ns)

    def _publish(self, measurement: HeartRateMeasurement, received_ns: int) -> None:
        self._send("heart_rate", "bpm", 1.0, float(measurement.heart_rate_bpm), received_ns)
        stamps = beat_stamps_ns(measurement.rr_ms, received_ns)
        for stamp_ns, interval_ms in zip(stamps, measurement.rr_ms, strict=True):
            self._send("ibi", "ms", 0.0, interval_ms, stamp_ns)

    def _send(self, signal: str, unit: str, rate_hz: float, value: float, stamp_ns: int) -> None:
        message = PhysiologySamples(
            person_id=self._person_id, device_id=self._device_id, signal=signal, unit=unit,
            sample_rate_hz=rate_hz, channels=1, data=array("f", [value]),
        )  # fmt: skip
        message.header.frame_id = "wearable"
        message.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
        self._publisher.publish(message)
        self.published += 1

    def _refuse(self, reason: str) -> None:
        self._refused += 1
        if self._refused in (1, 10, 100) or self._refused % 1000 == 0:
            self.get_logger().warning(f"{self._refused} measurements not used: {reason}")

    async def _listen(self) -> None:
        device = await self._bleak.BleakScanner.find_device_by_filter(self._fits, timeout=_SCAN_S)
        if device is None:
            name = f"'{self._wanted}'" if self._wanted else "at all"
            raise SensorGoneError(f"no heart-rate strap {name} within reach: wet it, put it on")
        async with self._bleak.BleakClient(device) as client:
            self._device_id = device.name or device.address
            self.get_logger().info(f"listening to {self._device_id}")
            loop = asyncio.get_running_loop()
            self._heard_s = loop.time()

            def on_data(_sender: Any, data: bytearray) -> None:
                self._heard_s = loop.time()
                self.publish(bytes(data), self.now_ns())

            await client.start_notify(CHARACTERISTIC, on_data)
            while client.is_connected and not self.stopped.is_set():
                await asyncio.sleep(0.2)
                if loop.time() - self._heard_s > _SILENCE_S:
                    break
        if not self.stopped.is_set():
            raise SensorGoneError(f"{self._device_id} went away")

    def _fits(self, device: Any, advertisement: Any) -> bool:
        if self._wanted:
            return self._wanted in (device.name or "").lower() or (
                self._wanted == device.address.lower()
            )
        return SERVICE in advertisement.service_uuids
