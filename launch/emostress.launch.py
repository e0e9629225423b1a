"""Starts the graph: a node for each sense, fusion and behaviour.

    ros2 launch emostress_ros emostress.launch.py modalities:=face,voice namespace:=robot

``emostress up`` takes the same arguments and starts the same graph from the same configuration
where the package ``launch`` is not installed.
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import (
    EnvironmentVariable,
    LaunchConfiguration,
    PathJoinSubstitution,
)
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from emostress_ros.nodes.names import LOG_LEVELS, MODALITY_NODES, node_names

PACKAGE = "emostress_ros"
PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"
BOOLEANS = ["true", "false"]


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and what they start."""
    shipped = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "emostress.yaml"])
    profile = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "fastdds.xml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="of every node"),
            DeclareLaunchArgument(
                "config_file", default_value=shipped, description="parameters of every node (YAML)"
            ),
            DeclareLaunchArgument(
                "modalities",
                default_value=",".join(MODALITY_NODES),
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
                "log_level", default_value="info", choices=LOG_LEVELS, description="of every node"
            ),
            DeclareLaunchArgument(
                "respawn",
                default_value="true",
                choices=BOOLEANS,
                description="start a node again that died",
            ),
            DeclareLaunchArgument(
                "lossless",
                default_value="false",
                choices=BOOLEANS,
                description="handle every message, however late, for `emostress replay --rate max`",
            ),
            # Images between processes need a large shared-memory segment; yours goes first.
            SetEnvironmentVariable(PROFILES, EnvironmentVariable(PROFILES, default_value=profile)),
            OpaqueFunction(function=start),
        ]
    )


def start(context: LaunchContext) -> list[Action]:
    """Return the node actions; only now are the arguments' values known."""
    words = LaunchConfiguration("modalities").perform(context).split(",")
    modalities = [word.strip() for word in words if word.strip()]
    names = node_names(modalities)
    overrides: dict[str, ParameterValue | bool] = {
        name: ParameterValue(LaunchConfiguration(name), value_type=bool)
        for name in ("use_sim_time", "autostart")
    }
    if LaunchConfiguration("lossless").perform(context) == "true":
        overrides["lossless"] = True
    common = {
        "package": PACKAGE,
        "namespace": LaunchConfiguration("namespace"),
        "output": "screen",
        "parameters": [
            LaunchConfiguration("config_file"),
            {**overrides, "modalities": ParameterValue(modalities)},
        ],
        "ros_arguments": ["--log-level", LaunchConfiguration("log_level")],
        "respawn": LaunchConfiguration("respawn"),
        "respawn_delay": 1.0,
    }
    if LaunchConfiguration("composed").perform(context) == "true":
        # No name here: it would rename every node of the process.
        return [Node(executable="composed", **common)]
    return [LifecycleNode(executable=name, name=name, **common) for name in names]
