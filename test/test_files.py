"""Whatever is kept for the next run is whole, also where a run was interrupted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from emostress_ros.files import whole_file


def test_a_file_is_there_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.npy"
    with whole_file(path) as draft:
        np.save(draft, np.arange(3))
        assert not path.exists()
    assert np.load(path).tolist() == [0, 1, 2]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("before", [None, b"kept"])
def test_who_is_interrupted_leaves_what_was_there(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "rows.npz"
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(KeyboardInterrupt), whole_file(path) as draft:
        draft.write_bytes(b"half of it")
        raise KeyboardInterrupt
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([before] if before else [])


def test_those_who_write_at_once_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"

    def write(value: int) -> None:
        with whole_file(path) as draft:
            np.save(draft, np.full(10_000, value))

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(write, range(64)))
    assert len(set(np.load(path).tolist())) == 1
    assert list(tmp_path.iterdir()) == [path]
