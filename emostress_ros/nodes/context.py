"""A place in the graph beside the program's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rclpy


@contextmanager
def own_context() -> Iterator[Any]:
    """Enter the graph with a context of one's own, so that a node's program can do it too."""
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        yield context
    finally:
        context.try_shutdown()
