"""What is kept of people from one start to the next: encrypted, one file a person and section.

Only resting baselines and consents are kept, never pictures, sound or signals.  Files are encrypted
and authenticated with Fernet (AES-128-CBC and HMAC-SHA256); their names are keyed hashes, so that
the folder does not tell who is known.  It needs ``pip install 'emostress_ros[store]'``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emostress_ros.errors import MissingExtraError, StoreError
from emostress_ros.parameters import Config, parameter

KEY_VARIABLE = "EMOSTRESS_STORE_KEY"
"""Environment variable that holds the key itself and goes before the key's file."""
_SECTION = re.compile(r"^[a-z_]+$")


@dataclass(frozen=True)
class StoreConfig(Config):
    """Whether anything is kept of people, and where."""

    store: str = parameter(
        "",
        "Folder that keeps consents and resting baselines, encrypted, from one start to the next; "
        "empty: nothing is kept.",
    )
    store_key: str = parameter(
        "~/.config/emostress/store.key",
        "File with the store's key, made when missing; "
        "the environment's EMOSTRESS_STORE_KEY goes before it.",
    )

    def open_store(self) -> PersonStore | None:
        """Return the store, or None when nothing is to be kept.

        Raises:
            StoreError, MissingExtraError: it cannot be used.
        """
        if not self.store:
            return None
        return PersonStore(Path(self.store).expanduser(), read_key(Path(self.store_key)))


def read_key(path: Path) -> bytes:
    """Return the key: the environment's, the file's, or a new one that is written to the file.

    Raises:
        StoreError: the file cannot be read or made.
    """
    given = os.environ.get(KEY_VARIABLE, "")
    if given:
        return given.encode()
    path = path.expanduser()
    try:
        if not path.exists():
            _make_key(path)
        return path.read_bytes().strip()
    except OSError as error:
        raise StoreError(f"the store's key {path} cannot be used: {error}") from error


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Unreadable for others from the first moment, and under its name only once it is whole: nodes
    # that start together find no half of it.
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(base64.urlsafe_b64encode(os.urandom(32)))
        with suppress(FileExistsError):  # of those that race the first one's counts
            os.link(partial, path)
    finally:
        os.unlink(partial)


class PersonStore:
    """A folder of encrypted files.

    Args:
        folder: made when missing.
        key: 32 bytes, URL-safe base64.

    Raises:
        MissingExtraError: ``cryptography`` is not installed.
        StoreError: no such key, or the folder cannot be made.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        try:
            from cryptography.fernet import Fernet
        except ImportError as error:
            raise MissingExtraError(
                "keeping people's baselines needs 'cryptography', which is not installed: "
                "`pip install 'emostress_ros[store]'`"
            ) from error
        try:
            self._cipher, self._key = Fernet(key), bytes(key)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except ValueError as error:
            raise StoreError(f"a store's key is 32 bytes in URL-safe base64: {error}") from error
        except OSError as error:
            raise StoreError(f"the store {folder} cannot be used: {error}") from error
        self.folder = folder

    def save(self, person_id: str, section: str, values: Mapping[str, Any]) -> None:
        """Keep ``values`` (plain JSON) as a person's section; replaces what was there.

        Raises:
            StoreError: the file cannot be written.
        """
        path = self._path(person_id, section)
        document = {"person": person_id, "section": section, "values": dict(values)}
        sealed = self._cipher.encrypt(json.dumps(document).encode())
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            handle = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(sealed)
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise StoreError(f"{path} cannot be written: {error}") from error

    def load(self, person_id: str, section: str) -> dict[str, Any] | None:
        """Return a person's section; None where nothing is kept.

        Raises:
            StoreError: the file is damaged or of another key.
        """
        path = self._path(person_id, section)
        if not path.exists():
            return None
        values: dict[str, Any] = self._open(path)["values"]
        return values

    def forget(self, person_id: str) -> bool:
        """Delete all that is kept of a person; return whether there was anything.

        Raises:
            StoreError: something is left that cannot be deleted.
        """
        found = list(self.folder.glob(f"{self._name(person_id)}.*"))
        left = []
        for path in found:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                left.append(f"{path} cannot be deleted: {error}")
        if left:
            raise StoreError("; ".join(left))
        return bool(found)

    def people(self) -> dict[str, list[str]]:
        """Return every person kept, with their sections.

        Raises:
            StoreError: a file is damaged or of another key.
        """
        kept: dict[str, list[str]] = {}
        for path in sorted(self.folder.glob("*.sealed")):
            document = self._open(path)
            kept.setdefault(document["person"], []).append(document["section"])
        return kept

    def _open(self, path: Path) -> dict[str, Any]:
        from cryptography.fernet import InvalidToken

        try:
            document: dict[str, Any] = json.loads(self._cipher.decrypt(path.read_bytes()))
        except InvalidToken as error:
            raise StoreError(f"{path} is damaged, or was written with another key") from error
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error}") from error
        return document

    def _path(self, person_id: str, section: str) -> Path:
        if not _SECTION.match(section):
            raise StoreError(f"a section is named in small letters and '_'; got {section!r}")
        return self.folder / f"{self._name(person_id)}.{section}.sealed"

    def _name(self, person_id: str) -> str:
        return hmac.new(self._key, person_id.encode(), hashlib.sha256).hexdigest()[:32]
