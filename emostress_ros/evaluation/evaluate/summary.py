"""Results of single bags into one report: plain values, the same to the byte on every run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from emostress_ros import __version__
from emostress_ros.affect import NANOSECONDS
from emostress_ros.evaluation.evaluate.figures import (
    Items,
    all_figures,
    stress_figures,
)
from emostress_ros.evaluation.evaluate.items import Answers, Moments
from emostress_ros.evaluation.evaluate.noise import DESCRIPTIONS
from emostress_ros.evaluation.evaluate.result import ALL, WITHOUT_REST, BagResult
from emostress_ros.evaluation.evaluate.settings import Settings

FORMAT = 1
_DIGITS = 6
_BLOCK_NS = 60 * NANOSECONDS
_PERCENTILES = (50, 90, 99)
_BRIEF = (
    "labelled", "answered", "coverage", "n", "accuracy", "uar", "macro_f1", "f1", "auroc", "ccc",
    "rmse", "ece", "ci95",
)  # fmt: skip


def summarise(
    results: Sequence[BagResult], failures: Mapping[str, str], settings: Settings
) -> dict[str, Any]:
    """Everything that a report says, from the results of its bags.

    Args:
        results: of the bags that could be evaluated, in the order in which they were given.
        failures: bag to the reason why it could not be.
        settings: of the evaluation.
    """
    ordered = sorted(results, key=lambda result: result.name)
    summary: dict[str, Any] = {
        "format": FORMAT,
        "package": f"emostress_ros {__version__}",
        "settings": settings.describe(),
        "bags": {result.name: result.facts for result in ordered},
        "failures": dict(sorted(failures.items())),
    }
    if ordered:
        everything = pooled(ordered, ALL)
        summary |= {
            "overall": all_figures(everything, curves=True),
            "persons": _persons(ordered),
            "dynamics": _dynamics(ordered),
            "latency_ms": _latency(ordered),
            "ablation": _ablation(ordered),
            "offset_sweep": _offsets(ordered),
            "noise_sweep": _noise(ordered),
            "baseline": _baseline(ordered),
        }
    return plain(summary)


def to_json(summary: Mapping[str, Any]) -> str:
    """The summary as the text of a JSON file."""
    return json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """JSON values: tuples become lists, NaN null, and figures are rounded to six digits."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), _DIGITS) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def person_names(result: BagResult) -> np.ndarray:
    """(N,) names of people that hold over bags: a nameless one is known by the bag."""
    return np.array([name or result.name for name in result.moments.person.tolist()], np.str_)


def pooled(results: Sequence[BagResult], run: str, cluster: str = "person") -> Items:
    """Items of one run of several bags.

    Args:
        results: of bags that have the run.
        run: its name.
        cluster: what the bootstrap draws: a `person`, or a `block` of a minute of one label.
    """
    moments, answers = [x.moments for x in results], [x.runs[run] for x in results]
    people = np.concatenate([person_names(x) for x in results])

    def joined(columns: Iterable[Any]) -> Any:
        return np.concatenate(list(columns))

    return Items(
        Moments(
            joined(x.at_ns for x in moments), joined(x.label for x in moments), people,
            {name: joined(x.truth[name] for x in moments) for name in moments[0].truth},
        ),
        Answers(
            joined(x.probabilities for x in answers), joined(x.emotion for x in answers),
            {name: joined(x.values[name] for x in answers) for name in answers[0].values},
            joined(x.level for x in answers), joined(x.weight for x in answers),
        ),
        people if cluster == "person" else joined(_blocks(x) for x in results),
    )  # fmt: skip


def _blocks(result: BagResult) -> np.ndarray:
    """(N,) names of stretches of a minute, each within one label of one bag (Künsch 1989)."""
    moments = result.moments
    minute = (moments.at_ns - result.facts["zero_ns"]) // _BLOCK_NS
    joined = moments.label * 10_000_000 + minute
    return np.char.add(f"{result.name} ", joined.astype(np.str_))


def brief(items: Items) -> dict[str, Any]:
    """The chief figures of everything that is labelled."""
    return {
        task: {name: figures[name] for name in _BRIEF if name in figures}
        for task, figures in all_figures(items).items()
    }


def _with(results: Sequence[BagResult], run: str) -> list[BagResult]:
    return [result for result in results if run in result.runs]


def _runs(results: Sequence[BagResult], prefix: str) -> list[str]:
    """Names of runs that begin so, in the order in which they were made."""
    names = [name for result in results for name in result.runs if name.startswith(prefix)]
    return list(dict.fromkeys(names))


