"""Parameters declared once: type, default, bounds, unit and description in one place.

A configuration is a frozen dataclass that derives from :class:`Config`; each field is made by
:func:`parameter`.  From it come the validation of values, the ROS 2 parameter declarations of the
node, and the tables of the README.

Example:
    >>> @dataclass(frozen=True)
    ... class DetectorConfig(Config):
    ...     score: float = parameter(0.6, "Least detection score.", minimum=0.0, maximum=1.0)
    >>> DetectorConfig.from_mapping({"score": 0.5}).score
    0.5
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from emostress_ros.errors import ParameterError

Value = Any  # bool | int | float | str | tuple of one of these
ConfigT = TypeVar("ConfigT", bound="Config")
_METADATA_KEY = "emostress_parameter"


@dataclass(frozen=True)
class ParameterInfo:
    """What is known of one parameter.

    Attributes:
        description: one sentence.
        minimum: least value allowed (each element of a list), or None.
        maximum: greatest value allowed, or None.
        choices: the only values allowed, or empty.
        unit: SI unit or empty.
    """

    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Value, ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class ParameterSpec:
    """A parameter as declared: its name, type and default beside its :class:`ParameterInfo`."""

    name: str
    kind: str  # bool, int, float, str, or list of one of these: "str[]"
    default: Value
    info: ParameterInfo

    def allowed(self) -> str:
        """Return in words what the parameter allows, for messages and tables."""
        if self.info.choices:
            return "one of " + ", ".join(repr(choice) for choice in self.info.choices)
        low, high = self.info.minimum, self.info.maximum
        if low is not None and high is not None:
            return f"{low:g} to {high:g}"
        if low is not None:
            return f">= {low:g}"
        if high is not None:
            return f"<= {high:g}"
        return "any"

    def check(self, value: Value) -> Value:
        """Return ``value`` in the declared type.

        Raises:
            ParameterError: names the parameter, what is allowed and what came.
        """
        converted = self._convert(value)
        for element in converted if isinstance(converted, tuple) else (converted,):
            if not self._element_allowed(element):
                raise self._error(value)
        return converted

    def _convert(self, value: Value) -> Value:
        if not self.kind.endswith("[]"):
            return self._convert_one(value, self.kind, value)
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            raise self._error(value)
        return tuple(self._convert_one(item, self.kind[:-2], value) for item in value)

    def _convert_one(self, item: Value, kind: str, whole: Value) -> Value:
        if kind == "float" and isinstance(item, (int, float)) and not isinstance(item, bool):
            return float(item)
        if kind == "int" and isinstance(item, int) and not isinstance(item, bool):
            return item
        if kind == "bool" and isinstance(item, bool):
            return item
        if kind == "str" and isinstance(item, str):
            return item
        raise self._error(whole)

    def _element_allowed(self, element: Value) -> bool:
        info = self.info
        if info.choices:
            return element in info.choices
        if isinstance(element, (int, float)) and not isinstance(element, bool):
            if element != element:
                return False
            above = info.minimum is None or element >= info.minimum
            return above and (info.maximum is None or element <= info.maximum)
        return True

    def _error(self, value: Value) -> ParameterError:
        return ParameterError(
            f"parameter '{self.name}' must be {self.kind} ({self.allowed()}); "
            f"got {value!r} ({type(value).__name__})"
        )


def parameter(
    default: Value,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[Value, ...] = (),
    unit: str = "",
) -> Any:
    """Declare one field of a :class:`Config`.

    Args:
        default: value when nothing is set; its type is the parameter's type (lists as tuples).
        description: one sentence for ``ros2 param describe`` and the README.
        minimum: least value allowed.
        maximum: greatest value allowed.
        choices: the only values allowed.
        unit: SI unit, for the tables.
    """
    info = ParameterInfo(description, minimum, maximum, tuple(choices), unit)
    return dataclasses.field(default=default, metadata={_METADATA_KEY: info})


@dataclass(frozen=True)
class Config:
    """Base of every configuration: checks its values when it is made.

    Raises:
        ParameterError: a value has the wrong type or lies outside its bounds.
    """

    def __post_init__(self) -> None:
        for spec in self.specs():
            object.__setattr__(self, spec.name, spec.check(getattr(self, spec.name)))

    @classmethod
    def specs(cls) -> Iterator[ParameterSpec]:
        """Yield the declared parameters in the order of their declaration."""
        for field in dataclasses.fields(cls):
            info = field.metadata.get(_METADATA_KEY)
            if info is not None:
                yield ParameterSpec(field.name, _kind(field), field.default, info)

    @classmethod
    def from_mapping(cls: type[ConfigT], values: Mapping[str, Value]) -> ConfigT:
        """Build the configuration from names and values; missing ones take their default.

        Raises:
            ParameterError: a name is not declared, or a value is not allowed.
        """
        known = [spec.name for spec in cls.specs()]
        for name in values:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean '{close[0]}'?" if close else ""
                raise ParameterError(
                    f"{cls.__name__} has no parameter '{name}'{hint} It has: {', '.join(known)}"
                )
        return cls(**dict(values))


def _kind(field: dataclasses.Field[Any]) -> str:
    kinds = {
        "bool": "bool",
        "int": "int",
        "float": "float",
        "str": "str",
        "tuple[str, ...]": "str[]",
        "tuple[float, ...]": "float[]",
        "tuple[int, ...]": "int[]",
    }
    annotation = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", "")
    if annotation not in kinds:
        raise TypeError(f"field {field.name}: {annotation} is not a parameter type: {list(kinds)}")
    return kinds[annotation]
