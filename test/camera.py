"""A camera: publishes a photograph 15 times a second, stamped now, until it is killed."""

from __future__ import annotations

import array
import time
from pathlib import Path

import matplotlib
import numpy as np
import rclpy
from PIL import Image as Pillow
from rclpy.node import Node
from sensor_msgs.msg import Image

PHOTOGRAPH = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


def main() -> None:
    rclpy.init()
    node = Node("camera")
    publisher = node.create_publisher(Image, "image", 5)
    with Pillow.open(PHOTOGRAPH) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((256, 300)))
    message = Image(height=300, width=256, step=768, encoding="rgb8")
    message.data = array.array("B", pixels.tobytes())
    while True:
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        time.sleep(1 / 15)


if __name__ == "__main__":
    main()
