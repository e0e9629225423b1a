"""The study of the fusion as a page, its figures as JSON, and what goes onto the cards."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emostress_ros.fusion.evidence import SPEAKS_OF_STRESS, STRESS_LOGIT, Layout
from emostress_ros.training.fusion.end_to_end import lines as stage3_lines
from emostress_ros.training.fusion.evaluate import ALONE, EVERYTHING, name_of
from emostress_ros.training.fusion.figures import check_lines, holds, lines
from emostress_ros.training.fusion.pairs import Pairs
from emostress_ros.training.fusion.plots import draw_losses, draw_noise, draw_subsets
from emostress_ros.training.fusion.stream import lines as stream_lines
from emostress_ros.training.fusion.tables import Table
from emostress_ros.training.fusion.trials import trial_moments

PAIRED = "paired by label, five folds by person"
_ALL = name_of(EVERYTHING)
_SETS = {
    "emotion": "FER2013 PublicTest, RAVDESS, GoEmotions dev; WESAD and Stress-Predict in any state",
    "stress": "WESAD, Stress-Predict, Dreaddit (held-out fifth); faces and voices of any label",
}
Results = Mapping[str, Any]


def card_figures(results: Results, strategy: str, model: str) -> list[dict[str, Any]]:
    """Return the figures of a card: everything, each modality that speaks by itself, any subset.

    Args:
        results: of the study.
        strategy: whose figures.
        model: name of the card.
    """
    found = []
    for question, single in (("emotion", ("face", "voice", "text")),
                             ("stress", ("physiology", "text"))):  # fmt: skip
        for condition in (_ALL, *single):
            figures = results[question]["table"][strategy][condition]
            part = [] if condition == _ALL else ["subsets", condition]
            found.append(_entry(question, condition, figures, model, part))
    found.append(_entry("subsets", "any subset", results["subsets"][strategy], model, []))
    return found


def _entry(
    question: str, condition: str, figures: Mapping[str, Any], model: str, part: list[str]
) -> dict[str, Any]:
    names = ("accuracy", "uar", "ece", *(("auroc",) if "auroc" in figures else ()))
    asked = "stress" if question == "stress" else "emotion"
    return {
        "dataset": f"{_SETS[asked]}: {asked} from {condition}",
        "split": PAIRED,
        "n": figures["n"],
        "persons": figures["persons"],
        "metrics": {name: round(float(figures[name]), 4) for name in names},
        "ci95": {name: [round(float(v), 4) for v in ends]
                 for name, ends in figures["ci95"].items()},
        **({"part": part} if part else {}),
        "command": f"emostress score fusion paired_{question} DATA --protocol folds "
                   f"--model {model}",
    }  # fmt: skip


def reliability(results: Results, strategy: str) -> dict[str, float]:
    """Return the skill with everything: 0 is chance, 1 perfect."""
    emotion = results["emotion"]["table"][strategy][_ALL]["uar"]
    stress = results["stress"]["table"][strategy][_ALL]["uar"]
    return {
        "emotion": round(float(np.clip((emotion - 1 / 7) / (6 / 7), 0.0, 1.0)), 4),
        "stress": round(float(np.clip((stress - 0.5) / 0.5, 0.0, 1.0)), 4),
    }


def stress_speakers(
    net: torch.nn.Module, joined: Mapping[str, Table], layout: Layout
) -> list[dict[str, Any]]:
    """Return how strongly each modality speaks of stress: its exponent and its share.

    The exponent multiplies the log-odds that the encoder gives: 1 takes them as they are, 0 hears
    nothing.  It is the slope of the token's evidence over its encoder's log-odds.
    """
    pairs = Pairs(joined, layout)
    moments = trial_moments(joined, np.random.default_rng(0), 1)[1]
    rows = []
    for m, table in enumerate(pairs.tables):
        for kind, name in enumerate(table.kinds):
            spoilt = moments.spoilt(table.modality, kind, forged=False)
            embeddings, evidence = pairs.assemble(spoilt)
            if not evidence[:, m, SPEAKS_OF_STRESS].any():
                break
            with torch.no_grad():
                said = net(torch.from_numpy(embeddings), torch.from_numpy(evidence))
            weights = said.stress_weights.numpy()
            felt = weights * evidence[:, :, SPEAKS_OF_STRESS]
            share = felt[:, m] / np.maximum(felt.sum(axis=1), 1e-9)
            size = np.abs(evidence[:, m, STRESS_LOGIT])
            rows.append(
                {
                    "modality": table.modality, "signal": name,
                    "quality": float(table.quality[kind, moments.items[:, m]].mean()),
                    "exponent": float((weights[:, m] * size).sum() / (size**2).sum()),
                    "share": float(share.mean()),
                }
            )  # fmt: skip
    return rows


def write(
    results: dict[str, Any], options: argparse.Namespace, sets: Sequence[str], folder: Path
) -> str:
    """Write ``fusion.md``, ``fusion.json`` and the pictures; return what is to be shown."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fusion.json").write_text(json.dumps(_rounded(results), indent=1) + "\n", "utf-8")
    emotion, stress = results["emotion"], results["stress"]
    draw_subsets(emotion["table"], folder / "fusion_subsets.png")
    draw_noise(emotion["table"], stress["table"], folder / "fusion_noise.png")
    draw_losses(options.out / "fusion_attention" / "training.csv", folder / "fusion_loss.png")
    n = emotion["table"][ALONE]["voice"]
    tense = stress["table"][ALONE]["physiology"]
    page = [
        "# Study: fusion", "",
        "Which strategy fuses best, does any subset of the senses hold, and what does noise in "
        "place of a sense cost?", "",
        "- command: `emostress train fusion --data DIR` "
        f"(seed {options.seed})",
        f"- **paired by label**: every moment is made of different people who share a label "
        f"({PAIRED}); no set at hand has all four modalities of one person. Errors of different "
        "people are independent of each other, those of one person are not, so that every gain "
        "below is an upper bound of what one person would show.",
        f"- emotion: {_SETS['emotion']}; n = {n['n']}, {n['persons']} pseudo-persons "
        "(RAVDESS's actors, each with faces and comments of its own)",
        f"- stress: {_SETS['stress']}; n = {tense['n']}, {tense['persons']} persons",
        "- voice and physiology: encoders cross-fitted, so that nobody is judged by an encoder "
        "that learned from them; face and text: parts that the encoders were not trained on",
        "- intervals: 95 %, bootstrap over persons; differences are paired", "",
        "The encoders:", "", *(f"- {line}" for line in sets), "",
        "## Emotion: UAR [%] of every subset", "", *lines("emotion", emotion["table"]), "",
        "![UAR of every subset](fusion_subsets.png)", "",
        "## Stress: UAR [%] of every subset", "",
        "Face and voice say nothing of stress (no set at hand labels them); they are there to show "
        "that they do no harm.", "", *lines("stress", stress["table"]), "",
        "### Which modality speaks of stress, and how strongly", "",
        "Learned by the attention. The exponent multiplies an encoder's log-odds (1: taken as they "
        "are); the share is the part of the state's evidence with everything present.", "",
        *_speaker_lines(results["speakers"]), "",
        "## What must hold of the shipped fusion (attention)", "",
        "*gain*: everything against the best single modality, at least 5 points. *subset*: at "
        "least as good as its best member, within the interval. *noise*: the signal of one "
        "modality is replaced by noise (*forged*: under the quality of the clean signal, so that "
        "nobody noticed); at most 2 points under the subset without it.", "",
        "### Emotion", "", *check_lines(emotion["checks"]), "",
        "### Stress", "", *check_lines(stress["checks"]), "",
        "![noise in place of a sense](fusion_noise.png)", "",
        "## In time",
        "",
        "Streams of ten minutes, put together from people never seen: the emotion changes every 5 "
        "to 12 s, stress every 40 to 80 s; a frame five times a second, an utterance every 3 s, a "
        "comment every 4 s, a window of the body every 5 s. Every window is drawn anew, where "
        "those of one body overlap, which is harder than life. 0 is without any smoothing; the "
        "default of `smoothing_s` is 0.6. It and the other parameters were chosen on such streams "
        "of the first three folds' people; these are the last fold's.",
        "",
        *stream_lines(results["time"]),
        "",
        "## When the emotion is unknown", "",
        "The rule of all cards (docs/calibration.md), over the 14 subsets that speak of emotion, "
        "all alike. By the same answers the logits of a learned fusion are divided by one "
        "temperature; in every figure of this page a fold has that of the other four.", "",
        *_threshold_lines(results["subsets"]), "",
        "## The loss, term by term", "", "![loss](fusion_loss.png)", "",
        *_stage3_lines(results.get("stage3")),
    ]  # fmt: skip
    notes = folder / "fusion_notes.md"
    more = notes.read_text("utf-8").splitlines() if notes.is_file() else []
    (folder / "fusion.md").write_text("\n".join([*page, *more]).rstrip() + "\n", "utf-8")
    return summary(results)


