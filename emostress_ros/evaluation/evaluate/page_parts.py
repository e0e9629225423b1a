"""Words and tables of the report's page, from the summary."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from emostress_ros.evaluation.evaluate.result import BagResult
from emostress_ros.evaluation.html import table

Summary = Mapping[str, Any]
PERSONS_NOTE = (
    '<p class="dim">Intervals: 95 %, bootstrap over blocks of a minute of that person\'s labelled '
    "recording; they say how sure the figure of this recording is, not how the next person will "
    "fare. The dotted line is chance.</p>"
)
ABLATION_NOTE = (
    '<p class="dim">Who is who was settled once, with every sense; then the fusion was given the '
    "evidence of a subset alone. Lines: 95 % intervals, bootstrap over persons.</p>"
)
_NAMES = {
    "n": "moments scored", "labelled": "moments labelled", "accuracy": "accuracy",
    "uar": "UAR (mean recall of the classes)", "macro_f1": "macro F1",
    "weighted_f1": "weighted F1", "f1": "F1 of stressed", "auroc": "AUROC", "ccc": "CCC",
    "rmse": "RMSE", "ece": "ECE (calibration error)", "aurc": "area under risk over coverage",
    "answered": "share with an estimate", "coverage": "share that the graph itself answered",
    "accuracy_where_named": "accuracy where it gave a label", "clusters": "persons",
}  # fmt: skip
_KINDS = {
    "stress": "onset of stress", "recovery": "recovery from stress", "emotion": "new emotion",
}  # fmt: skip


def number(value: Any, digits: int = 3) -> str:
    """A figure as a cell; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def headline(summary: Summary) -> str:
    """What was evaluated, in a sentence."""
    bags = summary["bags"].values()
    minutes = sum(x["duration_s"] for x in bags) / 60.0
    persons = len(summary["persons"])
    models = sorted({name for x in bags for names in x["models"].values() for name in names})
    fusions = ", ".join(sorted({x["fusion"] for x in bags}))
    return (
        f"{summary['package']}: {len(summary['bags'])} bag(s), {persons} person(s), "
        f"{minutes:.1f} minutes of recording; fusion {fusions}; "
        f"models {', '.join(models) or 'none'}"
    )


def headline_cards(summary: Summary) -> list[tuple[str, str]]:
    """The figures to be seen first."""
    found = []
    stress, emotion = (summary["overall"].get(x) or {} for x in ("stress", "emotion"))
    for figures, task in ((stress, "stress"), (emotion, "emotion")):
        for key, name in (("auroc", "AUROC"), ("uar", "UAR"), ("ece", "calibration error")):
            if figures.get(key) is not None:
                found.append(
                    (number(figures[key]), f"{name} of {task}{_of_interval(figures, key)}")
                )
    for name in ("valence", "arousal"):
        figures = summary["overall"].get(name) or {}
        if figures.get("ccc") is not None:
            found.append((number(figures["ccc"]), f"CCC of {name}{_of_interval(figures, 'ccc')}"))
    onset = summary["dynamics"]["onset"].get("stress")
    if onset and onset["median_s"] is not None:
        followed = f"{onset['followed']} of {onset['changes']} onsets of stress followed"
        found.append((f"{onset['median_s']:.1f} s", f"median delay; {followed}"))
    changes = summary["dynamics"]["emotion_changes_per_minute"]
    if emotion and changes is not None:
        found.append((number(changes, 1), "changes of the emotion a minute"))
    return found


def _of_interval(figures: Summary, key: str) -> str:
    low, high = (figures.get("ci95") or {}).get(key) or (None, None)
    return "" if low is None else f" [{low:.2f}, {high:.2f}]"


