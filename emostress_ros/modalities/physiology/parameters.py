"""Parameters of the physiology front end."""

from __future__ import annotations

from dataclasses import dataclass

from emostress_ros.errors import ParameterError
from emostress_ros.inference.session import PROVIDERS
from emostress_ros.parameters import Config, parameter


@dataclass(frozen=True)
class PhysiologyConfig(Config):
    """How physiology is cut into windows, judged and read."""

    window_s: float = parameter(60.0, "Length of a window.", minimum=20.0, maximum=300.0, unit="s")
    step_s: float = parameter(
        5.0, "Time from one embedding to the next.", minimum=0.5, maximum=60.0, unit="s"
    )
    min_window_s: float = parameter(
        20.0, "Signal needed before the first embedding.", minimum=10.0, maximum=300.0, unit="s"
    )
    min_quality: float = parameter(
        0.05, "Windows of lower quality give no embedding.", minimum=0.0, maximum=1.0
    )
    lag_s: float = parameter(
        2.0, "How long a step waits for the slower signals.", minimum=0.0, maximum=30.0, unit="s"
    )
    silent_s: float = parameter(
        15.0,
        "A signal silent for this long is no longer waited for.",
        minimum=1.0,
        maximum=300.0,
        unit="s",
    )
    history_s: float = parameter(
        7200.0,
        "How much of a person's past the present is read against.",
        minimum=0.0,
        maximum=86400.0,
        unit="s",
    )
    baseline_s: float = parameter(
        120.0, "Length of a resting baseline.", minimum=30.0, maximum=3600.0, unit="s"
    )
    model: str = parameter("physiology_wrist", "Model for a person whose rest is not known.")
    model_rest: str = parameter(
        "physiology_wrist_rest",
        "Model for a person with a resting baseline; empty: always the other one.",
    )
    providers: tuple[str, ...] = parameter(
        ("cpu",),
        "Execution providers in order of preference; docs/performance.md has what each needs.",
        choices=tuple(PROVIDERS),
    )
    threads: int = parameter(1, "Threads of one inference.", minimum=1, maximum=64)
    max_persons: int = parameter(
        8, "People followed at once; the one longest silent makes room.", minimum=1, maximum=256
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_window_s > self.window_s:
            raise ParameterError(
                f"parameter 'min_window_s' must be at most window_s ({self.window_s:g}); "
                f"got {self.min_window_s:g}"
            )
        if self.baseline_s < self.window_s:
            raise ParameterError(
                f"parameter 'baseline_s' must be at least window_s ({self.window_s:g}), "
                f"or no window fits into the rest; got {self.baseline_s:g}"
            )
