"""The report as one page that stands alone."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emostress_ros.errors import BagError
from emostress_ros.evaluation.evaluate import page_parts as parts
from emostress_ros.evaluation.evaluate import pictures
from emostress_ros.evaluation.evaluate.evaluation import Evaluation
from emostress_ros.evaluation.evaluate.timeline import timelines
from emostress_ros.evaluation.html import DISCLAIMER, cards, image, page

PAGE = "report.html"
_MOST_TIMELINES = 24
_TASKS = {"stress": "Stress", "emotion": "Emotion"}


class Album:
    """Pictures of a page, and files of them where they are wanted.

    Args:
        folder: where the files go; None: none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def show(self, name: str, png: bytes) -> str:
        """A picture as HTML."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = "".join(x if x.isalnum() else "_" for x in name)
            (self._folder / f"{file}.png").write_bytes(png)
        return image(png, name)


def write_page(
    evaluation: Evaluation,
    out: Path,
    *,
    title: str,
    pictures: bool = False,
    live: Mapping[str, Any] | None = None,
) -> Path:
    """Write `report.html` beside `report.json`.

    Args:
        evaluation: what came of the bags; at least one of them.
        out: folder of the report.
        title: heading.
        pictures: also write every picture into `pictures/`.
        live: what the real graph did, from `live.judge`.

    Raises:
        BagError: no bag could be evaluated, or the page cannot be written.
    """
    if not evaluation.results:
        raise BagError("no bag could be evaluated: nothing to report on")
    album = Album(out / "pictures" if pictures else None)
    text = render(evaluation, title, album, live)
    try:
        (out / PAGE).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BagError(f"{out / PAGE}: cannot write the report: {error.strerror}") from error
    return out / PAGE


def render(
    evaluation: Evaluation, title: str, album: Album, live: Mapping[str, Any] | None = None
) -> str:
    """The page as HTML."""
    summary = evaluation.summary
    content = [
        *(_task(summary, task, album) for task in _TASKS),
        section("Valence and arousal", parts.dimensions(summary)),
        _baseline(summary, album),
        _persons(summary, album),
        _dynamics(summary, album),
        _ablation(summary, album),
        _sweeps(summary, album),
        section("Latency and cost", parts.latency(summary, evaluation.results, live)),
        _timelines(evaluation, album),
        section("Bags", parts.bags(summary)),
        section("How this was measured", parts.method(summary)),
    ]
    return page(
        title,
        [
            f"<h1>{html.escape(title)}</h1>",
            f'<p class="dim">{html.escape(parts.headline(summary))}</p>',
            _contents(content),
            f'<p class="note aid">{html.escape(DISCLAIMER)}</p>',
            parts.warnings(summary),
            cards(parts.headline_cards(summary)),
            *content,
        ],
    )


def section(title: str, *content: str) -> str:
    """A box with a heading; nothing where there is no content."""
    body = "".join(content)
    return (
        f'<section id="{_anchor(title)}"><h2>{html.escape(title)}</h2>{body}</section>'
        if body
        else ""
    )


def _anchor(title: str) -> str:
    return "".join(x if x.isalnum() else "-" for x in title.lower())


def _contents(sections: list[str]) -> str:
    """Links to the sections that there are."""
    found = re.findall(r'<section id="([^"]+)"><h2>([^<]+)</h2>', "".join(sections))
    return "<nav>" + "".join(f'<a href="#{place}">{name}</a>' for place, name in found) + "</nav>"


def _task(summary: Mapping[str, Any], task: str, album: Album) -> str:
    figures = summary["overall"].get(task)
    if figures is None:
        return ""
    content = [parts.figures_table(figures, task)]
    if "reliability" in figures:
        content.append(album.show(f"{task} confidence", pictures.confidence_figure(figures)))
        matrix = pictures.confusion_figure(figures["labels"], figures["confusion"])
        content.append(
            "<h3>Which answer for which truth</h3>" + album.show(f"{task} matrix", matrix)
        )
    return section(_TASKS[task], *content)


def _baseline(summary: Mapping[str, Any], album: Album) -> str:
    found = summary["baseline"]
    if not found:
        return ""
    metric, name = pictures.chief(found["on"].get("stress") or {}, "stress")
    figure = pictures.baseline_figure(found["persons"])
    return section(
        "What the resting baseline gains",
        parts.baseline_text(found, metric, name),
        album.show("baseline", figure),
        parts.baseline_table(found),
    )


def _persons(summary: Mapping[str, Any], album: Album) -> str:
    persons = summary["persons"]
    content = [parts.persons_table(persons)]
    for task in ("stress", "emotion", "valence", "arousal"):
        having = [person for person in persons if (person.get(task) or {}).get("n") or
                  (person.get(task) or {}).get("ccc") is not None]  # fmt: skip
        if len(having) > 1:
            metric, name = pictures.chief(having[0][task], task)
            png = pictures.forest_figure(having, task, metric, name)
            content.append(album.show(f"persons {task}", png))
    return section("Each person", parts.PERSONS_NOTE, *content)


def _dynamics(summary: Mapping[str, Any], album: Album) -> str:
    dynamics = summary["dynamics"]
    onset = dynamics["onset"]
    picture = ""
    if any(entry["delays_s"] for entry in onset.values()):
        picture = album.show("onset", pictures.onset_figure(onset))
    return section("How states move", parts.dynamics_table(dynamics), picture)


def _ablation(summary: Mapping[str, Any], album: Album) -> str:
    entries = summary["ablation"]
    content = []
    for task in _answered(summary) if entries else ():
        metric, name = pictures.chief(entries[-1].get(task) or {}, task)
        png = pictures.ablation_figure(entries, task, metric, name)
        content.append(album.show(f"ablation {task}", png))
    return section("Every subset of the senses", parts.ABLATION_NOTE if content else "", *content)


def _sweeps(summary: Mapping[str, Any], album: Album) -> str:
    tasks, content = _answered(summary), []
    if summary["offset_sweep"] and tasks:
        png = pictures.offset_figure(summary["offset_sweep"], tasks)
        content += ["<h3>Voice against face, shifted in time</h3>", album.show("offsets", png)]
    if summary["noise_sweep"]:
        content += ["<h3>One sense spoilt at a time</h3>", parts.noise_note(summary)]
        for task in tasks:
            png = pictures.noise_figure(summary["noise_sweep"], task)
            content.append(album.show(f"noise {task}", png))
    return section("Robustness", *content)


def _answered(summary: Mapping[str, Any]) -> list[str]:
    """Tasks with labels and answers."""
    return [task for task, figures in summary["overall"].items()
            if figures.get("n") or figures.get("ccc") is not None]  # fmt: skip


def _timelines(evaluation: Evaluation, album: Album) -> str:
    content: list[str] = []
    left_out = 0
    for result in evaluation.results:
        for person, png in timelines(result):
            if len(content) >= _MOST_TIMELINES:
                left_out += 1
                continue
            name = result.name if person == result.name else f"{result.name}: {person}"
            content.append(f"<h3>{html.escape(name)}</h3>{album.show(f'timeline {name}', png)}")
    note = f'<p class="dim">{left_out} more are not drawn.</p>' if left_out else ""
    return section("What was said, and what was true", *content, note)
