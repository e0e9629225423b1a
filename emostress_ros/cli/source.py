"""`emostress source`: publish a webcam, a microphone or a heart-rate strap."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Callable
from typing import Any

NAME = "source"
HELP = "publish a webcam, a microphone or a heart-rate strap"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the sensors and their options."""
    sensors = parser.add_subparsers(dest="sensor", required=True, metavar="SENSOR")
    webcam = sensors.add_parser("webcam", help="a camera on `image`")
    device = "number, /dev/video0 or a stream's address (0)"
    webcam.add_argument("--device", default="0", help=device)
    webcam.add_argument("--width", type=int, default=640, help="pixels (640)")
    webcam.add_argument("--height", type=int, default=480, help="pixels (480)")
    webcam.add_argument("--rate", type=float, default=30.0, metavar="HZ", help="(30)")
    microphone = sensors.add_parser("microphone", help="sound on `audio`")
    microphone.add_argument("--device", default="", help="number or part of the name (default)")
    microphone.add_argument("--rate", type=int, default=16000, metavar="HZ", help="(16000)")
    microphone.add_argument("--channels", type=int, default=1, help="(1)")
    strap = sensors.add_parser(
        "heart_rate_strap", help="Polar H10 or another Bluetooth LE strap on `physiology`"
    )
    strap.add_argument("--device", default="", help="address or part of the name (the first found)")
    strap.add_argument("--person", default="", metavar="ID", help="the wearer")
    for sensor in (webcam, microphone, strap):
        sensor.add_argument("--namespace", default="", metavar="NS", help="of node and topic")


def run(args: argparse.Namespace) -> int:
    """Publish until Ctrl-C or SIGTERM; a sensor that goes away is waited for."""
    from emostress_ros.nodes.sources.base import run_source

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    makers = {
        "webcam": _webcam,
        "microphone": _microphone,
        "heart_rate_strap": _heart_rate_strap,
    }
    published = run_source(makers[args.sensor](args), stop=stop)
    print(f"{published} messages published")
    return 0


def _webcam(args: argparse.Namespace) -> Callable[[Any], Any]:
    from emostress_ros.nodes.sources.webcam import Webcam

    return lambda context: Webcam(
        args.device, args.width, args.height, args.rate, args.namespace, context
    )


def _microphone(args: argparse.Namespace) -> Callable[[Any], Any]:
    from emostress_ros.nodes.sources.microphone import Microphone

    return lambda context: Microphone(
        args.device, args.rate, args.channels, namespace=args.namespace, context=context
    )


def _heart_rate_strap(args: argparse.Namespace) -> Callable[[Any], Any]:
    from emostress_ros.nodes.sources.heart_rate_strap import HeartRateStrap

    return lambda context: HeartRateStrap(args.device, args.person, args.namespace, context)
