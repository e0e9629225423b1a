"""Which of a model's files to run: that of float32, or one made for the processor at hand.

A card may name ``variants`` beside its ``file``: the same network for other arithmetic, each made
of exactly the weights that the card describes.  ``int8`` multiplies 8-bit numbers, which takes a
half to a third of the time on a CPU that has instructions for it, and more than float32 elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from emostress_ros.inference.card import ModelCard

PRECISIONS = ("auto", "fp32", "int8")
"""What a node may be asked for; ``auto`` takes int8 where the model and the CPU have it."""
INSTRUCTIONS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp")
"""Sums of products of 8-bit numbers, as Linux names them: x86's VNNI and AMX, Arm's dot product."""


def choose(
    card: ModelCard, precision: str = "auto", providers: Sequence[str] = ("cpu",)
) -> ModelCard:
    """Return the card, or that of its variant.

    Args:
        card: of the model.
        precision: one of :data:`PRECISIONS`.
        providers: wanted; variants are for the CPU, so ``auto`` leaves other providers' models be.

    Raises:
        CardError: ``int8`` is asked for and the model has none.
    """
    if precision == "int8" or (precision == "auto" and _pays(card, providers)):
        return card.variant("int8")
    return card


def _pays(card: ModelCard, providers: Sequence[str]) -> bool:
    return "int8" in card.variants and list(providers[:1]) == ["cpu"] and bool(int8_instructions())


@lru_cache(maxsize=1)
def int8_instructions() -> tuple[str, ...] | None:
    """Return those of :data:`INSTRUCTIONS` that the CPU has; None where that cannot be told."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return None
    return tuple(name for name in INSTRUCTIONS if name in words)
