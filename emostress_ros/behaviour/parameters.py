"""Parameters of the behaviour rules, declared once."""

from __future__ import annotations

from dataclasses import dataclass

from emostress_ros.parameters import Config, parameter


@dataclass(frozen=True)
class BehaviourConfig(Config):
    """Which rules apply, and when silence means that nothing is known any more."""

    rules: tuple[str, ...] = parameter(
        ("patience",),
        "Rule files: names of presets (patience, driver, operator) or paths of YAML files.",
    )
    timeout_s: float = parameter(
        3.0,
        "Without a state of a person for this long, the safe default applies to them.",
        minimum=0.1,
        maximum=600.0,
        unit="s",
    )
    max_people: int = parameter(16, "Most people followed at once.", minimum=1, maximum=256)
