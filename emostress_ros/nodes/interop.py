"""Messages of other packages, used where those packages are installed.

What they hold is read in ``modalities.messages``. ``hri_msgs`` is ROS4HRI's (REP-155).
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from emostress_ros.affect import EMOTIONS, Embedding
from emostress_ros.nodes.conversions import ns_to_stamp


def message_type(package: str, *names: str) -> type | None:
    """Return the first message class that an installed package has, or None."""
    try:
        module = importlib.import_module(f"{package}.msg")
    except ImportError:
        return None
    return next((getattr(module, name) for name in names if hasattr(module, name)), None)


def fill_expression(message: Any, embedding: Embedding, frame_id: str) -> Any:
    """Fill an ``hri_msgs/Expression`` from a face's embedding and return it."""
    probabilities = np.asarray(embedding.probabilities)
    message.header.stamp = ns_to_stamp(embedding.stamp_ns)
    message.header.frame_id = frame_id
    message.expression = embedding.labels[int(np.argmax(probabilities))]
    message.valence, message.arousal = float(embedding.valence), float(embedding.arousal)
    message.confidence = float(probabilities.max()) * float(embedding.quality)
    assert message.expression in EMOTIONS
    return message
