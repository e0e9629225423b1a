"""Bags that are quick to evaluate: a wearable alone, and the sample with every sense."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from wearable_bags import stress_labels, wearable_bag

from emostress_ros.evaluation.evaluate.labels import Label


@pytest.fixture(scope="session")
def bags(tmp_path_factory) -> list[Path]:
    """Three people with a wearable."""
    folder = tmp_path_factory.mktemp("wearables")
    return [wearable_bag(folder / f"p{n}", 1.0 + 0.2 * n, n, f"person{n}") for n in range(3)]


@pytest.fixture(scope="session")
def labels(bags) -> list[Label]:
    return [x for n, bag in enumerate(bags) for x in stress_labels(bag.name, f"person{n}")]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
