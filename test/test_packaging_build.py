"""The same tree, built by colcon (copied and linked) and by pip; what comes out runs.

Each builds the messages anew: a minute or so apiece.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = (
    "CMakeLists.txt", "LICENSE", "README.md", "cmake", "config", "emostress_ros", "launch",
    "models", "msg", "package.xml", "pyproject.toml", "scripts", "setup.py", "src", "srv",
)  # fmt: skip
BIN = Path(sys.prefix) / "bin"
UNDERLAY = os.environ.get("AMENT_PREFIX_PATH", sys.prefix)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        importlib.util.find_spec("rosidl_generator_py") is None, reason="needs ROS 2 generators"
    ),
]


def environment() -> dict[str, str]:
    """Return a developer's shell: ROS as underlay, and nothing of this test run."""
    ours = {"PYTHONPATH", "LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    if "ROS_DISTRO" in os.environ:
        return {**os.environ}
    return {
        **kept,
        "PATH": f"{BIN}{os.pathsep}{kept['PATH']}",
        "AMENT_PREFIX_PATH": UNDERLAY,
        "CMAKE_PREFIX_PATH": UNDERLAY,
    }


def check_run(command: list[str], folder: Path, **more: str) -> str:
    """Run in ``folder``, return the output, fail with the end of it."""
    done = subprocess.run(
        command, cwd=folder, env={**environment(), **more}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def copy_tree(target: Path) -> Path:
    """Copy what the build needs, so that nothing is written into the source tree."""
    target.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=ignore)
        elif (ROOT / name).exists():
            shutil.copy2(ROOT / name, target / name)
    return target


def modules(tree: Path) -> set[str]:
    """Return the files of the package in a source tree."""
    files = (path for path in (tree / "emostress_ros").rglob("*") if path.is_file())
    return {str(path.relative_to(tree)) for path in files if path.suffix != ".pyc"}


def shared(tree: Path) -> set[str]:
    """Return the files that belong into ``share/emostress_ros``."""
    folders = [tree / name for name in ("config", "launch", "models", "msg", "srv")]
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(tree)) for path in files if path.suffix != ".pyc"}


@pytest.fixture(scope="module", params=["copied", "linked"])
def workspace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace built by colcon."""
    folder = tmp_path_factory.mktemp(request.param)
    copy_tree(folder / "src" / "emostress_ros")
    link = ["--symlink-install"] if request.param == "linked" else []
    # Unoptimised: only the outcome is looked at.
    check_run(["colcon", "build", *link, "--cmake-args", "-DCMAKE_BUILD_TYPE=Debug"], folder)
    return folder


def in_workspace(workspace: Path, command: str) -> list[str]:
    """Return a command for a shell that has sourced the workspace."""
    return ["bash", "-c", f". {workspace}/install/local_setup.bash && {command}"]


def test_colcon_installs_the_whole_tree(workspace: Path) -> None:
    prefix = workspace / "install" / "emostress_ros"
    source = workspace / "src" / "emostress_ros"
    (site,) = {path.parents[1] for path in prefix.glob("**/emostress_ros/msg/__init__.py")}
    assert not [name for name in modules(source) if not (site.parent / name).is_file()]
    share = prefix / "share" / "emostress_ros"
    assert not [name for name in shared(source) if not (share / name).is_file()]
    assert (site / "libemostress_kernels.so").is_file()
    assert (site / "affect.py").is_symlink() == ("linked" in workspace.name)


def test_a_colcon_workspace_has_the_messages_and_the_modules(workspace: Path) -> None:
    script = (
        "import emostress_ros; print(emostress_ros.__file__);"
        "from emostress_ros.msg import AffectState; from emostress_ros.srv import SetConsent;"
        "from rclpy.serialization import serialize_message; serialize_message(AffectState());"
        "from emostress_ros.resources import share_directory;"
        "print(share_directory() / 'config' / 'emostress.yaml')"
    )
    output = check_run(in_workspace(workspace, f'python3 -c "{script}"'), workspace)
    module, config = output.splitlines()[-2:]
    assert Path(module).is_relative_to(workspace)
    assert Path(config).is_relative_to(workspace)
    assert Path(config).is_file()


@pytest.fixture
def node(workspace: Path) -> Iterator[subprocess.Popen[str]]:
    """A node started from the workspace the way ``ros2 run`` does."""
    program = workspace / "install/emostress_ros/lib/emostress_ros/behaviour_node"
    process = subprocess.Popen(
        in_workspace(workspace, f"exec {program} --ros-args -p autostart:=false"),
        cwd=workspace, env=environment(), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def test_a_node_runs_from_a_colcon_workspace(node: subprocess.Popen[str]) -> None:
    rclpy = pytest.importorskip("rclpy")
    context = rclpy.Context()
    rclpy.init(context=context)
    observer = rclpy.create_node("observer", context=context)
    deadline = time.monotonic() + 60
    while "behaviour_node" not in observer.get_node_names() and time.monotonic() < deadline:
        assert node.poll() is None, node.communicate()[0]
        time.sleep(0.1)
    seen = observer.get_node_names()
    observer.destroy_node()
    rclpy.shutdown(context=context)
    assert "behaviour_node" in seen
    node.send_signal(signal.SIGINT)
    assert node.wait(30) == 0, node.communicate()[0]


def test_the_wheel_holds_the_whole_tree(tmp_path: Path) -> None:
    source = copy_tree(tmp_path / "source")
    (source / "README.md").touch()
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    check_run([*pip, "--wheel-dir", str(tmp_path), str(source)], tmp_path)
    (wheel,) = tmp_path.glob("emostress_ros-*.whl")
    assert f"cp3{sys.version_info.minor}-linux" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        names = {entry.filename: entry for entry in archive.infolist()}
    prefix = next(name for name in names if ".data/data/" in name).split("/data/")[0] + "/data"
    assert not modules(source) - names.keys()
    assert not {f"{prefix}/share/emostress_ros/{name}" for name in shared(source)} - names.keys()
    assert f"{prefix}/share/ament_index/resource_index/packages/emostress_ros" in names
    assert f"{prefix}/lib/libemostress_ros__rosidl_typesupport_c.so" in names
    assert "emostress_ros/libemostress_kernels.so" in names
    programs = [name for name in names if name.startswith(f"{prefix}/lib/emostress_ros/")]
    assert len(programs) == 8
    assert all(names[name].external_attr >> 16 & 0o111 for name in programs)
