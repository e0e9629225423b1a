"""The launch file, run by the real ``launch``: it starts the graph of ``emostress up``."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from emostress_ros.errors import ParameterError

pytest.importorskip("launch_ros.actions", reason="needs launch_ros (stock ROS 2)")
# Only now: where ROS is absent, the folder launch/ of this tree answers to the name.
launch = pytest.importorskip("launch", reason="needs launch (stock ROS 2)")
pytest.importorskip("launch.launch_description_sources")

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "launch" / "emostress.launch.py"
ALL = ["face_node", "voice_node", "physiology_node", "text_node", "fusion_node", "behaviour_node"]
ARGUMENTS = {
    "autostart", "composed", "config_file", "log_level", "lossless", "modalities", "namespace",
    "respawn", "use_sim_time",
}  # fmt: skip


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("emostress_launch", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation whose executables end at once, so that only their commands are seen."""
    share = tmp_path / "share"
    for folder in (share / "emostress_ros", share / "ament_index/resource_index/packages"):
        folder.mkdir(parents=True)
    (share / "ament_index/resource_index/packages/emostress_ros").touch()
    (share / "emostress_ros/config").symlink_to(ROOT / "config")
    programs = tmp_path / "lib/emostress_ros"
    programs.mkdir(parents=True)
    for name in (*ALL, "composed"):
        (programs / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    others = os.environ.get("AMENT_PREFIX_PATH", sys.prefix)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}:{others}")
    return tmp_path


class Started:
    """What one executable was started with."""

    def __init__(self, command: list[str]) -> None:
        """Take the command line apart; parameter files are read while they exist."""
        self.name = Path(command[0]).name
        self.words = command
        files = [Path(command[i + 1]) for i, w in enumerate(command) if w == "--params-file"]
        self.files = [path for path in files if "launch_params" not in path.name]
        self.parameters: dict[str, Any] = {}
        for path in files:
            if path not in self.files:
                document = yaml.safe_load(path.read_text(encoding="utf-8"))
                self.parameters |= next(iter(document.values()))["ros__parameters"]


def run(**arguments: str) -> list[Started]:
    """Launch with these arguments, wait for the end, return what was started."""
    started: list[Started] = []
    given = [(name, value) for name, value in {"respawn": "false", **arguments}.items()]
    description = launch.LaunchDescription(
        [
            launch.actions.RegisterEventHandler(
                launch.event_handlers.OnProcessStart(
                    on_start=lambda event, _: started.append(Started(event.cmd))
                )
            ),
            launch.actions.IncludeLaunchDescription(
                launch.launch_description_sources.PythonLaunchDescriptionSource(str(FILE)),
                launch_arguments=given,
            ),
        ]
    )
    service = launch.LaunchService()
    service.include_launch_description(description)
    assert service.run() == 0
    return started


def test_it_declares_its_arguments() -> None:
    description = load().generate_launch_description()
    assert {argument.name for argument in description.get_launch_arguments()} == ARGUMENTS
    assert all(argument.description for argument in description.get_launch_arguments())


@pytest.mark.usefixtures("prefix")
def test_it_starts_a_node_for_each_sense_fusion_and_behaviour() -> None:
    started = run(namespace="robot", use_sim_time="true", autostart="false", log_level="warn")
    assert sorted(one.name for one in started) == sorted(ALL)
    for one in started:
        assert one.words[1:4] == ["--ros-args", "--log-level", "warn"]
        assert f"__node:={one.name}" in one.words
        assert "__ns:=/robot" in one.words
        assert [path.name for path in one.files] == ["emostress.yaml"]
        assert one.parameters["use_sim_time"] is True
        assert one.parameters["autostart"] is False
        assert list(one.parameters["modalities"]) == ["face", "voice", "physiology", "text"]


@pytest.mark.usefixtures("prefix")
def test_it_starts_only_the_senses_that_are_named() -> None:
    names = {one.name for one in run(modalities="text, face")}
    assert names == {"text_node", "face_node", "fusion_node", "behaviour_node"}


@pytest.mark.usefixtures("prefix")
def test_lossless_is_for_a_replay_and_else_left_to_the_parameter_file() -> None:
    asked, unasked = run(modalities="text", lossless="true"), run(modalities="text")
    assert all(one.parameters["lossless"] is True for one in asked) and asked
    assert not any("lossless" in one.parameters for one in unasked)


@pytest.mark.usefixtures("prefix")
def test_it_starts_one_process_when_composed() -> None:
    (one,) = run(composed="true", modalities="face")
    assert one.name == "composed"
    assert not any("__node:=" in word for word in one.words), "would rename every node"
    assert list(one.parameters["modalities"]) == ["face"]


@pytest.mark.parametrize("value", ["", " , ", "face,smell"])
def test_a_wrong_modality_is_named(value: str) -> None:
    context = launch.LaunchContext()
    context.launch_configurations["modalities"] = value
    with pytest.raises(ParameterError, match="face, voice, physiology, text"):
        load().start(context)
