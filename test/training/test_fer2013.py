from __future__ import annotations

import pickle

import numpy as np
import pytest

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets import fer2013


def write_csv(path, rows, header="emotion,pixels,Usage"):
    lines = [f"{label},{' '.join(map(str, pixels))},{usage}" for label, pixels, usage in rows]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(0, 256, (6, 48, 48), dtype=np.uint8)


@pytest.fixture
def usages():
    return ["Training", "Training", "PublicTest", "PublicTest", "PrivateTest", "Training"]


def write_npz(path, faces, usages, **more):
    arrays = {"images": faces, "label": np.arange(6) % 7, "usage": np.array(usages, object)}
    np.savez(path, **{**arrays, **more})
    return path


def test_csv_and_npz_hold_the_same(tmp_path, faces, usages):
    rows = [
        (k % 7, face.ravel(), usage)
        for k, (face, usage) in enumerate(zip(faces, usages, strict=True))
    ]
    csv = fer2013.load(write_csv(tmp_path / "fer2013.csv", rows))
    npz = fer2013.load(write_npz(tmp_path / "x.npz", faces, usages))
    np.testing.assert_array_equal(csv.images, npz.images)
    np.testing.assert_array_equal(csv.labels, npz.labels)
    assert csv.usage.tolist() == npz.usage.tolist() == usages


NAMES = (*fer2013.FERPLUS_LABELS, "unknown", "NF")
HEADER = f"Usage,Image name,{','.join(NAMES)}"


def write_votes(folder, votes, usages, header=HEADER):
    lines = [
        f"{usage},fer{row:07}.png,{','.join(map(str, counts))}"
        for row, (counts, usage) in enumerate(zip(votes, usages, strict=True))
    ]
    (folder / "fer2013new.csv").write_text("\n".join([header, *lines]) + "\n")


@pytest.fixture
def official(tmp_path, faces, usages):
    """fer2013.csv in a folder of its own."""
    rows = [(k, face.ravel(), usages[k]) for k, face in enumerate(faces)]
    return write_csv(tmp_path / "fer2013.csv", rows).parent


def test_the_votes_beside_the_faces_are_read(official, usages):
    votes = np.eye(6, 10, dtype=np.uint8) * 7
    votes[4:, 8] = 3
    assert fer2013.load(official).votes is None
    write_votes(official, votes, usages)
    data = fer2013.load(official)
    np.testing.assert_array_equal(data.votes, votes)
    assert fer2013.held_out(data, "publictest").votes[:, 2:4].tolist() == [[7, 0], [0, 7]]


def test_votes_that_are_not_of_these_faces_are_refused(official, usages):
    votes = np.ones((6, 10), np.uint8)
    write_votes(official, votes[:5], usages[:5])
    with pytest.raises(DatasetError, match="5 rows"):
        fer2013.load(official)
    write_votes(official, votes, usages[::-1])
    with pytest.raises(DatasetError, match="row 2 is of PrivateTest"):
        fer2013.load(official)
    write_votes(official, [["x"] * 10] * 6, usages)
    with pytest.raises(DatasetError, match=r"fer2013new.csv:2: votes"):
        fer2013.load(official)
    write_votes(official, votes, usages, header="Usage,Image name,neutral")
    with pytest.raises(DatasetError, match="happiness"):
        fer2013.load(official)


def test_a_folder_will_do(tmp_path, faces, usages):
    write_npz(tmp_path / "fer2013.npz", faces, usages)
    assert len(fer2013.load(tmp_path)) == 6


def test_labels_of_another_order_are_put_in_order(tmp_path, faces, usages):
    names = np.array(fer2013.LABELS[::-1])
    path = write_npz(
        tmp_path / "x.npz", faces, usages, label=np.array([0, 6, 1, -1, 2, 3]), label_names=names
    )
    assert fer2013.load(path).labels.tolist() == [6, 0, 5, -1, 4, 3]