def warnings(summary: Summary) -> str:
    """What a reader must know before any figure."""
    lines = [f"{bag}: could not be evaluated: {why}" for bag, why in summary["failures"].items()]
    for bag, facts in summary["bags"].items():
        for topic, kinds in facts["rejected"].items():
            count = sum(kinds.values())
            lines.append(
                f"{bag}: {count} messages on {topic} could not be used: {next(iter(kinds))}"
            )
        for topic, count in facts["recording_time_used_as_stamp"].items():
            lines.append(
                f"{bag}: {count} messages on {topic} bear no stamp; the time of their recording, "
                "which holds the delay of radio and driver, stands for it"
            )
        lost = {x: n for x, n in facts["messages_in_bag"].items() if facts["messages"].get(x) != n}
        lines += [
            f"{bag}: {topic} holds {n} messages, not all were read" for topic, n in lost.items()
        ]
    if len(summary["persons"]) < 2:
        lines.append("one person only: no interval over persons can be given")
    return "".join(f'<p class="note">{html.escape(line)}</p>' for line in lines)


def figures_table(figures: Summary, task: str) -> str:
    """Every figure of a task with its interval, in two columns."""
    rows = []
    for key, name in _NAMES.items():
        if figures.get(key) is not None:
            low, high = (figures.get("ci95") or {}).get(key) or (None, None)
            interval = "" if low is None else f"[{low:.3f}, {high:.3f}]"
            rows.append([name, number(figures[key]), interval])
    if not any(row[2] for row in rows):
        rows = [row[:2] for row in rows]
    head = (task, "figure", "95 % over persons")[: len(rows[0])]
    half = -(-len(rows) // 2)
    columns = [table(head, part, len(head) - 1) for part in (rows[:half], rows[half:]) if part]
    return f'<div class="two">{"".join(columns)}</div>'


def dimensions(summary: Summary) -> str:
    """Valence and arousal."""
    shown = [x for x in ("valence", "arousal") if x in summary["overall"]]
    return "".join(figures_table(summary["overall"][name], name) for name in shown)


def baseline_text(found: Summary, metric: str, name: str) -> str:
    """The gain in a sentence."""
    on, off = (found[key].get("stress", {}).get(metric) for key in ("on", "off"))
    if on is None or off is None:
        return ""
    better = [p for p in found["persons"] if (p["on"][metric] or 0) > (p["off"][metric] or 0)]
    return (
        f"<p>{name} of stress over all moments: {off:.3f} without, {on:.3f} with the rest of each "
        f"person as their baseline ({on - off:+.3f}); better for {len(better)} of "
        f"{len(found['persons'])}. The same moments are scored; a rest in the bag is not.</p>"
    )


def baseline_table(found: Summary) -> str:
    """Each person with and without."""
    sides = ("off", "on")
    head = ("person", "AUROC off", "AUROC on", "UAR off", "UAR on", "onset off [s]", "onset on [s]")
    rows = []
    for p in found["persons"]:
        figures = [number(p[side][key]) for key in ("auroc", "uar") for side in sides]
        rows.append([p["person"], *figures, *(_delay(p["onset"][side]) for side in sides)])
    return table(head, rows, numbers=6)


def _delay(onset: Summary) -> str:
    """How long stress took to be followed, the first time; a dash where it never was."""
    delays = (onset.get("stress") or {}).get("delays_s") or []
    return f"{delays[0]:.1f}" if delays else "–"


def persons_table(persons: Sequence[Summary]) -> str:
    """One line a person."""
    columns = (
        ("stress", "auroc", "stress AUROC"), ("stress", "uar", "stress UAR"),
        ("stress", "ece", "stress ECE"), ("stress", "coverage", "stress coverage"),
        ("emotion", "uar", "emotion UAR"), ("emotion", "coverage", "emotion coverage"),
        ("valence", "ccc", "valence CCC"), ("arousal", "ccc", "arousal CCC"),
    )  # fmt: skip
    shown = [x for x in columns if any((p.get(x[0]) or {}).get(x[1]) is not None for p in persons)]
    rows = []
    for person in persons:
        cells = [number((person.get(task) or {}).get(key)) for task, key, _ in shown]
        rows.append([person["person"], *cells, _delay(person["onset"])])
    head = ("person", *(name for *_, name in shown), "stress onset [s]")
    return table(head, rows, numbers=len(shown) + 1)


def dynamics_table(dynamics: Summary) -> str:
    """Changes a minute, and how soon states follow."""
    changes = table(
        ("over all persons", "a minute"),
        [
            ["changes of the emotion's label", number(dynamics["emotion_changes_per_minute"], 2)],
            ["changes of the stress level", number(dynamics["stress_level_changes_per_minute"], 2)],
        ],
        numbers=1,
    )
    rows = [
        [_KINDS[kind], str(x["changes"]), str(x["followed"]), str(x["early"]),
         number(x["median_s"], 1), number(x["p90_s"], 1)]
        for kind, x in dynamics["onset"].items()
    ]  # fmt: skip
    head = ("change", "labelled", "followed", "so before", "median [s]", "p90 [s]")
    note = (
        '<p class="dim">A change is followed once the state is right and stays so for 2 s; the '
        "delay runs from the label's beginning. <i>So before</i>: it was already right then, which "
        "counts as a delay of 0.</p>"
    )
    return changes + (table(head, rows, numbers=5) + note if rows else "")


def noise_note(summary: Summary) -> str:
    """What each strength does."""
    rows: dict[str, list[str]] = {}
    for entry in summary["noise_sweep"]:
        if entry["level"]:
            rows.setdefault(entry["sense"], []).append(entry["what"])
    body = [[sense, *what] for sense, what in rows.items()]
    levels = max(len(x) for x in body) - 1 if body else 0
    return table(("sense", *(f"strength {x + 1}" for x in range(levels))), body)


def latency(summary: Summary, results: Sequence[BagResult], live: Mapping[str, Any] | None) -> str:
    """Delays on the bag's clock, what the work took, and what the real graph did."""
    rows = []
    if summary["latency_ms"]:
        rows.append(["evidence to state, on the bag's clock", *_marks(summary["latency_ms"])])
    for bag, facts in (live or {}).items():
        rows.append([f"{bag}, live: stamp to publication", *_marks(facts["latency_ms"])])
    body = table(("", "p50 [ms]", "p90 [ms]", "p99 [ms]"), rows, numbers=3)
    work: dict[str, float] = {}
    for result in results:
        for sense, seconds in result.timing.get("seconds_by_sense", {}).items():
            work[sense] = work.get(sense, 0.0) + seconds
    recorded = sum(result.facts["duration_s"] for result in results)
    cost = [[sense, f"{1e3 * seconds / recorded:.1f}"] for sense, seconds in sorted(work.items())]
    body += table(("work of the senses on this machine", "ms a second of recording"), cost, 1)
    if live:
        agreed = [[bag, str(x["states"]), number(x["agreement"])] for bag, x in live.items()]
        body += table(("bag, live", "states", "agrees with offline"), agreed, numbers=2)
    return body


def _marks(latency_ms: Summary) -> list[str]:
    return [number(latency_ms[f"p{p}"], 1) for p in (50, 90, 99)]


def bags(summary: Summary) -> str:
    """What each bag held and what came of it."""
    rows = []
    for bag, facts in summary["bags"].items():
        heard = ", ".join(f"{topic} {count}" for topic, count in facts["messages"].items())
        said = ", ".join(f"{sense} {count}" for sense, count in facts["embeddings"].items())
        rows.append([bag, f"{facts['duration_s']:.0f}", str(facts["moments"]),
                     ", ".join(facts["people"]), heard, said])  # fmt: skip
    head = ("bag", "length [s]", "moments", "people", "messages", "embeddings")
    return table(head, rows)


def method(summary: Summary) -> str:
    """How it was measured."""
    s = summary["settings"]
    rest = "with each person's first rest as baseline" if s["baseline"] == "rest" else "no baseline"
    rest = "with a rest recorded before as baseline" if s["rest_bag"] else rest
    text = (
        f"Every message went through the cores that the nodes run, on the bag's own clock. Every "
        f"{s['every_s']:g} s within a label, from {s['settle_s']:g} s after its beginning, the "
        f"newest state that was out by then was scored; {rest}. Emotion is scored by the likeliest "
        "label even where the graph said unknown; coverage says how often it said more. Stress "
        "counts from 0.5. Moments of one person depend on each other: intervals draw whole persons."
    )
    return f"<p>{html.escape(text)}</p>"