def _persons(results: Sequence[BagResult]) -> list[dict[str, Any]]:
    """Figures of each person; intervals over blocks of a minute, as near moments agree."""
    items = pooled(results, ALL, cluster="block")
    found = []
    for person in sorted(set(items.moments.person.tolist())):
        own = items.chosen(items.moments.person == person)
        entry: dict[str, Any] = {
            "person": person,
            "bags": [x.name for x in results if person in person_names(x)],
            **brief(own),
        }
        stress = stress_figures(own, curves=True)
        if stress and "ci95" in stress:
            entry["stress"]["ci95"] = stress["ci95"]
        onset = [x for r in results for x in r.facts["onsets"] if (x["person"] or r.name) == person]
        entry["onset"] = _onset(onset)
        found.append(entry)
    return found


def _dynamics(results: Sequence[BagResult]) -> dict[str, Any]:
    minutes = sum(x.facts["changes"]["minutes"] for x in results)
    changes = {
        f"{name}_per_minute": sum(x.facts["changes"][name] for x in results) / minutes
        if minutes
        else math.nan
        for name in ("emotion_changes", "stress_level_changes")
    }
    every = [entry for result in results for entry in result.facts["onsets"]]
    return {"minutes": minutes, **changes, "onset": _onset(every)}


def _onset(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Delays by kind of change; those that were never followed are counted, not averaged."""
    found: dict[str, Any] = {}
    for kind in ("stress", "recovery", "emotion"):
        own = [entry for entry in entries if entry["kind"] == kind]
        followed = [entry["delay_s"] for entry in own if entry["delay_s"] is not None]
        if own:
            found[kind] = {
                "changes": len(own),
                "followed": len(followed),
                "early": sum(bool(entry["early"]) for entry in own),
                "median_s": float(np.median(followed)) if followed else math.nan,
                "p90_s": float(np.percentile(followed, 90)) if followed else math.nan,
                "delays_s": sorted(followed),
            }
    return found


def _latency(results: Sequence[BagResult]) -> dict[str, Any]:
    """Newest evidence's stamp to the moment at which the state was known, on the bag's clock."""
    latencies = np.concatenate([result.latency_ms for result in results])
    if not len(latencies):
        return {}
    marks = np.percentile(latencies, _PERCENTILES)
    return {"states": len(latencies)} | {
        f"p{p}": float(mark) for p, mark in zip(_PERCENTILES, marks, strict=True)
    }


def _ablation(results: Sequence[BagResult]) -> list[dict[str, Any]]:
    found = []
    for run in _runs(results, "subset:"):
        having = _with(results, run)
        senses = run.removeprefix("subset:").split("+")
        figures = brief(pooled(having, run))
        found.append({"senses": senses, "bags": len(having), **figures})
    return found


def _offsets(results: Sequence[BagResult]) -> list[dict[str, Any]]:
    found = []
    for run in _runs(results, "offset:"):
        having = _with(results, run)
        offset_ms = int(run.removeprefix("offset:"))
        found.append({"offset_ms": offset_ms, "bags": len(having), **brief(pooled(having, run))})
    return found


def _noise(results: Sequence[BagResult]) -> list[dict[str, Any]]:
    """For each sense: clean, then each strength, with the weight that the sense was given."""
    found = []
    senses = {run.split(":")[1]: None for run in _runs(results, "noise:")}
    for sense in senses:
        for run in [ALL, *_runs(results, f"noise:{sense}:")]:
            having = [x for x in _with(results, run) if sense in x.facts["embeddings"]]
            level = 0 if run == ALL else int(run.rsplit(":", 1)[1])
            items = pooled(having, run)
            column = having[0].timeline.modalities.index(sense)
            found.append(
                {
                    "sense": sense, "level": level, "bags": len(having),
                    "what": DESCRIPTIONS[sense][level - 1] if level else "clean",
                    "mean_weight": float(items.answers.weight[:, column].mean()),
                    **brief(items),
                }
            )  # fmt: skip
    return found


def _baseline(results: Sequence[BagResult]) -> dict[str, Any]:
    """The same moments with and without the resting baseline."""
    having = _with(results, WITHOUT_REST)
    if not having:
        return {}
    found: dict[str, Any] = {
        "on": brief(pooled(having, ALL)),
        "off": brief(pooled(having, WITHOUT_REST)),
        "onset_off": _onset([x for r in having for x in r.facts["onsets_without_rest"]]),
        "persons": [],
    }
    for result in having:
        on = stress_figures(pooled([result], ALL)) or {}
        off = stress_figures(pooled([result], WITHOUT_REST)) or {}
        names = sorted(set(person_names(result).tolist()))
        keys = ("auroc", "uar", "accuracy")
        found["persons"].append(
            {
                "bag": result.name, "person": ", ".join(names),
                "on": {k: on.get(k) for k in keys}, "off": {k: off.get(k) for k in keys},
                "onset": {
                    "on": _onset(result.facts["onsets"]),
                    "off": _onset(result.facts["onsets_without_rest"]),
                },
            }
        )  # fmt: skip
    return found
