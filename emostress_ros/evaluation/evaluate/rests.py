"""When people rest: in the bag itself, or in one that was recorded before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import DatasetError
from emostress_ros.evaluation.bags.reader import bag_info
from emostress_ros.evaluation.evaluate.labels import Label
from emostress_ros.evaluation.evaluate.playback import merge, play
from emostress_ros.evaluation.evaluate.senses import Rest, hear, routes, zero_ns
from emostress_ros.evaluation.evaluate.settings import Settings, bag_name


def rests_of(
    bag: Path, labels: Sequence[Label], settings: Settings, bag_zero_ns: int
) -> list[Rest]:
    """Return the rests that a bag is read against; none where the settings ask for none.

    Args:
        bag: the bag.
        labels: of the bag.
        settings: say where the rests are.
        bag_zero_ns: what the labels count from.

    Raises:
        BagError: the bag of the rest cannot be read.
        DatasetError: there is no rest where one should be, or it is too short.
    """
    before = rest_bag(bag, settings)
    if before is not None:
        return _kept(before, settings)
    return _in_labels(bag, labels, settings, bag_zero_ns) if settings.baseline == "rest" else []


def rest_bag(bag: Path, settings: Settings) -> Path | None:
    """Return the bag with the rest of a bag's people; None where there is none."""
    name = settings.rest_bag.replace("{bag}", bag_name(bag))
    return Path(name) if name else None


def _kept(bag: Path, settings: Settings) -> list[Rest]:
    """What the nodes would have kept after a bag in which people do nothing but rest."""
    end_ns, chosen = bag_info(bag).end_ns, routes(bag, settings)
    physiology = settings.config("physiology", bag_name(bag))
    start_ns = zero_ns(bag, chosen)
    lasts_s = (end_ns - start_ns) / NANOSECONDS
    # The rest is over with the first window that ends behind it.
    length_s = lasts_s - physiology.lag_s - 2 * physiology.step_s
    if length_s < physiology.window_s:
        needed_s = physiology.window_s + lasts_s - length_s
        raise DatasetError(f"{bag}: a rest needs {needed_s:g} s; got {lasts_s:.1f} s")
    whole = [Rest("", start_ns, length_s)]
    hearing = hear(bag, chosen, settings, rests=whole)
    fusion = settings.config("fusion", bag_name(bag))
    readings = play(merge(hearing.heard), fusion, end_ns, whole).readings
    people = sorted({*hearing.baselines, *readings})
    if not people:
        raise DatasetError(f"{bag}: nobody's rest could be measured in it")
    return [Rest(person, kept=_values(person, hearing.baselines, readings)) for person in people]


def _values(person: str, baselines: dict[str, Any], readings: dict[str, Any]) -> dict[str, Any]:
    found = {"physiology": baselines.get(person), "readings": readings.get(person)}
    return {name: value for name, value in found.items() if value}


def _in_labels(
    bag: Path, labels: Sequence[Label], settings: Settings, bag_zero_ns: int
) -> list[Rest]:
    """The first seconds of each person's first unstressed label."""
    name = bag_name(bag)
    length_s = settings.config("physiology", name).baseline_s
    found: dict[str, Rest] = {}
    for label in labels:
        if label.stress < 0.5 and label.person not in found:
            start_ns, end_ns = label.between_ns(bag_zero_ns)
            lasts_s = (end_ns - start_ns) / NANOSECONDS
            if lasts_s < length_s:
                raise DatasetError(
                    f"{name}: a rest of {length_s:g} s is needed; the first unstressed label of "
                    f"'{label.person}' lasts {lasts_s:g} s"
                )
            found[label.person] = Rest(label.person, start_ns, length_s)
    if not found:
        raise DatasetError(f"{name}: no unstressed label to take the rest from")
    return list(found.values())