def test_splits(tmp_path, faces, usages):
    data = fer2013.load(write_npz(tmp_path / "x.npz", faces, usages))
    assert len(fer2013.held_out(data, None)) == 3
    assert len(fer2013.held_out(data, "publictest")) == 2
    assert len(fer2013.held_out(data, "privatetest")) == 1
    assert len(fer2013.held_out(data, "Training")) == 3
    assert len(fer2013.held_out(data, "all")) == 6
    with pytest.raises(DatasetError, match="validation"):
        fer2013.held_out(data, "validation")
    only = fer2013.held_out(data, "training")
    assert len(fer2013.held_out(only, None)) == 3
    with pytest.raises(DatasetError, match="PublicTest"):
        fer2013.held_out(only, "publictest")


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ((0, [1, 2, 3], "Training"), "pixels"),
        ((0, [300] * 2304, "Training"), "pixels"),
        ((0, ["x"] * 2304, "Training"), "pixels"),
        ((9, [0] * 2304, "Training"), "emotion"),
        (("happy", [0] * 2304, "Training"), "emotion"),
    ],
)
def test_an_odd_row_is_named_with_its_line(tmp_path, row, named):
    path = write_csv(tmp_path / "fer2013.csv", [(0, [0] * 2304, "Training"), row])
    with pytest.raises(DatasetError, match=rf"fer2013.csv:3: {named}"):
        fer2013.load(path)


def test_files_that_are_not_the_set_are_refused(tmp_path, faces, usages):
    with pytest.raises(DatasetError, match="no FER2013"):
        fer2013.load(tmp_path)
    with pytest.raises(DatasetError, match="emotion, pixels"):
        fer2013.load(write_csv(tmp_path / "a.csv", [], header="a,b"))
    with pytest.raises(DatasetError, match="no faces"):
        fer2013.load(write_csv(tmp_path / "b.csv", []))
    (tmp_path / "c.npz").write_bytes(b"nothing of the kind")
    with pytest.raises(DatasetError, match="npz"):
        fer2013.load(tmp_path / "c.npz")
    with pytest.raises(DatasetError, match="48×48"):
        fer2013.load(write_npz(tmp_path / "d.npz", faces[:, :40], usages))
    with pytest.raises(DatasetError, match="length"):
        fer2013.load(write_npz(tmp_path / "e.npz", faces, usages[:-1]))
    with pytest.raises(DatasetError, match="label_names"):
        fer2013.load(write_npz(tmp_path / "f.npz", faces, usages, label_names=np.array(["a"])))


class Malicious:
    def __reduce__(self):
        return (print, ("code from a data file ran",))


def test_a_data_file_cannot_run_code(tmp_path, faces, usages, capsys):
    usage = np.array([Malicious()] * 6, object)
    path = write_npz(tmp_path / "x.npz", faces, usages, usage=usage)
    with pytest.raises(DatasetError, match="not allowed"):
        fer2013.load(path)
    assert "ran" not in capsys.readouterr().out
    assert pickle.dumps(usage)  # the same object would run in an ordinary unpickler


def test_duplicates_are_found_mirrored_and_relit_too():
    rng = np.random.default_rng(1)
    smooth = rng.integers(0, 256, (5, 6, 6)).repeat(8, 1).repeat(8, 2).astype(np.uint8)
    others = rng.integers(0, 256, (5, 6, 6)).repeat(8, 1).repeat(8, 2).astype(np.uint8)
    copies = smooth.copy()
    copies[1] = copies[1] * 0.5 + 20
    copies[2] = copies[2][:, ::-1]
    assert fer2013.exact_duplicates(copies, smooth).tolist() == [True, False, False, True, True]
    assert fer2013.near_duplicates(copies, smooth).all()
    assert not fer2013.near_duplicates(others, smooth).any()


def test_votes_become_distributions():
    votes = np.array(
        [
            [8, 0, 0, 0, 2, 0, 0, 0, 0, 0],
            [8, 0, 0, 0, 1, 0, 0, 0, 0, 0],
            [1, 0, 0, 0, 0, 0, 0, 0, 9, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],
        ],
        np.uint8,
    )
    rows = fer2013.ferplus_distribution(votes)
    np.testing.assert_allclose(rows[0, [0, 4]], [0.8, 0.2])
    np.testing.assert_allclose(rows[1, [0, 4]], [1.0, 0.0])
    assert rows[2].sum() == 0 and rows[3].sum() == 0


def test_the_shared_set_is_read_whole(shared_data):
    data = fer2013.load(shared_data / "face")
    training, public = (data.usage == name for name in ("Training", "PublicTest"))
    assert (training.sum(), public.sum()) == (28558, 3579)
    assert fer2013.exact_duplicates(data.images[training], data.images[public]).sum() == 340
