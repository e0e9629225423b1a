"""Brings the graph up as processes and keeps it up, where ``ros2 launch`` does not exist."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import yaml

from emostress_ros.errors import GraphError, ParameterError
from emostress_ros.nodes.names import node_names
from emostress_ros.resources import share_directory

_RESTARTS_ALLOWED = 5
_RESTART_WINDOW_S = 60.0
_STOP_PATIENCE_S = 5.0


@dataclass(frozen=True)
class GraphOptions:
    """What ``emostress up`` and the launch file can be told.

    Attributes:
        namespace: of every node.
        config_file: parameter file; None takes the shipped ``config/emostress.yaml``.
        modalities: senses to start.
        use_sim_time: follow ``/clock``.
        composed: all nodes in one process.
        autostart: configure and activate the nodes as they come up.
        log_level: of every node.
        respawn: start a node again that died.
        parameters: further parameters of every node, such as ``lossless``.
    """

    namespace: str = ""
    config_file: Path | None = None
    modalities: tuple[str, ...] = ("face", "voice", "physiology", "text")
    use_sim_time: bool = False
    composed: bool = False
    autostart: bool = True
    log_level: str = "info"
    respawn: bool = True
    parameters: Mapping[str, str] = field(default_factory=dict)


class Graph:
    """The processes of a graph; use it as a context manager.

    Args:
        options: what to start.
        log_folder: where each process's output goes; None shows it on the terminal.

    Raises:
        ParameterError: an unknown modality, or a parameter file that is not one.
    """

    def __init__(self, options: GraphOptions, log_folder: Path | None = None) -> None:
        self.options = options
        self._log_folder = log_folder
        self.names = node_names(list(options.modalities))
        self.config_file = options.config_file or share_directory() / "config" / "emostress.yaml"
        check_parameter_file(self.config_file)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._restarts: dict[str, list[float]] = {}

    def __enter__(self) -> Graph:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process id of each node that runs."""
        return {name: process.pid for name, process in self._processes.items()}

    def start(self) -> None:
        """Start every process."""
        for name in ["composed"] if self.options.composed else self.names:
            self._processes[name] = self._spawn(name)

    def poll(self) -> list[str]:
        """Start again what died; return one line for each event.

        Raises:
            GraphError: a node dies again and again, or died and must not be started again.
        """
        events = []
        for name, process in list(self._processes.items()):
            status = process.poll()
            if status is None:
                continue
            self._may_restart(name, status)
            self._processes[name] = self._spawn(name)
            events.append(f"{name} ended with status {status} and was started again")
        return events

    def stop(self) -> None:
        """End every process; kill those that do not go."""
        for process in self._processes.values():
            if process.poll() is None:
                # As gentle as SIGINT once rclpy is up, and quiet before: no traceback of an import.
                process.terminate()
        deadline = time.monotonic() + _STOP_PATIENCE_S
        for process in self._processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def command(self, name: str) -> list[str]:
        """Return the command line of a node."""
        options = self.options
        parameters = {
            "use_sim_time": _word(options.use_sim_time),
            "autostart": _word(options.autostart),
            "modalities": f"[{', '.join(options.modalities)}]",
            **options.parameters,
        }
        words = [sys.executable, "-m", f"emostress_ros.nodes.{name}", "--ros-args"]
        words += ["--params-file", str(self.config_file), "--log-level", options.log_level]
        if options.namespace:
            words += ["-r", f"__ns:=/{options.namespace.strip('/')}"]
        for key, value in parameters.items():
            words += ["-p", f"{key}:={value}"]
        return words

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        if self._log_folder is None:
            return subprocess.Popen(self.command(name), env=environment(), start_new_session=True)
        self._log_folder.mkdir(parents=True, exist_ok=True)
        with (self._log_folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                self.command(name),
                env=environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _may_restart(self, name: str, status: int) -> None:
        if not self.options.respawn:
            raise GraphError(f"{name} ended with status {status}")
        now = time.monotonic()
        recent = [at for at in self._restarts.get(name, []) if now - at < _RESTART_WINDOW_S]
        if len(recent) >= _RESTARTS_ALLOWED:
            raise GraphError(
                f"{name} ended {len(recent) + 1} times within {_RESTART_WINDOW_S:g} s, "
                f"the last time with status {status}; see its output"
            )
        self._restarts[name] = [*recent, now]


def environment() -> dict[str, str]:
    """Return the environment of a node: the shared-memory profile, unless one is set already."""
    profile = share_directory() / "config" / "fastdds.xml"
    return {"FASTRTPS_DEFAULT_PROFILES_FILE": str(profile), **os.environ}


def check_parameter_file(path: Path) -> None:
    """Check that a file is a ROS 2 parameter file.

    Raises:
        ParameterError: it is not there, not YAML, or lacks ``ros__parameters``.
    """
    if not path.is_file():
        raise ParameterError(f"config_file {path}: no such file")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"config_file {path} is not YAML: {error}") from error
    if not isinstance(document, dict) or not all(
        isinstance(node, dict) and isinstance(node.get("ros__parameters"), dict)
        for node in document.values()
    ):
        raise ParameterError(
            f"config_file {path} must map node names to 'ros__parameters', each a mapping; "
            f"got {str(document)[:80]!r}"
        )


def _word(value: bool) -> str:
    return "true" if value else "false"
