"""Numbers in messages that stand for something."""

from __future__ import annotations

import enum
import re
from typing import NoReturn

from emostress_ros.errors import SignalError


class _Code(enum.IntEnum):
    """Refuses what stands for nothing, by name."""

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        allowed = ", ".join(f"{item.value} ({item.name})" for item in cls)
        field = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        raise SignalError(f"{field} must be one of {allowed}; got {value!r}")


class StressLevel(_Code):
    """Coarse stress, as in ``AffectState.stress_level``."""

    UNKNOWN = 0
    LOW = 1
    MODERATE = 2
    HIGH = 3


class ContributionStatus(_Code):
    """What became of one modality's evidence, as in ``ModalityContribution.status``."""

    USED = 0
    MISSING = 1
    STALE = 2
    LOW_QUALITY = 3
    NO_CONSENT = 4
