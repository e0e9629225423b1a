"""``docs/compression.md``, from what ``emostress compress`` measured of each model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emostress_ros.evaluation.compression import (
    MOST_LOST,
    MOST_MOVED,
    SCORED,
    STORED,
    Measured,
    choose,
)

_NAMES = {
    "accuracy": "Accuracy",
    "uar": "UAR",
    "macro_f1": "macro-F1",
    "weighted_f1": "weighted F1",
}

_HEAD = f"""# Compression

Every shipped model was exported to ONNX (parity with torch: at most 1e-4 on every output, checked
at each export and by tests) and then made smaller in the ways that `emostress compress MODEL
--data DATA -o FOLDER` knows:

| Variant | What |
|---|---|
| `fp32` | all weights float32: the reference |
| `fp16` | large weights stored as float16, widened once when the model is loaded |
| `w8` | large weights stored as int8 with a scale a channel, widened once likewise |
| `pruned` | the smaller half of every large weight is zero, without fine-tuning; float32 |
| `int8` | static: products of int8, activations' ranges from people of the training (QDQ) |
| `int8_dynamic` | matrix products of int8, ranges taken afresh from every input |

`int8` folds bounds (ReLU6) into the products before them, leaves the first two convolutions and
the matrices behind the last one in float32, and fits the matrix that makes the embedding anew, on
inputs of the training, so that it gives what float32 gave.

Pruning *with* fine-tuning needs the training and is told of with the model it was done for.

## The rule

The rule looks at accuracy on people or items that were kept from the training, then at size. Of
the variants that compute in float32 on every machine ({", ".join(f"`{name}`" for name in STORED)})
the smallest ships that loses at most {MOST_LOST:.1%} of accuracy on each set (where no set was kept
from the shipped weights, it has to give the reference's answer on {1 - MOST_LOST:.1%} of the
inputs) and moves no probability by more than {MOST_MOVED:g}, so that the calibration and the
threshold of *unknown* stay those that were measured. A model under 1 MB stays as it is. `int8`
and `int8_dynamic` are fast only on CPUs with instructions for 8-bit products (AVX512-VNNI,
AVX-VNNI, Arm's dot product) and slower elsewhere: neither takes the place of float32. Where `int8`
is faster and loses at most {MOST_LOST:.1%} of accuracy on each set, `--add-int8` puts it beside
float32 into the model's folder and card; a node runs it on CPUs that have those instructions
(parameter `precision`), whereas a score is one of float32 on every machine.

One inference of one item, one thread; the variants took turns on the same inputs. On a busy machine
the least time is what to compare, the median tells of its load. *Packed* is the
file's size under deflate, as in a wheel. *Agrees* is the share of those inputs on which a variant
gives `fp32`'s answer, *off by* its greatest difference of a probability.
"""


def write_measurements(
    model: str, variants: Sequence[Measured], facts: Mapping[str, Any], folder: Path
) -> None:
    """Keep what was measured of one model in ``folder/<model>.json`` and write the document anew.

    Args:
        model: name.
        variants: as measured.
        facts: ``command``, ``processor``, ``items`` and ``shipped`` (name of the variant whose
            size the shipped file has).
        folder: ``docs/compression``; the document is ``docs/compression.md``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = {"model": model, **facts, "variants": [_rounded(asdict(v)) for v in variants]}
    (folder / f"{model}.json").write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    parts = [_section(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]
    text = _HEAD + "".join(parts)
    folder.with_suffix(".md").write_text(text, encoding="utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.6g}")
    return value


def _section(held: Mapping[str, Any]) -> str:
    variants = [_measured(raw) for raw in held["variants"]]
    sets = list(dict.fromkeys(name for v in variants for name in v.accuracy))
    reference = variants[0]
    names = [f"{', '.join(_NAMES[key] for key in _scored(reference, where))}: {where}"
             for where in sets]  # fmt: skip
    head = ["Variant", "File", "Packed", *names]
    head += ["Agrees", "Off by", "Least, ms", "Median, ms", "Of fp32's time"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for item in variants:
        cells = _cells(item, sets, reference) if not item.problem else [item.problem]
        lines.append("| " + " | ".join([f"`{item.name}`", *cells]) + " |")
    chosen, why = choose(variants, held["shipped"])
    note = "" if sets else (
        "No accuracy was measured (the weights learned from everybody at hand, or it was left "
        "out); what counts is that a variant answers as the reference does.\n\n"
    )  # fmt: skip
    return (
        f"\n## {held['model']}\n\n`{held['command']}`, on {held['processor']}, "
        f"{held['items']} inputs.\n\n{note}" + "\n".join(lines) + "\n\n"
        f"By the rule: `{chosen}` ({why}). The file that ships holds `{held['shipped']}`.\n"
    )


def _scored(item: Measured, where: str) -> list[str]:
    """The figures that are known of a variant on a set."""
    return [key for key in SCORED if where in getattr(item, key)]


def _measured(raw: Mapping[str, Any]) -> Measured:
    values: dict[str, Any] = {k: float("nan") if v is None else v for k, v in raw.items()}
    return Measured(**values)


def _cells(item: Measured, sets: Sequence[str], reference: Measured) -> list[str]:
    figures = [
        ", ".join(f"{getattr(item, key)[where]:.4f}" for key in _scored(item, where)) or "–"
        for where in sets
    ]
    return [
        f"{item.size / 1e6:.2f} MB", f"{item.packed / 1e6:.2f} MB", *figures,
        f"{item.agreement:.1%}", f"{item.deviation:.1e}", f"{item.fastest_ms:.3f}",
        f"{item.median_ms:.3f}", f"{item.fastest_ms / reference.fastest_ms:.2f}",
    ]  # fmt: skip
