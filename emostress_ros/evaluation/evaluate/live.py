"""What the real graph said of a bag, beside what the same cores said of it offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emostress_ros.errors import BagError
from emostress_ros.evaluation.evaluate.figures import Items, all_figures
from emostress_ros.evaluation.evaluate.items import answers
from emostress_ros.evaluation.evaluate.result import ALL, BagResult
from emostress_ros.evaluation.evaluate.states import from_records
from emostress_ros.evaluation.evaluate.summary import person_names, plain
from emostress_ros.evaluation.report_data import read_session

_PERCENTILES = (50, 90, 99)


def judge(recording: Path, result: BagResult) -> dict[str, Any]:
    """Judge a recording of the graph at the moments of an evaluation.

    Args:
        recording: bag of what the graph said while the evaluated bag was replayed, with its clock.
        result: of the evaluated bag.

    Returns:
        `states`, `figures` as in the summary, `latency_ms` from the newest sensor stamp to
        publication, and `agreement`: the share of moments at which both gave an answer and the
        answers agree (emotion's label, and stress on the same side of 0.5).

    Raises:
        BagError: the graph said nothing.
    """
    session = read_session(recording)
    states = from_records(session.affects, result.timeline.modalities)
    latencies = session.latencies_ms()
    if not len(states) or not len(latencies):
        raise BagError(f"{recording}: the graph said nothing of {result.name}")
    known = answers(states, result.moments)
    people = person_names(result)
    figures = all_figures(Items(result.moments, known, people), curves=False)
    marks = np.percentile(latencies, _PERCENTILES)
    facts = {
        "states": len(states),
        "figures": figures,
        "latency_ms": {f"p{p}": float(x) for p, x in zip(_PERCENTILES, marks, strict=True)},
        "agreement": _agreement(known.emotion, known.values["stress"], result),
        "messages": dict(sorted(session.counts.items())),
    }
    found = plain(facts)
    assert isinstance(found, dict)
    return found


def _agreement(emotion: np.ndarray, stress: np.ndarray, result: BagResult) -> float:
    offline = result.runs[ALL]
    both = (emotion >= 0) & (offline.emotion >= 0)
    theirs = offline.values["stress"]
    unknown = np.isnan(stress) & np.isnan(theirs)
    same = (emotion == offline.emotion) & (unknown | ((stress >= 0.5) == (theirs >= 0.5)))
    return float(same[both].mean()) if both.any() else float("nan")
