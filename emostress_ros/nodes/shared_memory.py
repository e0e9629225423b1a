"""Fast DDS's shared-memory segments: which are there, and which nobody uses any more.

Each segment has a lock file beside it (``…_el``) that its owner holds as long as it lives; the
kernel lets go of the lock with the process.  A segment whose lock is free belongs to the dead, and
lies in memory until the machine is started again: 32 MiB for every process killed.
"""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("/dev/shm")
_PREFIX = "fastrtps_"
_LOCK = "_el"


@dataclass(frozen=True)
class Segment:
    """One segment of shared memory.

    Attributes:
        name: as in ``/dev/shm``.
        bytes: that it takes.
        alive: whether its owner lives.
    """

    name: str
    bytes: int
    alive: bool


def segments(folder: Path = FOLDER) -> list[Segment]:
    """Return Fast DDS's segments; what belongs to another user counts as alive."""
    found = []
    for lock in sorted(folder.glob(f"{_PREFIX}*{_LOCK}")):
        name = lock.name.removesuffix(_LOCK)
        found.append(Segment(name, sum(_size(path) for path in _files(folder, name)), _held(lock)))
    return found


def remove_dead(folder: Path = FOLDER) -> list[Segment]:
    """Remove the segments of dead processes and return them."""
    removed = []
    for segment in segments(folder):
        if segment.alive:
            continue
        for path in _files(folder, segment.name):
            path.unlink(missing_ok=True)
        removed.append(segment)
    return removed


def _files(folder: Path, name: str) -> list[Path]:
    """Return a segment's files: itself, its locks and its semaphores."""
    beside = [folder / name, folder / f"{name}{_LOCK}", folder / f"{name}_sl"]
    semaphores = sorted(folder.glob(f"sem.{name}*"))
    return [path for path in (*beside, *semaphores) if path.is_file()]


def _held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0
