"""A report to look at: one HTML file that shows what the graph said, with pictures inside it."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emostress_ros import __version__
from emostress_ros.affect import StressLevel
from emostress_ros.errors import BagError
from emostress_ros.evaluation import plots
from emostress_ros.evaluation.html import DISCLAIMER, cards, image, page, table
from emostress_ros.evaluation.report_data import AffectRecord, Session, read_session

_MOST_PEOPLE = 4
_LEAST_STATES = 10


def write_report(
    source: Path | str | Session,
    out: Path | str,
    *,
    title: str = "emostress: what the graph saw",
    notice: str = "",
    published: Mapping[str, int] | None = None,
    from_ns: int | None = None,
) -> Path:
    """Write a stand-alone HTML report.

    Args:
        source: recorded bag (states, embeddings, cues, diagnostics), or a session made of one.
        out: the HTML file.
        title: its heading.
        notice: shown on top, such as where a sample comes from.
        published: messages by topic that were replayed into the graph.
        from_ns: leave out states and cues stamped before, such as those of a lead-in.

    Returns:
        The file.

    Raises:
        BagError: the bag cannot be read or holds no state, or the file cannot be written.
    """
    session = source if isinstance(source, Session) else read_session(source)
    if from_ns is not None:
        session = session.since(from_ns)
    if not session.affects:
        raise BagError("the recording holds no AffectState: nothing to report on")
    out = Path(out)
    page = render(session, title=title, notice=notice, published=published or {})
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise BagError(f"{out}: cannot write the report: {error.strerror}") from error
    return out


def render(
    session: Session, *, title: str, notice: str = "", published: Mapping[str, int] | None = None
) -> str:
    """The report as HTML; needs at least one state."""
    stamps = [item.stamp_s for item in session.affects]
    zero_s, span_s = min(stamps), max(stamps) - min(stamps)
    people = session.people()
    drawn = [
        person
        for place, person in enumerate(people[:_MOST_PEOPLE])
        if place == 0 or len(session.of(person)) >= _LEAST_STATES
    ]
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="dim">emostress_ros {__version__}</p>',
        f'<p class="note aid">{html.escape(DISCLAIMER)}</p>',
        f'<p class="note">{html.escape(notice)}</p>' if notice else "",
        _cards(session, people),
        *[_person(session, person, zero_s, span_s) for person in drawn],
        _others([person for person in people if person not in drawn]),
        _latency(session),
        _cues(session, zero_s),
        _models(session),
        _counts(session, published or {}),
    ]
    return page(title, parts)


def _cards(session: Session, people: Sequence[str]) -> str:
    affects = session.affects
    span_s = max(a.stamp_s for a in affects) - min(a.stamp_s for a in affects)
    modalities = session.modalities()
    full = sum(len(a.used) == len(modalities) for a in affects)
    latencies = session.latencies_ms()
    stamps = [a.stamp_s for a in session.of(people[0])]
    # Not the median step: states carry their evidence's stamps, and a camera's grid shows in them.
    rate = (len(stamps) - 1) / (stamps[-1] - stamps[0]) if stamps[-1] > stamps[0] else math.nan
    figures = (
        (f"{len(affects)}", f"states in {span_s:.1f} s"),
        (f"{len(people)}", "person" if len(people) == 1 else "persons"),
        (f"{rate:.1f} Hz" if rate == rate else "–", "rate of a person's states"),
        (f"{full}", f"states with all {len(modalities)} modalities used"),
        (f"{np.percentile(latencies, 50):.0f} ms", "median latency of a state"),
        (f"{np.percentile(latencies, 99):.0f} ms", "its 99th percentile"),
    )
    return cards(figures)


def _person(session: Session, person: str, zero_s: float, span_s: float) -> str:
    states = session.of(person)
    name = html.escape(person or "a person without an id")
    figures = (
        ("Emotion", plots.emotion_figure(states, zero_s, span_s)),
        ("Valence and arousal", plots.mood_figure(states, zero_s, span_s)),
        ("Stress", plots.stress_figure(states, zero_s, span_s)),
        (
            "What it rests on",
            plots.weight_figure(states, session.modalities(), zero_s, span_s),
        ),
    )
    pictures = "".join(f"<h3>{heading}</h3>{image(png, heading)}" for heading, png in figures)
    return f"<section><h2>{name}</h2><p>{_in_words(states)}</p>{pictures}</section>"


def _in_words(states: Sequence[AffectRecord]) -> str:
    labels = Counter(state.emotion for state in states).most_common(3)
    spoken = ", ".join(f"{html.escape(x)} {100 * n / len(states):.0f} %" for x, n in labels)
    levels = Counter(state.stress_level for state in states)
    stress = ", ".join(
        f"{level.name.lower()} {100 * levels[level] / len(states):.0f} %"
        for level in StressLevel
        if levels[level]
    )
    known = [state.stress for state in states if not math.isnan(state.stress)]
    mean = f"; mean probability of stress {np.mean(known):.2f}" if known else ""
    return f"{len(states)} states. Label: {spoken}. Stress level: {stress}{mean}."


def _others(people: Sequence[str]) -> str:
    if not people:
        return ""
    names = html.escape(", ".join(person or "(no id)" for person in people))
    return f'<p class="dim">Not drawn, for want of states or space: {names}.</p>'


def _latency(session: Session) -> str:
    latencies = session.latencies_ms()
    marks = np.percentile(latencies, [50, 90, 99])
    rows = [["affect", "newest sensor stamp to publication", *[f"{m:.1f}" for m in marks]]]
    for node, values in sorted(session.diagnostics.items()):
        # The fusion's own figure counts states without new evidence and those of a lead-in.
        skip = node == "fusion_node"
        for what in ("stamp to publication [ms]", "handling [ms]")[skip:]:
            figures = [values.get(f"{what} p{p}") for p in (50, 90, 99)]
            if all(figures):
                rows.append([node, what.removesuffix(" [ms]"), *[str(f) for f in figures]])
    percentiles = table(("from", "what", "p50 [ms]", "p90 [ms]", "p99 [ms]"), rows, numbers=3)
    return (
        f"<section><h2>Latency</h2>{image(plots.latency_figure(latencies), 'latency')}"
        f'<p class="dim">{len(latencies)} of {len(session.affects)} states: those that rest on '
        "newer evidence than the state before. Where nothing new comes, a state only grows older."
        f"</p><h3>Percentiles</h3>{percentiles}</section>"
    )


def _cues(session: Session, zero_s: float) -> str:
    if not session.cues:
        return ""
    rows = []
    before: tuple[str, str] | None = None
    for cue in session.cues:  # a cue that is repeated is shown once
        if (cue.person_id, cue.cue) != before:
            at = f"{cue.stamp_s - zero_s:.1f}"
            rows.append([at, cue.person_id, cue.cue, f"{cue.intensity:.2f}", cue.reason])
        before = (cue.person_id, cue.cue)
    head = ("at [s]", "person", "cue", "intensity", "reason")
    return f"<section><h2>Behaviour</h2>{table(head, rows[:40])}</section>"


def _models(session: Session) -> str:
    rows = []
    for modality in dict.fromkeys([*session.modalities(), *sorted(session.models)]):
        values = session.diagnostics.get(f"{modality}_node", {})
        provider = next((v for k, v in values.items() if "provider" in k.lower()), "")
        models = ", ".join(sorted(session.models.get(modality, set()))) or "nothing arrived"
        rows.append([modality, models, provider])
    return f"<section><h2>Models</h2>{table(('modality', 'model', 'runs on'), rows)}</section>"


def _counts(session: Session, published: Mapping[str, int]) -> str:
    rows = [["in", topic, str(count)] for topic, count in sorted(published.items())]
    rows += [["out", topic, str(count)] for topic, count in sorted(session.counts.items())]
    counts = table(("", "topic", "messages"), rows, numbers=1)
    dropped = [
        f"{node}: {values[key]} {key}"
        for node, values in sorted(session.diagnostics.items())
        for key in values
        if key.endswith((" dropped", " lost")) and values[key] not in ("", "0")
    ]
    text = "; ".join(dropped) if dropped else "none reported"
    return (
        f"<section><h2>Messages</h2>{counts}"
        f'<p class="dim">Dropped for newer ones, or lost on the way: {html.escape(text)}.</p>'
        "</section>"
    )
