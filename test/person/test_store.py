from __future__ import annotations

import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from emostress_ros.cli.main import main
from emostress_ros.errors import StoreError
from emostress_ros.person.store import KEY_VARIABLE, PersonStore, StoreConfig, read_key

pytest.importorskip("cryptography")


def new_key() -> bytes:
    return base64.urlsafe_b64encode(os.urandom(32))


def test_what_is_kept_comes_back_and_nobody_else_can_read_it(tmp_path):
    key = new_key()
    store = PersonStore(tmp_path / "people", key)
    store.save("anna", "rest", {"mean": [1.5, 2.0]})
    store.save("ben", "consent", {"face": False})
    again = PersonStore(tmp_path / "people", key)
    assert again.load("anna", "rest") == {"mean": [1.5, 2.0]}
    assert again.load("anna", "consent") is None
    assert again.people() == {"anna": ["rest"], "ben": ["consent"]}
    for path in (tmp_path / "people").iterdir():
        assert b"anna" not in path.name.encode() + path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(StoreError, match="another key"):
        PersonStore(tmp_path / "people", new_key()).load("anna", "rest") or PersonStore(
            tmp_path / "people", new_key()
        ).people()


def test_forgetting_leaves_no_file_of_that_person(tmp_path):
    store = PersonStore(tmp_path, new_key())
    store.save("anna", "rest", {})
    store.save("anna", "consent", {})
    store.save("ben", "rest", {})
    assert store.forget("anna") and not store.forget("anna")
    assert store.people() == {"ben": ["rest"]}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_damaged_file_is_named(tmp_path):
    store = PersonStore(tmp_path, new_key())
    store.save("anna", "rest", {})
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-7] + b"garbage")
    with pytest.raises(StoreError, match=path.name):
        store.load("anna", "rest")


def test_a_key_is_made_once_for_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    path = tmp_path / "deep" / "store.key"
    key = read_key(path)
    assert read_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    monkeypatch.setenv(KEY_VARIABLE, "c2VjcmV0")
    assert read_key(path) == b"c2VjcmV0"


def test_nodes_that_start_together_make_one_key(tmp_path, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with ThreadPoolExecutor(8) as nodes:
        for attempt in range(100):
            path = tmp_path / str(attempt) / "store.key"
            keys = set(nodes.map(read_key, [path] * 8))
            assert len(keys) == 1 and len(keys.pop()) == 44
            assert [file.name for file in path.parent.iterdir()] == ["store.key"]


def test_a_write_that_fails_is_told_and_leaves_nothing(tmp_path):
    store = PersonStore(tmp_path, new_key())
    store.save("anna", "rest", {})
    (path,) = tmp_path.iterdir()
    path.unlink()
    path.mkdir()  # what is to be replaced cannot be
    with pytest.raises(StoreError, match="cannot be written"):
        store.save("anna", "rest", {})
    assert list(tmp_path.iterdir()) == [path]


def test_a_wrong_key_is_refused_and_by_default_nothing_is_kept(tmp_path):
    with pytest.raises(StoreError, match="32 bytes"):
        PersonStore(tmp_path, b"short")
    assert StoreConfig().open_store() is None


def test_a_wrong_key_does_not_pass_for_nobody_known(tmp_path, capsys):
    keys = [tmp_path / name for name in ("right", "wrong")]
    for path in keys:
        path.write_bytes(new_key())
        path.chmod(0o600)
    folder = tmp_path / "people"
    PersonStore(folder, read_key(keys[0])).save("anna", "rest", {})
    command = ["people", str(folder), "--forget", "anna", "--key"]
    assert main([*command, str(keys[1])]) != 0
    assert "another key" in capsys.readouterr().err
    assert list(folder.iterdir())
    assert main([*command, str(keys[0])]) == 0
    assert main([*command, str(keys[0])]) == 0
    assert capsys.readouterr().out == "anna: deleted\nanna: was not known\n"
    assert not list(folder.iterdir())
