"""Parameters that every node has, and the bridge from a frozen configuration to ROS 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from emostress_ros.errors import ParameterError
from emostress_ros.parameters import Config, ParameterSpec, parameter

# Names that rclpy declares for itself, or takes without a declaration; `modalities` is given to
# all nodes of a composed process at once.
_RESERVED = ("use_sim_time", "start_type_description_service", "modalities")
_RESERVED_PREFIXES = ("qos_overrides.",)


@dataclass(frozen=True)
class NodeConfig(Config):
    """What every node of the suite can be told."""

    autostart: bool = parameter(
        True, "Configure and activate at start; false waits for lifecycle transitions."
    )
    diagnostics_period_s: float = parameter(
        1.0, "Time between two reports on /diagnostics.", minimum=0.1, maximum=60.0, unit="s"
    )
    input_timeout_s: float = parameter(
        5.0,
        "An input silent for longer than this is reported as dead.",
        minimum=0.1,
        maximum=3600.0,
        unit="s",
    )
    reliability: str = parameter(
        "auto",
        "Reliability asked of the publishers of the inputs; 'auto' is best_effort for images and "
        "reliable for all else.",
        choices=("auto", "best_effort", "reliable"),
    )
    queue_depth: int = parameter(
        0,
        "Messages kept of an input before the oldest is dropped; 0 takes the node's own.",
        minimum=0,
        maximum=10000,
    )
    lossless: bool = parameter(
        False,
        "Handle every message, however late, and report progress, so that a replay can follow; "
        "false keeps up with a live sensor by dropping the oldest.",
    )


def declare(node: Node, configs: tuple[type[Config], ...]) -> None:
    """Declare the parameters of several configurations on a node.

    Types and bounds are checked by :func:`read`, whose message says more than ROS 2's own; here
    they only go into the descriptors.
    """
    for config in configs:
        for spec in config.specs():
            if not node.has_parameter(spec.name):
                node.declare_parameter(spec.name, _to_ros(spec.default), _descriptor(spec))


def read(node: Node, config: type[Config]) -> Config:
    """Return the configuration that the node's parameters make.

    Raises:
        ParameterError: names the parameter, what is allowed and what came.
    """
    values: dict[str, Any] = {}
    for spec in config.specs():
        value = node.get_parameter(spec.name).value
        values[spec.name] = _from_ros(value, spec)
    return config.from_mapping(values)


def check_names(node: Node, configs: tuple[type[Config], ...]) -> None:
    """Check that every parameter that was given to the node is one that it has.

    Raises:
        ParameterError: names the wrong one and those that there are.
    """
    known = [spec.name for config in configs for spec in config.specs()]
    for name in overrides(node):
        if name in known or name in _RESERVED or name.startswith(_RESERVED_PREFIXES):
            continue
        raise ParameterError(
            f"node {node.get_name()} has no parameter '{name}'; it has: {', '.join(sorted(known))}"
        )


def check_change(configs: tuple[type[Config], ...], changed: list[Parameter]) -> None:
    """Check parameters that somebody sets on a running node.

    Raises:
        ParameterError: a value is not allowed.
    """
    specs = {spec.name: spec for config in configs for spec in config.specs()}
    for item in changed:
        if item.name in specs:
            specs[item.name].check(_from_ros(item.value, specs[item.name]))


def overrides(node: Node) -> Mapping[str, Any]:
    """Return what was given on the command line and in parameter files."""
    return dict(getattr(node, "_parameter_overrides", {}))


def _descriptor(spec: ParameterSpec) -> ParameterDescriptor:
    unit = f" [{spec.info.unit}]" if spec.info.unit else ""
    return ParameterDescriptor(
        description=f"{spec.info.description}{unit}",
        additional_constraints=f"{spec.kind}, {spec.allowed()}",
        dynamic_typing=True,
    )


def _to_ros(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _from_ros(value: Any, spec: ParameterSpec) -> Any:
    # YAML has no way to write an empty list of a given type: [] and [''] both mean "none".
    if spec.kind.endswith("[]") and (value is None or list(value) in ([], [""])):
        return ()
    return value
