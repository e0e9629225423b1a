"""``docs/calibration.md``: tables and pictures of every model's calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from emostress_ros.evaluation.calibration import ISOTONIC, RAW, SHIPPED, TEMPERATURE, Honesty
from emostress_ros.evaluation.calibration_plots import plot_model
from emostress_ros.training.calibrate import LEAST_SKILL

TARGET = 0.05
NOTES = "calibration_notes.md"
_WAYS = (RAW, SHIPPED, TEMPERATURE, ISOTONIC)
_HEAD = f"""# Calibration

A probability that a model gives should be as often right as it says. Everything here is measured
on items of people that the predicting weights never saw (FER2013 does not name its people: there
on images never seen), by the protocol that each figure of a model's card names. Written by

```
{{command}}
```

## Confidence and truth

ECE is the expected calibration error over 15 bins of the top probability (Guo et al. 2017); every
shipped model has to stay at or below {TARGET:.2f}. *Uncalibrated* undoes what the card says was
done; *shipped* is what the model's file says. *Temperature* (with two classes also a shift of the
log-odds, Platt 1999) and *isotonic* (one map a class, Zadrozny and Elkan 2002) start from the
uncalibrated probabilities and are fitted on other people than those they are judged on (five
folds), so their columns show what a recalibration on such data would really bring. Log-loss is in
nats; smaller is better for both.

{{table}}

{{lesson}}

{{notes}}## When to say *unknown*

A card's `threshold_unknown` is a confidence: answers below it are better not given. The rule: the
answers are put in the order of their confidence, and in every neighbourhood of a twentieth of
them the accuracy is taken; the threshold is the confidence below which that accuracy is less than
1/K + {LEAST_SKILL:g} (1 − 1/K) for K classes, a skill of {LEAST_SKILL:g} where 0 is chance and 1 is
always right: 0.40 with seven classes, 0.39 with eight, 0.65 with two. *Coverage* is the share of
the items that are answered at the card's threshold, *risk* the share of those answers that are
wrong, *risk of all* that of answering always; the area lies under the risk–coverage curve
(El-Yaniv and Wiener 2010). *Rule here* is what the rule gives on the set of that line alone; a
card has one threshold for all its sets, the rule's over those it learned from, taken together (for
text over what is published, rounded). It says what an application had better not act upon; the
graph itself publishes every probability. A fused state becomes *unknown* under the threshold of the
fusion's own card, or under the parameter `unknown_below` where that is set; an encoder's threshold
is of its own probabilities and does not carry over to the fused ones. A text model's threshold is
that of its emotions, not of its stress.

{{thresholds}}
"""


def write(found: Sequence[Honesty], folder: Path, command: str) -> Path:
    """Write ``calibration.md`` and ``figures/calibration_<model>.png`` into a folder of documents.

    What was tried is put in from :data:`NOTES` of that folder, where it is there.

    Args:
        found: of all models, those of one model one after the other.
        folder: such as ``docs``.
        command: that was run.
    """
    models: dict[str, list[Honesty]] = {}
    for item in found:
        models.setdefault(item.model, []).append(item)
    text = _HEAD.format(
        command=command, table=_calibration_table(found), lesson=_lesson(found),
        notes=_notes(folder / NOTES), thresholds=_threshold_table(found),
    )  # fmt: skip
    for model, items in models.items():
        picture = folder / "figures" / f"calibration_{model}.png"
        plot_model(items, picture)
        text += f"\n### {model}\n\n![reliability and risk of {model}](figures/{picture.name})\n"
    path = folder / "calibration.md"
    path.write_text(text, encoding="utf-8")
    return path


def _notes(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip() + "\n\n" if file.is_file() else ""


def _calibration_table(found: Sequence[Honesty]) -> str:
    lines = [
        "| Model | On | n | Persons | ECE uncalibrated | **shipped** | temperature | isotonic "
        "| Log-loss shipped | temperature | isotonic |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for item in found:
        errors = [_number(item.ece, way) for way in _WAYS]
        errors[1] = f"**{errors[1]}**"
        losses = [_number(item.loss, way) for way in _WAYS[1:]]
        where = f"{item.dataset}; {item.split}"
        persons = "unknown" if item.persons in (None, item.n) else str(item.persons)
        cells = (f"`{item.model}`", where, str(item.n), persons, *errors, *losses)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(values: Mapping[str, float], way: str) -> str:
    return f"{values[way]:.3f}" if way in values else "–"


def _lesson(found: Sequence[Honesty]) -> str:
    """What the table says in sentences: the bound, and which of the two ways is better."""
    over = [f"`{i.model}` on {i.dataset} ({i.ece[SHIPPED]:.3f})" for i in found
            if i.ece[SHIPPED] > TARGET]  # fmt: skip
    bound = (
        f"Over the bound of {TARGET:.2f}: {', '.join(over)}."
        if over
        else f"No model is over the bound of {TARGET:.2f} on any of its sets."
    )
    smaller = sum(i.ece[ISOTONIC] < i.ece[TEMPERATURE] for i in found)
    likelier = sum(i.loss[ISOTONIC] < i.loss[TEMPERATURE] for i in found)
    changed = max(abs(i.accuracy[ISOTONIC] - i.accuracy[TEMPERATURE]) for i in found)
    return (
        f"{bound} Isotonic regression has the smaller ECE on {smaller} of {len(found)} lines and "
        f"the smaller log-loss on {likelier}; it may change which class comes first, here by at "
        f"most {changed:.1%} of accuracy, which a temperature never does. A temperature is one "
        "number that cannot overfit few people, and it lives in the model's file; that is why the "
        "models ship with it."
    )


def _threshold_table(found: Sequence[Honesty]) -> str:
    lines = [
        "| Model | On | Classes | Threshold | Coverage | Risk | Risk of all | Area | Rule here |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for item in found:
        numbers = (
            f"{item.threshold:.3f}", f"{item.coverage:.1%}", f"{item.risk:.1%}",
            f"{item.curve.risk[-1]:.1%}", f"{item.curve.area:.3f}", f"{item.rule:.3f}",
        )  # fmt: skip
        cells = (f"`{item.model}`", f"{item.dataset}; {item.split}", str(item.classes), *numbers)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
