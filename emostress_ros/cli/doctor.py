"""Check what the graph needs of this machine, say how to mend it, and clean up after dead nodes."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

import emostress_ros
from emostress_ros.cli.models import installed
from emostress_ros.errors import EmostressError
from emostress_ros.inference.engines import gpu_name
from emostress_ros.inference.opening import lacking_provider
from emostress_ros.inference.providers import NATIVE, PROVIDERS
from emostress_ros.kernels import VARIABLE, kernels
from emostress_ros.nodes import shared_memory
from emostress_ros.resources import share_directory

PROFILE = "FASTRTPS_DEFAULT_PROFILES_FILE"
_LEAST_SHARED_BYTES = 256 << 20  # a segment of 32 MiB for each of six nodes and a camera
_MARKS = {"ok": "[green]ok  [/]", "note": "[yellow]note[/]", "bad": "[bold red]bad [/]"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        verdict: ``ok``, ``note`` (works, could be better) or ``bad`` (does not work).
        what: that was looked at.
        said: what was found.
        remedy: what to do; empty where nothing is to be done.
    """

    verdict: str
    what: str
    said: str
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--fix", action="store_true", help="remove the shared memory of dead processes"
    )


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 when something does not work."""
    # Lines are left whole: a path or a command is there to be copied.
    console = Console(highlight=False, soft_wrap=True)
    if args.fix:
        removed = shared_memory.remove_dead()
        freed = sum(segment.bytes for segment in removed) / 1e6
        console.print(f"removed {len(removed)} segments of dead processes, {freed:.0f} MB")
    findings = list(examine())
    for finding in findings:
        console.print(f"{_MARKS[finding.verdict]} {escape(f'{finding.what}: {finding.said}')}")
        if finding.remedy:
            console.print(f"     → {escape(finding.remedy)}")
    return int(any(finding.verdict == "bad" for finding in findings))


def examine() -> Iterator[Finding]:
    """Yield the findings, in the order in which one depends on the other."""
    yield _system()
    yield from (check() for check in (_ros, _messages))
    yield from _models()
    yield _packaged_models()
    yield _providers()
    yield _kernels()
    yield from (check() for check in (_profile, _shared_room, _dead_segments))


def _system() -> Finding:
    version = platform.python_version()
    return Finding(
        "ok", "system",
        f"emostress_ros {emostress_ros.__version__}, Python {version}, {platform.machine()}, "
        f"{os.cpu_count()} cores",
    )  # fmt: skip


def _ros() -> Finding:
    distribution = os.environ.get("ROS_DISTRO", "")
    try:
        from rclpy.utilities import get_rmw_implementation_identifier

        middleware = get_rmw_implementation_identifier()
    except (ImportError, RuntimeError) as error:
        remedy = "source ROS 2's setup.bash, or install the wheels with `pip install .`"
        return Finding("bad", "ROS 2", f"rclpy cannot be used: {error}", remedy)
    return Finding("ok", "ROS 2", f"{distribution or 'wheels'}, {middleware}")


def _messages() -> Finding:
    try:
        from emostress_ros.msg import AffectState

        AffectState()
    except (ImportError, AttributeError) as error:
        remedy = "run `pip install .`, or `colcon build` and source install/setup.bash"
        return Finding("bad", "messages", f"not generated: {error}", remedy)
    return Finding("ok", "messages", "generated")


def _models() -> Iterator[Finding]:
    for card in installed():
        try:
            card.check_weights()
        except EmostressError as error:
            remedy = "restore the file from the repository: it must be the one of its card"
            yield Finding("bad", f"model {card.identifier}", str(error), remedy)
        else:
            yield Finding("ok", f"model {card.identifier}", f"sha256 {card.sha256[:12]}…")


def _packaged_models() -> Finding:
    """Load those that other packages bring, which checks their hashes too."""
    from emostress_ros.modalities.face.detector import FaceDetector
    from emostress_ros.modalities.text.encoder import TextEncoder
    from emostress_ros.modalities.text.parameters import TextConfig
    from emostress_ros.modalities.voice.vad import SileroVad

    loaders: tuple[Callable[[], object], ...] = (
        FaceDetector, SileroVad, lambda: TextEncoder(TextConfig().model),
    )  # fmt: skip
    for load in loaders:
        try:
            load()
        except EmostressError as error:
            return Finding("bad", "models of other packages", str(error))
    return Finding("ok", "models of other packages", "face detector, voice activity, text encoder")


def _providers() -> Finding:
    reasons = {name: lacking_provider(name) for name in PROVIDERS}
    names = [name for name, reason in reasons.items() if not reason]
    gpu = gpu_name()
    said = f"{', '.join(names)}; GPU: {gpu}"
    if gpu != "none" and names == ["cpu"]:
        remedy = (
            "`pip install 'emostress_ros[gpu]'`, or on a Jetson JetPack's TensorRT: "
            f"{NATIVE} is {reasons[NATIVE]}"
        )
        return Finding("note", "inference", said, remedy)
    return Finding("ok", "inference", said)


def _kernels() -> Finding:
    found = kernels()
    if found.library is None:
        remedy = f"unset {VARIABLE}, or install the package again where there is a C compiler"
        return Finding("note", "signal kernels", found.said, remedy)
    return Finding("ok", "signal kernels", found.said)


def _profile() -> Finding:
    shipped = str(share_directory() / "config" / "fastdds.xml")
    chosen = os.environ.get(PROFILE)
    if chosen == shipped:
        return Finding("ok", "shared-memory profile", shipped)
    remedy = f"export {PROFILE}={shipped} for your camera driver, so that no image is lost"
    said = f"`emostress up` and the launch file set it; this shell has {chosen or 'none'}"
    return Finding("note", "shared-memory profile", said, remedy)


def _shared_room() -> Finding:
    if not shared_memory.FOLDER.is_dir():
        remedy = "mount a tmpfs there; without it images go over the loopback and get lost"
        return Finding("bad", "shared memory", f"no {shared_memory.FOLDER}", remedy)
    free = shutil.disk_usage(shared_memory.FOLDER).free
    said = f"{free / 1e6:.0f} MB free in {shared_memory.FOLDER}"
    if free < _LEAST_SHARED_BYTES:
        remedy = "in a container: `docker run --shm-size=1g` or `--ipc=host`; else `doctor --fix`"
        return Finding("bad", "shared memory", said, remedy)
    return Finding("ok", "shared memory", said)


def _dead_segments() -> Finding:
    found = shared_memory.segments()
    dead = [segment for segment in found if not segment.alive]
    taken = sum(segment.bytes for segment in dead) / 1e6
    said = f"{len(found) - len(dead)} in use, {len(dead)} of dead processes, {taken:.0f} MB"
    remedy = "`emostress doctor --fix` removes them" if dead else ""
    return Finding("note" if dead else "ok", "segments", said, remedy)
