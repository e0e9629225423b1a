"""The compiled inner loops, where there are any; without them numpy does the same work.

CMake lays the library beside the package's modules (``src/``, built with ``pip install .`` and
``colcon build``).  It holds plain C functions over arrays, no Python, so that it serves every
version of Python.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from pathlib import Path
from typing import TypeVar

import emostress_ros

logger = logging.getLogger(__name__)
Bound = TypeVar("Bound")

VARIABLE = "EMOSTRESS_KERNELS"
"""Environment variable: ``numpy`` leaves the library aside, a path names another one."""
VERSION = 7
"""Version of the functions and structures that the modules here are written for."""
FILE_NAME = "libemostress_kernels.so"


@dataclass(frozen=True)
class Kernels:
    """What was found.

    Attributes:
        library: with the functions; None where numpy does the work.
        said: which instructions run, or why none do.
    """

    library: ctypes.CDLL | None
    said: str


def kernels() -> Kernels:
    """Return the library that :data:`VARIABLE` or the installation names."""
    return _load(os.environ.get(VARIABLE, ""))


def compiled(bind: Callable[[ctypes.CDLL], Bound]) -> Callable[[], Bound | None]:
    """Decorate what binds functions of the library; None is returned where numpy does the work.

    Args:
        bind: gives the functions; it is called once for each library.
    """
    bound = lru_cache(maxsize=4)(bind)

    @wraps(bind)
    def found() -> Bound | None:
        library = kernels().library
        return None if library is None else bound(library)

    return found


@lru_cache(maxsize=8)
def _load(wish: str) -> Kernels:
    found = _find(wish)
    # A library that is there and cannot be used is worth a line; one that is not there is usual.
    logger.log(
        logging.INFO if found.library or not _candidates(wish) else logging.WARNING,
        "signal kernels: %s", found.said,
    )  # fmt: skip
    return found


def _candidates(wish: str) -> list[Path]:
    if wish == "numpy":
        return []
    places = [Path(wish)] if wish else [Path(p) / FILE_NAME for p in emostress_ros.__path__]
    return [path for path in places if path.is_file()]


def _find(wish: str) -> Kernels:
    if wish == "numpy":
        return Kernels(None, f"numpy, as {VARIABLE} says")
    said = f"numpy: there is no {wish or FILE_NAME}"
    for path in _candidates(wish):
        try:
            library = ctypes.CDLL(str(path))
            version = library.emostress_kernels_version()
        except (OSError, AttributeError) as error:
            said = f"numpy: {path} cannot be used: {error}"
            continue
        if version == VERSION:
            library.emostress_kernels_name.restype = ctypes.c_char_p
            return Kernels(library, f"compiled, {library.emostress_kernels_name().decode()}")
        said = f"numpy: {path} has version {version}, not {VERSION}; install the package again"
    return Kernels(None, said)
