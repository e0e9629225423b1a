"""Files that are written whole or not at all, and text that is read as UTF-8."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emostress_ros.errors import DatasetError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a draft to write in place of ``path``, which it becomes when all went well.

    Who is interrupted leaves what was there before, so that a cache holds nothing half-written;
    of several who write at once the last one's counts.

    Args:
        path: of the file; its folder is made.

    Yields:
        the draft: beside the file, with its suffix.

    Example:
        >>> with whole_file(Path("/tmp/emostress/rows.npy")) as draft:
        ...     _ = draft.write_bytes(b"rows")
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}.{os.getpid()}.{threading.get_ident()}{path.suffix}")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def utf8_of(path: Path) -> str:
    """Return what a text file holds, less the mark that some spreadsheets put first.

    Raises:
        DatasetError: it is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8: {error}") from error
