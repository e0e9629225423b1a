"""The rooms of the house: imports go down the list, never up, and ROS stays upstairs."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "emostress_ros"

# From the top of the house to the bottom. What shares a line may import each other.
ROOMS: tuple[tuple[str, ...], ...] = (
    ("cli", "__main__"),
    ("nodes",),
    ("dashboard",),
    ("evaluation",),
    ("training",),
    ("behaviour",),
    ("fusion",),
    ("modalities",),
    ("sync",),
    ("person",),
    ("inference",),
    ("metrics",),
    ("affect", "codes", "errors", "files", "kernels", "parameters", "resources", "__init__"),
)
FLOOR = {room: len(ROOMS) - index for index, rooms in enumerate(ROOMS) for room in rooms}
BOTTOM = ROOMS[-1]

MESSAGES = {"msg", "srv"}  # generated below the package's own name
ROS = {
    "ament_index_python", "audio_common_msgs", "builtin_interfaces", "cv_bridge",
    "diagnostic_msgs", "hri_msgs", "launch", "launch_ros", "lifecycle_msgs", "message_filters",
    "rcl_interfaces", "rclpy", "rosgraph_msgs", "sensor_msgs", "std_msgs", "std_srvs",
}  # fmt: skip
TRAINING_ONLY = {"librosa", "sklearn", "soundfile", "torch", "transformers"}
BOTTOM_MAY_USE = {"numpy", "yaml"}


def imports(path: Path, package: str) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute dotted name) of each import, also those inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            # "from emostress_ros import fusion" imports the room `fusion`.
            names = [alias.name for alias in node.names] if base == PACKAGE else [""]
            yield from ((node.lineno, f"{base}.{name}".rstrip(".")) for name in names)


def room_of(parts: tuple[str, ...]) -> str:
    """Return the first name below the package: a folder or a module."""
    return parts[0].removesuffix(".py") if parts else "__init__"


def violations(root: Path) -> list[str]:
    """Return what breaks the rules in the package's tree at ``root``, one line each."""
    found = []
    for path in sorted((root / PACKAGE).rglob("*.py")):
        inside = path.relative_to(root / PACKAGE).parts
        room = room_of(inside)
        where = str(path.relative_to(root))
        if room not in FLOOR:
            found.append(f"{where}: belongs to no room of the house (DESIGN, Rooms)")
            continue
        package = ".".join((PACKAGE, *inside[:-1]))
        for line, name in imports(path, package):
            reason = breaks(room, inside, name)
            if reason:
                found.append(f"{where}:{line}: imports {name}: {reason}")
    return found


def breaks(room: str, inside: tuple[str, ...], name: str) -> str | None:
    """Return which rule an import of ``name`` breaks, if any."""
    top, *below = name.split(".")
    if top == PACKAGE and below and below[0] not in MESSAGES:
        return breaks_inside(room, inside, below)
    upstairs = room in ("cli", "__main__", "nodes")
    if (top in ROS or (top == PACKAGE and below)) and not upstairs:
        return "ROS and its messages are known to nodes and cli alone"
    if top in TRAINING_ONLY and room != "training":
        return "only training needs it"
    if room in BOTTOM and top not in BOTTOM_MAY_USE | sys.stdlib_module_names | {PACKAGE}:
        return f"the bottom room uses {' and '.join(sorted(BOTTOM_MAY_USE))} alone"
    return None


def breaks_inside(room: str, inside: tuple[str, ...], below: list[str]) -> str | None:
    """Return which rule an import of the package's own ``below`` breaks, if any."""
    target = below[0]
    if target not in FLOOR:
        return None if target == "__version__" else "there is no such room"
    if FLOOR[target] > FLOOR[room]:
        return f"goes up, from {room} to {target}"
    if room == target == "modalities" and len(inside) > 2 and len(below) > 1:
        own, other = inside[1], below[1]
        if own != other and (ROOT / PACKAGE / "modalities" / other).is_dir():
            return f"a modality imports another, {own} imports {other}"
    return None


def test_imports_go_down() -> None:
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("path", "line", "told"),
    [
        ("affect.py", "import emostress_ros.fusion", "goes up, from affect to fusion"),
        ("sync/clock.py", "from emostress_ros import behaviour", "goes up, from sync to behaviour"),
        ("sync/deep/clock.py", "from ...nodes import base", "goes up, from sync to nodes"),
        ("fusion/late.py", "import rclpy.node", "nodes and cli alone"),
        ("fusion/late.py", "from emostress_ros.msg import AffectState", "nodes and cli alone"),
        ("nodes/face_node.py", "import torch", "only training needs it"),
        ("modalities/face/net.py", "from emostress_ros.modalities.voice import x", "another"),
        ("modalities/face/net.py", "def f():\n    from ..voice import x", "another"),
        ("errors.py", "import scipy", "the bottom room uses"),
        ("kitchen/sink.py", "import os", "belongs to no room"),
    ],
)
def test_a_violation_is_found(tmp_path: Path, path: str, line: str, told: str) -> None:
    file = tmp_path / PACKAGE / path
    file.parent.mkdir(parents=True)
    file.write_text(line + "\n", encoding="utf-8")
    (message,) = violations(tmp_path)
    assert path in message
    assert told in message


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("cli/main.py", "from emostress_ros.nodes import base\nimport rclpy"),
        ("nodes/conversions.py", "from emostress_ros.msg import AffectState"),
        ("training/face/train.py", "import torch"),
        ("fusion/late.py", "from emostress_ros.affect import Affect\nfrom .pool import pool"),
        ("modalities/face/encoder.py", "from emostress_ros.modalities import registry"),
        ("modalities/face/encoder.py", "from emostress_ros.modalities.face import align"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, path: str, line: str) -> None:
    file = tmp_path / PACKAGE / path
    file.parent.mkdir(parents=True)
    file.write_text(line + "\n", encoding="utf-8")
    assert violations(tmp_path) == []


IMPORT_ALL = """
    import importlib, importlib.abc, sys
    from pathlib import Path

    blocked, root = {blocked!r}, Path({root!r})

    class Blocker(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in blocked or name.startswith({messages!r}):
                raise ModuleNotFoundError(f"{{name}} is blocked", name=name)

    sys.meta_path.insert(0, Blocker())
    sys.path.insert(0, str(root))
    for name in {modules!r}:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            # What training needs, an extra brings; all else has to be there.
            allowed = {extra!r} if ".training" in name else set()
            if (error.name or "").split(".")[0] not in allowed:
                raise
"""


def modules_below_nodes() -> list[str]:
    """Return the dotted names of all modules of the source tree that must not need ROS."""
    names = []
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        inside = path.relative_to(ROOT).with_suffix("").parts
        if room_of(inside[1:]) not in ("cli", "nodes", "__main__"):
            names.append(".".join(inside).removesuffix(".__init__"))
    return names


def test_everything_below_nodes_works_without_ros() -> None:
    modules = modules_below_nodes()
    assert f"{PACKAGE}.affect" in modules
    script = textwrap.dedent(IMPORT_ALL).format(
        blocked=ROS,
        root=str(ROOT),
        messages=tuple(f"{PACKAGE}.{kind}" for kind in sorted(MESSAGES)),
        modules=modules,
        extra=TRAINING_ONLY | {"onnx"},
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
