"""The page of `emostress personalise --study`: table and picture of what own windows give."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from emostress_ros.modalities.physiology import PhysiologyConfig
from emostress_ros.person.adaptation import REST_SHARE, Prior
from emostress_ros.training.datasets import stress_predict, wesad
from emostress_ros.training.personalisation import COUNTS, WAYS, Gain, gains, unseen_answers
from emostress_ros.training.physiology.data import all_features
from emostress_ros.training.physiology.variants import RECIPE, VARIANTS, blend_settings
from emostress_ros.training.study_pages import table

NAME = "personalisation"
MODELS = ("physiology_wrist_rest", "physiology_wrist")
_TITLES = {"wesad": "WESAD", "stress_predict": "Stress-Predict"}
_COLOURS = {"resting": "#8d99ae", "calibration": "#2a6f97", "head": "#c2476b"}


def study(data: Path, out: Path, work: Path | None, draws: int, seed: int) -> Path:
    """Measure and write `personalisation.md`, `.json` and `.png`.

    Args:
        data: folder with `segments.csv`, `wesad/` and `stress_predict/`.
        out: folder of the page.
        work: keeps features and held-out answers; None: make them anew.
        draws: of each person's windows.
        seed: of the draws.

    Returns:
        the page.
    """
    subjects = [*wesad.subjects(data), *stress_predict.subjects(data)]
    features = all_features(subjects, PhysiologyConfig(), work, 2)
    found: list[Gain] = []
    for variant in VARIANTS:
        if variant.name in MODELS:
            settings = blend_settings(variant, RECIPE)
            answers = unseen_answers(variant, features, settings, work)
            found += gains(answers, variant.name, draws=draws, seed=seed)
    return write(found, out, draws, seed)


def write(found: Sequence[Gain], folder: Path, draws: int, seed: int) -> Path:
    """Write the page, its figures as JSON and its picture; return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    _draw(found, folder / f"{NAME}.png")
    values = {
        "command": f"emostress personalise --study --data DATA --draws {draws} --seed {seed}",
        "prior": asdict(Prior()),
        "gains": [asdict(gain) for gain in found],
    }
    text = json.dumps(values, indent=1)
    (folder / f"{NAME}.json").write_text(text + "\n", encoding="utf-8")
    page = folder / f"{NAME}.md"
    page.write_text("\n\n".join(_parts(found, draws, str(values["command"]))) + "\n", "utf-8")
    return page


def _parts(found: Sequence[Gain], draws: int, command: str) -> Iterator[str]:
    prior = Prior()
    yield "# What a few windows of one's own give"
    yield f"```bash\n{command}\n```"
    yield (
        "The base model never saw the person (eleven folds by subject), nor did its calibration. "
        "Of each person's windows of 60 s, which do not overlap, some are given to the adaptation "
        "and all that were never drawn are scored, the same for 0, 1, 5 and 20; at least two of "
        f"each kind. That is done {draws} times with other draws and averaged, for each person, "
        "then over persons, who count alike; in brackets the 95 % interval of a bootstrap over "
        "persons, with an asterisk where that of the *difference* to no window excludes 0. The "
        "windows come from the same session as those scored: what another day gives is not known. "
        f"Priors (penalties): scale {prior.scale:g}, shift {prior.shift:g}, weights "
        f"{prior.weights:g}; of a rest's distance to other people's {REST_SHARE:.0%} is taken off. "
        "These four numbers were chosen on these people from a coarse grid. Rests are "
        "compared with those of both sets together, so part of what resting windows give on WESAD "
        "is owed to the set and not to the person."
    )
    for model in dict.fromkeys(gain.model for gain in found):
        yield f"## `{model}`"
        own = [gain for gain in found if gain.model == model]
        for name, title in (("uar", "Balanced accuracy"), ("accuracy", "Accuracy")):
            yield f"{title}, in points:"
            yield _table(own, name)
        yield "Log-loss, in nats (less is better):"
        yield _table(own, "log_loss")
    yield f"![balanced accuracy over windows given]({NAME}.png)"
    yield "## What it teaches"
    yield "\n".join(f"- {line}" for line in _lessons(found))


def _table(found: Sequence[Gain], name: str) -> str:
    heads = ("data", "persons", "given", *(f"{count}" for count in COUNTS))
    body = []
    for dataset in dict.fromkeys(gain.dataset for gain in found):
        for way in dict.fromkeys(gain.way for gain in found):
            row = [g for g in found if (g.dataset, g.way) == (dataset, way)]
            body.append(
                (_TITLES.get(dataset, dataset), str(row[0].persons), WAYS[way],
                 *(_cell(gain, name) for gain in row))
            )  # fmt: skip
    return table(heads, body, right=range(3, 3 + len(COUNTS)))


def _cell(gain: Gain, name: str) -> str:
    factor, digits = (1.0, 3) if name == "log_loss" else (100.0, 1)
    low, high = (factor * bound for bound in gain.ci95[name])
    change = gain.change[name]
    mark = "\\*" if gain.count and (change[0] > 0.0 or change[1] < 0.0) else ""
    shown = f"{factor * gain.figures[name]:.{digits}f}{mark}"
    return f"{shown} [{low:.{digits}f}, {high:.{digits}f}]"


def _lessons(found: Sequence[Gain]) -> Iterator[str]:
    for model in dict.fromkeys(gain.model for gain in found):
        for dataset in dict.fromkeys(gain.dataset for gain in found):
            own = [g for g in found if (g.model, g.dataset) == (model, dataset)]
            said = []
            for way in dict.fromkeys(gain.way for gain in own):
                row = {g.count: g for g in own if g.way == way}
                last = row[COUNTS[-1]]
                low, high = (100 * bound for bound in last.change["uar"])
                gained = 100 * (last.figures["uar"] - row[0].figures["uar"])
                said.append(
                    f"{way} {gained:+.1f} [{low:+.1f}, {high:+.1f}] (log-loss "
                    f"{last.figures['log_loss'] - row[0].figures['log_loss']:+.3f})"
                )
            yield (
                f"`{model}` on {_TITLES.get(dataset, dataset)}: {COUNTS[-1]} windows change the "
                f"balanced accuracy by {'; '.join(said)}."
            )


def _draw(found: Sequence[Gain], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = list(dict.fromkeys((gain.dataset, gain.model) for gain in found))
    figure = Figure(figsize=(3.1 * len(panels), 3.6), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    places = range(len(COUNTS))
    for axis, (dataset, model) in zip(axes, panels, strict=True):
        for shift, way in enumerate(dict.fromkeys(gain.way for gain in found)):
            row = [g for g in found if (g.dataset, g.model, g.way) == (dataset, model, way)]
            values = [100 * gain.figures["uar"] for gain in row]
            bounds = [gain.ci95["uar"] for gain in row]
            below = [v - 100 * low for v, (low, _) in zip(values, bounds, strict=True)]
            above = [100 * high - v for v, (_, high) in zip(values, bounds, strict=True)]
            axis.errorbar(
                [place + 0.1 * (shift - 1) for place in places], values, [below, above],
                fmt="o-", ms=4, lw=1.4, elinewidth=0.8, capsize=2, color=_COLOURS.get(way),
                label=way,
            )  # fmt: skip
        axis.set_title(f"{_TITLES.get(dataset, dataset)}\n{model}", fontsize=9)
        axis.set_xticks(list(places), [str(count) for count in COUNTS])
        axis.set_xlabel("windows of one's own", fontsize=9)
        axis.grid(axis="y", alpha=0.3)
        axis.tick_params(labelsize=8)
    axes[0].set_ylabel("balanced accuracy [%]", fontsize=9)
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
