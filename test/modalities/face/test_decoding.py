"""The maps of the detector's net are read alike by the kernel and by numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.kernels import VARIABLE, kernels
from emostress_ros.modalities.face.boxes import iou
from emostress_ros.modalities.face.decoding import STRIDES, Decoder

SIZE = (96, 64)
VALUES = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
NAMES = [f"{name}_{stride}" for name in VALUES for stride in STRIDES]


def maps(seed: int, images: int, sure: float) -> list[np.ndarray]:
    """Maps of noise, a share of whose cells see a face; some values lie beyond [0, 1]."""
    random = np.random.default_rng(seed)
    made = []
    for name in NAMES:
        kind, stride = name.split("_")
        cells = images * (SIZE[0] // int(stride)) * (SIZE[1] // int(stride))
        values = random.normal(size=(1, cells, VALUES[kind]))
        if VALUES[kind] == 1:
            values = np.where(random.random(values.shape) < sure, 0.7 + 0.5 * abs(values), 0.1)
        made.append(values.astype(np.float32))
    return made


def somewhere(seed: int, images: int) -> np.ndarray:
    """Where each of some images lies in a larger one, and how it is scaled."""
    random = np.random.default_rng(seed)
    corners = np.sort(random.uniform(0, 300, (images, 2, 2)), axis=1).reshape(images, 4)
    return np.concatenate([random.uniform(0.3, 3.0, (images, 2)), corners], axis=1).astype("f4")


@given(
    seed=st.integers(0, 10**6), images=st.integers(1, 4), sure=st.sampled_from([0.0, 0.05, 0.4]),
    overlap=st.sampled_from([0.1, 0.3, 0.7]),
)  # fmt: skip
def test_the_kernel_reads_what_numpy_reads(seed, images, sure, overlap):
    if kernels().library is None:
        pytest.skip(f"needs the compiled kernels; {kernels().said}")
    outputs, decoder = maps(seed, images, sure), Decoder(NAMES, *SIZE, 0.75, overlap)
    read, placed = decoder.reader(outputs, images), somewhere(seed, images)
    found, owners = read(placed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "numpy")
        expected, whose = read(placed)
    assert owners.tolist() == whose.tolist()
    for name in ("boxes", "landmarks", "scores"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-3
        )


@given(seed=st.integers(0, 10**6), images=st.integers(1, 3))
def test_of_an_image_the_best_come_first_and_none_hides_another(seed, images):
    decoder = Decoder(NAMES, *SIZE, 0.75, 0.3)
    placed = np.tile(np.array([1, 1, 0, 0, 1e4, 1e4], np.float32), (images, 1))
    faces, owners = decoder.reader(maps(seed, images, 0.1), images)(placed)
    assert owners.tolist() == sorted(owners.tolist())
    for image in range(images):
        own = faces[owners == image]
        own = own[(own.boxes[:, :2] > 0.0).all(axis=1)]  # whole ones
        assert (np.diff(own.scores) <= 0.0).all()
        assert (np.triu(iou(own.boxes, own.boxes), 1) <= 0.3).all()