def summary(results: Results) -> str:
    """Return the verdicts as text for the terminal."""
    rows = []
    for question in ("emotion", "stress"):
        rows += [f"{question} ({PAIRED})", *lines(question, results[question]["table"])]
        checks = results[question]["checks"]
        failed = [item for item in checks if not holds(item)]
        rows.append(f"{len(checks) - len(failed)} of {len(checks)} hold")
        rows += [f"  no: {i['kind']} {i['condition']} against {i['against']}: "
                 f"{100 * i['difference']:+.1f}" for i in failed]  # fmt: skip
    return "\n".join(rows)


def _threshold_lines(subsets: Results) -> list[str]:
    rows = [
        "| strategy | temperature | threshold | UAR of any subset [%] | ECE |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {name} | {item['temperature']:.3f} | {item['threshold']:.3f} | "
        f"{100 * item['uar']:.1f} | {item['ece']:.3f} |"
        for name, item in subsets.items()
    ]
    return rows


def _stage3_lines(found: Results | None) -> list[str]:
    if not found:
        return []
    return [
        "## Stage 3: a face network through the fusion", "",
        "`--finetune CHECKPOINT`: the last block, the embedding and the answer of the face network "
        "learn with the attention, on its frozen body's features; five folds by person, the same "
        "moments before and after. The network is the checkpoint, not the shipped average.", "",
        *stage3_lines(found), "", "![terms of the loss](fusion_stage3.png)", "",
    ]  # fmt: skip


def _speaker_lines(speakers: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = ["| modality | signal | quality | exponent | share |", "|---|---|---|---|---|"]
    rows += [
        f"| {s['modality']} | {s['signal']} | {s['quality']:.2f} | {s['exponent']:.2f} | "
        f"{s['share']:.2f} |"
        for s in speakers
    ]
    return [*rows, "| face, voice | any | | 0 | 0 |"]


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return round(float(value), 5) if isinstance(value, (float, np.floating)) else value
