"""What the tree declares about itself agrees with itself."""

from __future__ import annotations

import ast
import re
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import emostress_ros

ROOT = Path(__file__).resolve().parent.parent
EXECUTABLES = {
    "behaviour_node", "composed", "emostress", "face_node", "fusion_node", "physiology_node",
    "text_node", "voice_node",
}  # fmt: skip


def package_xml() -> ElementTree.Element:
    return ElementTree.parse(ROOT / "package.xml").getroot()


def cmake_lists() -> str:
    return (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere() -> None:
    assert package_xml().findtext("version") == emostress_ros.__version__


def test_the_package_is_built_by_cmake_as_an_interface_package() -> None:
    package = package_xml()
    assert package.findtext("export/build_type") == "ament_cmake"
    assert package.findtext("member_of_group") == "rosidl_interface_packages"
    assert package.findtext("name") == emostress_ros.__name__


def test_every_message_package_in_use_is_declared() -> None:
    declared = {
        element.text
        for kind in ("depend", "exec_depend")
        for element in package_xml().findall(kind)
    }
    optional = {"audio_common_msgs", "cv_bridge", "hri_msgs", "message_filters"}
    used = set()
    for path in (ROOT / "emostress_ros").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        used |= set(re.findall(r"^(?:from|import) (\w+_(?:msgs|interfaces)|rclpy)\b", text, re.M))
    assert used - optional <= declared


def test_every_file_that_a_comment_points_to_is_there() -> None:
    folders = "emostress_ros|src|cmake|config|scripts"
    pattern = re.compile(rf"\b(?:{folders})/[\w/]+\.(?:py|c|h|sh|cmake|yaml|xml)\b")
    sources = [*ROOT.glob("src/*"), *ROOT.glob("docs/*.md"), ROOT / "README.md"]
    for path in (path for path in sources if path.is_file()):
        for name in set(pattern.findall(path.read_text(encoding="utf-8"))):
            assert (ROOT / name).is_file() or name.startswith("emostress_ros/msg/"), (
                f"{path.relative_to(ROOT)} points to {name}"
            )


def test_every_executable_is_installed_and_has_its_module() -> None:
    block = re.search(r"foreach\(name IN ITEMS\s(.*?)\)", cmake_lists(), re.S)
    assert block
    assert set(block[1].split()) == EXECUTABLES
    for name in EXECUTABLES - {"emostress"}:
        module = ROOT / "emostress_ros" / "nodes" / f"{name}.py"
        assert "__main__" in module.read_text(encoding="utf-8"), f"{name} cannot be run"


def listed(name: str) -> set[str]:
    """Return the distributions in a list of requirements of setup.py."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (value,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if node.targets[0].id == name
    )
    words = {word.value for word in ast.walk(value) if isinstance(word, ast.Constant)}
    return {re.split(r"[><=;\[]", word)[0].strip().lower() for word in words}


def imported(path: Path) -> set[str]:
    """Return the top-level modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_every_imported_distribution_is_required() -> None:
    distributions = {
        "PIL": "pillow", "cv2": "opencv-python-headless", "sklearn": "scikit-learn",
        "yaml": "pyyaml",
    }  # fmt: skip
    ros = re.compile(r"rclpy|launch|cv_bridge|message_filters|ament_\w+|\w+_(msgs|interfaces)")
    required, extras = listed("RUN_NEEDS"), listed("EXTRAS")
    for path in (ROOT / "emostress_ros").rglob("*.py"):
        training = "training" in path.parts
        for name in imported(path) - sys.stdlib_module_names - {"emostress_ros"}:
            distribution = distributions.get(name, name)
            # What uses these says which extra is missing.
            optional = name in ("bleak", "cryptography", "cv2", "onnx", "ray", "sounddevice")
            allowed = required | extras if training or optional else required
            assert ros.fullmatch(name) or distribution in allowed, f"{path} imports {name}"


def starter_in(folder: Path, python: Path | None) -> Path:
    """Lay an installed executable into ``folder`` as CMake does, and a Python that echoes."""
    starter = folder / "lib" / "emostress_ros" / "face_node"
    starter.parent.mkdir(parents=True)
    starter.write_bytes((ROOT / "scripts" / "start.sh").read_bytes())
    starter.chmod(0o755)
    if python:
        python.parent.mkdir(parents=True)
        python.write_text('#!/bin/sh\necho "$0" "$@"\n', encoding="utf-8")
        python.chmod(0o755)
    return starter


def test_the_starter_takes_the_python_of_its_prefix(tmp_path: Path) -> None:
    python = tmp_path / "a b" / "bin" / "python3"
    starter = starter_in(tmp_path / "a b", python)
    done = subprocess.run([starter, "--ros-args", "x y"], capture_output=True, text=True)
    assert Path(done.stdout.split(" -m ")[0]).resolve() == python
    assert done.stdout.endswith("-m emostress_ros.nodes.face_node --ros-args x y\n")


def test_the_starter_takes_python_from_the_path_in_a_workspace(tmp_path: Path) -> None:
    starter = starter_in(tmp_path / "install", tmp_path / "tools" / "python3")
    search = f"{tmp_path / 'tools'}:/usr/bin:/bin"
    done = subprocess.run([starter], capture_output=True, text=True, env={"PATH": search})
    assert done.stdout == f"{tmp_path / 'tools' / 'python3'} -m emostress_ros.nodes.face_node\n"


def test_scripts_can_be_executed() -> None:
    for path in (ROOT / ".ci" / "run", *(ROOT / "scripts").glob("*.sh")):
        assert path.stat().st_mode & stat.S_IXUSR, path
