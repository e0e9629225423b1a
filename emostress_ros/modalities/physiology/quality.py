"""How far a window can be trusted, per channel and as a whole, in [0, 1].

An artefact seldom looks like one to a model: a loose electrode gives a calm skin, a shaken pulse a
lively heart. So each channel is judged by what only a sound signal shows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

CONTACT_US = 0.05  # below: the electrodes do not touch skin (Boucsein 2012 gives 1 to 20 µS)
_FLAT = 1e-6
_SHAKEN_G = 0.25  # rms of motion at which a wrist pulse is lost in it

# What each channel is worth: the skill (2 UAR - 1, mean of both sets) that the model keeps with
# that channel alone on held-out persons, as in its card; together they make 1.
WEIGHTS: Mapping[str, float] = {
    "heart": 0.38,
    "eda": 0.46,
    "skin_temperature": 0.04,
    "acceleration": 0.12,
}


def coverage(samples: np.ndarray, expected: int) -> float:
    """Share of the expected samples that are there and valid."""
    if expected <= 0:
        return 0.0
    return min(1.0, float(np.isfinite(samples).all(axis=-1).sum()) / expected)


def pulse_quality(sound_share: float, purity: float, motion_rms_g: float) -> float:
    """Quality of a pulse wave from the regularity of its beats and the motion of the wrist.

    Args:
        sound_share: share of the intervals that are sound, [0, 1].
        purity: share of the power at the heart rate and its harmonics, [0, 1].
        motion_rms_g: motion in the window, g; NaN where there is no accelerometer.
    """
    shaken = 0.0 if np.isnan(motion_rms_g) else min(1.0, motion_rms_g / _SHAKEN_G)
    regular = np.clip((sound_share - 0.4) / 0.5, 0.0, 1.0)
    return float(regular * np.clip(0.4 + purity, 0.0, 1.0) * (1.0 - 0.5 * shaken))


def eda_quality(eda_us: np.ndarray) -> float:
    """Quality of a skin conductance: contact, not flat, no jumps."""
    if len(eda_us) < 2 or float(np.ptp(eda_us)) < _FLAT:
        return 0.0
    contact = float(np.mean(eda_us > CONTACT_US))
    # Skin follows sweat glands slowly; a jump of a third between samples is a contact that slips.
    jumps = float(np.mean(np.abs(np.diff(eda_us)) > 0.05 + 0.3 * np.abs(eda_us[:-1])))
    return contact * float(np.clip(1.0 - 20.0 * jumps, 0.0, 1.0))


def flat(samples: np.ndarray) -> bool:
    """Whether no channel changes: a sensor that hangs."""
    return len(samples) == 0 or float(np.ptp(samples, axis=0).max()) < _FLAT


def overall(channels: Mapping[str, float]) -> float:
    """Quality of a window from the qualities of the channels it has; absent ones count 0."""
    return float(np.clip(sum(WEIGHTS[name] * q for name, q in channels.items()), 0.0, 1.0))
