"""A real face, from a photograph that matplotlib brings along (public domain)."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from emostress_ros.modalities.face import FaceConfig, FacePipeline


@pytest.fixture(scope="session")
def photo():
    """(600, 512, 3) uint8 RGB: one frontal face at about (180, 125) to (360, 360)."""
    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.fixture(scope="session")
def head(photo):
    """(240, 180, 3): the face with some of its surroundings."""
    return np.asarray(Image.fromarray(photo[60:420, 130:400]).resize((180, 240)))


@pytest.fixture
def pipeline():
    return FacePipeline(FaceConfig())


def scene(*placed):
    """Return a grey VGA frame with heads pasted at (left, top)."""
    frame = np.full((480, 640, 3), 128, np.uint8)
    for head, left, top in placed:
        frame[top : top + head.shape[0], left : left + head.shape[1]] = head
    return frame


@pytest.fixture(name="scene")
def scene_fixture():
    return scene
