from __future__ import annotations

import argparse
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emostress_ros.cli.graph import Graph, GraphOptions, check_parameter_file
from emostress_ros.cli.main import COMMANDS, main
from emostress_ros.errors import GraphError, ParameterError

PATIENCE_S = 20.0


def test_the_version_and_the_commands_are_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert main([]) == 2
    told = capsys.readouterr().out
    assert all(name in told for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"emostress {name}" in capsys.readouterr().out


def arguments(parser, path):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield from arguments(command, f"{path} {name}")
        else:
            yield f"{path} {action.dest}", action.help


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_argument_is_explained(name):
    parser = argparse.ArgumentParser()
    importlib.import_module(f"emostress_ros.cli.{name}").add_arguments(parser)
    assert not [argument for argument, said in arguments(parser, name) if not said]


def test_a_wrong_log_level_is_refused_before_anything_starts(capsys):
    with pytest.raises(SystemExit):
        main(["up", "--log-level", "loud"])
    assert "'loud' (choose from 'debug', 'info', 'warn', 'error', 'fatal')" in (
        capsys.readouterr().err
    )


def test_a_graph_that_is_terminated_leaves_no_node_behind():
    words = ["-m", "emostress_ros.cli.main", "up", "--modalities", "text", "--no-autostart"]
    up = subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE, text=True)
    assert up.stderr is not None and "started" in up.stderr.readline()
    children = Path(f"/proc/{up.pid}/task/{up.pid}/children").read_text().split()
    assert children
    time.sleep(1.0)
    up.terminate()
    assert up.wait(PATIENCE_S) == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def test_who_interrupts_a_graph_that_is_still_starting_sees_no_traceback():
    words = ["-m", "emostress_ros.cli.main", "up"]
    up = subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE, text=True)
    assert up.stderr is not None and "started" in up.stderr.readline()
    time.sleep(0.3)  # the nodes are importing
    up.send_signal(signal.SIGINT)
    said = up.communicate(timeout=PATIENCE_S)[1]
    assert up.returncode == 0 and "Traceback" not in said, said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not YAML"),
        ("[]", "must map node names"),
        ("fusion_node: {rate_hz: 5.0}", "ros__parameters"),
    ],
)
def test_a_wrong_parameter_file_is_refused_before_anything_starts(tmp_path, text, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=message):
        Graph(GraphOptions(config_file=path))


def test_the_shipped_parameter_file_is_one(repository):
    check_parameter_file(repository / "config" / "emostress.yaml")


def test_an_unknown_modality_is_refused():
    with pytest.raises(ParameterError, match="face, voice, physiology, text; got smell"):
        Graph(GraphOptions(modalities=("face", "smell")))


def wait(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def test_a_killed_node_is_started_again(tmp_path):
    with Graph(GraphOptions(modalities=("text",)), log_folder=tmp_path) as graph:
        first = graph.pids["fusion_node"]
        os.kill(first, signal.SIGKILL)
        events: list[str] = []
        wait(lambda: events.extend(graph.poll()) or events, "the restart")
        assert "fusion_node ended with status -9" in events[0]
        assert graph.pids["fusion_node"] != first
    assert graph.pids == {}


def test_without_respawn_a_killed_node_ends_the_graph(tmp_path):
    options = GraphOptions(modalities=("text",), respawn=False)
    with Graph(options, log_folder=tmp_path) as graph:
        os.kill(graph.pids["behaviour_node"], signal.SIGKILL)
        with pytest.raises(GraphError, match="behaviour_node ended with status -9"):
            wait(lambda: graph.poll(), "the error")
