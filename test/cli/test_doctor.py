"""The doctor names what does not work and how to mend it, and touches nothing that lives."""

from __future__ import annotations

import fcntl
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emostress_ros.cli import doctor
from emostress_ros.cli.main import main
from emostress_ros.inference import ModelCard
from emostress_ros.nodes import shared_memory
from emostress_ros.resources import share_directory

NODE = """
import sys, time, rclpy
rclpy.init()
node = rclpy.create_node("tenant")
print("up", flush=True)
time.sleep(60)
"""


def make_segment(folder, name: str) -> None:
    (folder / name).write_bytes(bytes(8192))
    (folder / f"{name}_el").touch()
    (folder / f"sem.{name}_mutex").touch()


def verdicts() -> dict[str, str]:
    return {finding.what: finding.verdict for finding in doctor.examine()}


def test_a_sound_installation_is_found_sound(capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for part in ("ROS 2", "messages", "model face_mobilenet", "inference", "shared memory"):
        assert part in said
    assert "bad" not in said


def test_what_is_there_to_be_copied_comes_whole(monkeypatch, capsys):
    monkeypatch.delenv(doctor.PROFILE, raising=False)
    monkeypatch.setattr(doctor, "gpu_name", lambda: "Orin")
    monkeypatch.setattr(doctor, "lacking_provider", lambda name: "" if name == "cpu" else "none")
    main(["doctor"])
    said = capsys.readouterr().out
    profile = share_directory() / "config" / "fastdds.xml"
    assert f"export {doctor.PROFILE}={profile} for your camera driver, so that" in said
    assert "pip install 'emostress_ros[gpu]'" in said


def test_a_damaged_model_is_named_and_fails(tmp_path, monkeypatch, capsys):
    card = ModelCard.load("physiology_wrist")
    broken = tmp_path / card.name
    shutil.copytree(card.folder, broken)
    with (broken / card.file.name).open("ab") as file:
        file.write(b"x")
    monkeypatch.setenv("EMOSTRESS_MODELS", str(tmp_path))
    assert main(["doctor"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert f"bad model {card.identifier}" in said and "sha256" in said


def test_only_the_memory_of_the_dead_is_removed(tmp_path):
    for name in ("fastrtps_dead", "fastrtps_alive", "fastrtps_port7413"):
        make_segment(tmp_path, name)
    (tmp_path / "somebody_else").write_bytes(b"data")
    with (tmp_path / "fastrtps_alive_el").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = {item.name: item.alive for item in shared_memory.segments(tmp_path)}
        assert found == {
            "fastrtps_alive": True, "fastrtps_dead": False, "fastrtps_port7413": False,
        }  # fmt: skip
        removed = shared_memory.remove_dead(tmp_path)
    assert {item.name for item in removed} == {"fastrtps_dead", "fastrtps_port7413"}
    assert all(item.bytes >= 8192 for item in removed)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        "fastrtps_alive", "fastrtps_alive_el", "sem.fastrtps_alive_mutex", "somebody_else",
    }  # fmt: skip


@pytest.mark.skipif(not shared_memory.FOLDER.is_dir(), reason="needs /dev/shm")
def test_a_running_node_is_alive_and_a_killed_one_is_dead():
    process = subprocess.Popen([sys.executable, "-c", NODE], stdout=subprocess.PIPE, text=True)

    def alive() -> set[str]:
        return {item.name for item in shared_memory.segments() if item.alive}

    try:
        assert process.stdout is not None and process.stdout.readline().strip() == "up"
        # Others on this machine have segments, too: these are the ones that it has mapped.
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        own = set(re.findall(r"/dev/shm/(fastrtps_[0-9a-f]{16})$", maps, re.MULTILINE))
        assert own and own <= alive()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 5
    while own & alive():
        assert time.monotonic() < deadline, "a killed node's segments still count as alive"
        time.sleep(0.05)
    for name in own:
        for path in shared_memory._files(shared_memory.FOLDER, name):
            path.unlink(missing_ok=True)


def test_too_little_shared_memory_is_bad(monkeypatch):
    monkeypatch.setattr(doctor, "_LEAST_SHARED_BYTES", 1 << 60)
    assert verdicts()["shared memory"] == "bad"
