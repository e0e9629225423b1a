"""Starts the graph: a node for each sense, fusion and behaviour.

    ros2 launch emostress_ros emostress.launch.py modalities:=face,voice namespace:=robot

``emostress up`` takes the same arguments and starts the same graph from the same configuration
where the package ``launch`` is not installed.
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

PACKAGE = "emostress_ros"
MODALITIES = "face,voice,physiology,text"
LEVELS = ["debug", "info", "warn", "error", "fatal"]
BOOLEANS = ["true", "false"]


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and what they start."""
    shipped = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "emostress.yaml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="of every node"),
            DeclareLaunchArgument(
                "config_file", default_value=shipped, description="parameters of every node (YAML)"
            ),
            DeclareLaunchArgument(
                "modalities",
                default_value=MODALITIES,
                description="the senses to start, separated by commas",
            ),
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="false",
                choices=BOOLEANS,
                description="follow /clock (a replayed bag) in place of the machine's clock",
            ),
            DeclareLaunchArgument(
                "composed",
                default_value="false",
                choices=BOOLEANS,
                description="all nodes in one process in place of one process each",
            ),
            DeclareLaunchArgument(
                "autostart",
                default_value="true",
                choices=BOOLEANS,
                description="configure and activate the nodes as they come up",
            ),
            DeclareLaunchArgument(
                "log_level", default_value="info", choices=LEVELS, description="of every node"
            ),
            OpaqueFunction(function=start),
        ]
    )


def start(context: LaunchContext) -> list[Action]:
    """Return the node actions; only now are the arguments' values known."""
    modalities = parse_modalities(LaunchConfiguration("modalities").perform(context))
    namespace = LaunchConfiguration("namespace")
    parameters = [
        LaunchConfiguration("config_file"),
        {
            name: ParameterValue(LaunchConfiguration(name), value_type=bool)
            for name in ("use_sim_time", "autostart")
        },
    ]
    common = {
        "package": PACKAGE,
        "namespace": namespace,
        "output": "screen",
        "ros_arguments": ["--log-level", LaunchConfiguration("log_level")],
    }
    if LaunchConfiguration("composed").perform(context) == "true":
        # No name here: it would rename every node of the process.
        together = [*parameters, {"modalities": modalities}]
        return [Node(executable="composed", parameters=together, **common)]
    names = [*(f"{modality}_node" for modality in modalities), "fusion_node", "behaviour_node"]
    return [
        LifecycleNode(executable=name, name=name, parameters=parameters, **common) for name in names
    ]


def parse_modalities(value: str) -> list[str]:
    """Split ``face,voice`` into names.

    Raises:
        RuntimeError: none is named.
    """
    names = [name.strip() for name in value.split(",") if name.strip()]
    if not names:
        raise RuntimeError(f"modalities:='{value}' names none; give some of {MODALITIES}")
    return list(dict.fromkeys(names))
