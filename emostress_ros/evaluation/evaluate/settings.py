"""What an evaluation is told: parameters of the senses and the fusion, and what is to be tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from emostress_ros.errors import ParameterError
from emostress_ros.evaluation.evaluate.routes import NO_REMAP, Remap
from emostress_ros.fusion import FusionConfig
from emostress_ros.modalities.face import FaceConfig
from emostress_ros.modalities.physiology import PhysiologyConfig
from emostress_ros.modalities.text import TextConfig
from emostress_ros.modalities.voice.parameters import VoiceConfig
from emostress_ros.parameters import Config

ConfigT = TypeVar("ConfigT", bound=Config)

CONFIGS: Mapping[str, type[Config]] = {
    "face": FaceConfig, "voice": VoiceConfig, "physiology": PhysiologyConfig, "text": TextConfig,
    "fusion": FusionConfig,
}  # fmt: skip
MODELS: Mapping[str, tuple[str, str]] = {
    **{name: (name, "model") for name in CONFIGS},
    "physiology_rest": ("physiology", "model_rest"),
}
"""Name in `--model` to (sense, parameter)."""
NODE_ONLY = frozenset(
    {
        *("autostart", "diagnostics_period_s", "input_timeout_s", "reliability", "queue_depth"),
        *("lossless", "use_sim_time", "raw_sample_rate_hz", "raw_channels", "modalities"),
    }
)
"""Parameters of the nodes around the cores, which mean nothing without a graph."""
BASELINES = ("none", "rest")
OFFSETS_MS = (-500, -400, -300, -200, -100, 0, 100, 200, 300, 400, 500)
NOISE_LEVELS = (1, 2, 3)


@dataclass(frozen=True)
class Settings:
    """How bags are heard and judged.

    Attributes:
        parameters: sense (or `fusion`) to parameters that differ from their defaults.
        remap: which topic is what.
        baseline: `rest`: the first `baseline_s` of each person's first unstressed label are their
            resting baseline, and are not scored.
        rest_bag: bag that holds nothing but the rest of the same people, recorded before; ``{bag}``
            in it stands for a bag's name. Empty: none.
        every_s: time between two moments that are scored.
        settle_s: nothing is scored so soon after the beginning of a label.
        ablation: try every subset of the senses.
        offsets_ms: shifts of the voice against the face that are tried; empty: none.
        noise_levels: strengths of corruption that are tried on each sense; empty: none.
        seed: of the corruptions and the bootstrap.
    """

    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    remap: Remap = NO_REMAP
    baseline: str = "none"
    rest_bag: str = ""
    every_s: float = 1.0
    settle_s: float = 0.0
    ablation: bool = True
    offsets_ms: tuple[int, ...] = OFFSETS_MS
    noise_levels: tuple[int, ...] = NOISE_LEVELS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.baseline not in BASELINES:
            raise ParameterError(
                f"baseline must be one of {', '.join(BASELINES)}; got '{self.baseline}'"
            )
        if self.baseline != "none" and self.rest_bag:
            raise ParameterError(
                f"a rest is either in the bag (baseline '{self.baseline}') or in a bag of its own "
                f"(rest_bag '{self.rest_bag}'), not both"
            )
        if not 0.01 <= self.every_s <= 3600.0 or not 0.0 <= self.settle_s <= 3600.0:
            raise ParameterError(
                f"every_s must lie in [0.01, 3600] and settle_s in [0, 3600]; "
                f"got {self.every_s:g} and {self.settle_s:g}"
            )
        if any(level not in NOISE_LEVELS for level in self.noise_levels):
            raise ParameterError(f"noise levels are {NOISE_LEVELS}; got {self.noise_levels}")
        for sense in self.parameters:
            self.config(sense, "")

    def config(self, sense: str, bag: str) -> Any:
        """Configuration of a sense or of the fusion for one bag.

        Raises:
            ParameterError: a parameter that it does not have, or a value that is not allowed.
        """
        values = dict(self.parameters.get(sense, {}))
        for name in ("model", "model_rest"):
            if name in values:
                values[name] = str(values[name]).replace("{bag}", bag)
        return CONFIGS[sense].from_mapping(values)

    def describe(self) -> dict[str, Any]:
        """Plain values for the report; no path but those that were given as parameters."""
        values = asdict(self)
        values["remap"] = {name: dict(x) for name, x in self.remap.topics.items()}
        return values


def bag_name(bag: Path) -> str:
    """The name by which labels call a bag: that of its folder, or of its file without suffix."""
    return bag.name if bag.is_dir() else bag.stem


def read_parameters(path: Path | None) -> dict[str, dict[str, Any]]:
    """Parameters of the senses and the fusion in the parameter file of the nodes.

    Raises:
        ParameterError: the file is not one, or names a parameter that there is not.
    """
    if path is None:
        return {}
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(document, dict):
        raise ParameterError(f"{path} must map node names to 'ros__parameters'")
    found: dict[str, dict[str, Any]] = {}
    for sense, config in CONFIGS.items():
        values = _of_node(document, f"{sense}_node")
        kinds = {spec.name: spec.kind for spec in config.specs()}
        shared = {name for name in values if name in NODE_ONLY and name not in kinds}
        found[sense] = {
            name: _plain(value, kinds.get(name, ""))
            for name, value in values.items()
            if name not in shared
        }
        config.from_mapping(found[sense])
    return found


def with_models(
    parameters: Mapping[str, Mapping[str, Any]], models: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Parameters with other models than those of the file; ``{bag}`` stands for a bag's name.

    Raises:
        ParameterError: a name that no sense has.
    """
    merged = {sense: dict(values) for sense, values in parameters.items()}
    for name, model in models.items():
        if name not in MODELS:
            raise ParameterError(f"--model must name one of {', '.join(MODELS)}; got '{name}'")
        sense, parameter = MODELS[name]
        merged.setdefault(sense, {})[parameter] = model
    return merged


def _of_node(document: Mapping[str, Any], node: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pattern, entry in document.items():
        if str(pattern).rsplit("/", 1)[-1] in (node, "**"):
            values |= (entry or {}).get("ros__parameters") or {}
    return values


def _plain(value: Any, kind: str) -> Any:
    # As the nodes read it: YAML cannot say an empty list of a type, so [''] means none.
    if kind.endswith("[]"):
        return () if value in (None, [], [""]) else tuple(value)
    return value
