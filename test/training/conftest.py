from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def toy_set(tmp_path):
    """Seven classes told apart by which part of the face is bright."""
    rng = np.random.default_rng(0)
    labels = np.arange(420) % 7
    images = rng.integers(0, 160, (420, 48, 48)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[8 + 5 * label : 11 + 5 * label, 16:32] += 90
    usage = np.where(np.arange(420) < 350, "Training", "PublicTest")
    votes = np.zeros((420, 10), np.uint8)
    votes[np.arange(420), labels] = 10
    path = tmp_path / "toy.npz"
    np.savez(path, images=images, label=labels, usage=usage, ferplus_votes=votes)
    return path
