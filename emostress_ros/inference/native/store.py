"""Engines in files that say what they were built for, so that no damaged or foreign one is run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from emostress_ros.errors import ModelCorruptError
from emostress_ros.files import whole_file
from emostress_ros.inference.engines import EngineKey

ENGINE_FILE = "model.engine"
_MARK = b"emostress_ros engine 1\n"


def save_engine(key: EngineKey, plan: bytes) -> Path:
    """Keep an engine in the key's folder; readers see the old file or the whole new one."""
    file = key.folder / ENGINE_FILE
    write(file, b"".join((_MARK, _head(key, hashlib.sha256(plan).hexdigest()), b"\n", plan)))
    return file


def load_engine(key: EngineKey) -> bytes | None:
    """Return the engine of a key; None where there is none.

    Raises:
        ModelCorruptError: the file is damaged, or holds an engine of another key.
    """
    file = key.folder / ENGINE_FILE
    if not file.is_file():
        return None
    mark, _, rest = file.read_bytes().partition(b"\n")
    told, _, plan = rest.partition(b"\n")
    if mark + b"\n" != _MARK:
        raise ModelCorruptError(f"{file} is no engine of this package")
    try:
        known = json.loads(told)
    except ValueError as error:
        raise ModelCorruptError(f"{file} is damaged: {error}") from error
    digest = known.pop("sha256", "") if isinstance(known, dict) else ""
    if digest != hashlib.sha256(plan).hexdigest():
        raise ModelCorruptError(f"{file} is damaged: its hash is another")
    if told != _head(key, digest):
        raise ModelCorruptError(f"{file} was built for something else: {known}")
    return plan


def _head(key: EngineKey, digest: str) -> bytes:
    return json.dumps(asdict(key) | {"sha256": digest}, sort_keys=True).encode()


def write(file: Path, content: bytes) -> None:
    """Write a file in one step, so that nobody reads half of it."""
    with whole_file(file) as draft:
        draft.write_bytes(content)
