"""A model is opened with the first of the wanted providers that runs it; the others say why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from emostress_ros.errors import ModelError, ProviderError
from emostress_ros.inference.backend import Backend
from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.native import BuildListener, load_runtime, open_native
from emostress_ros.inference.onnx_bytes import with_outputs
from emostress_ros.inference.ort_backend import OrtBackend, lacking
from emostress_ros.inference.providers import NATIVE
from emostress_ros.inference.quantised import open_quantised


@dataclass(frozen=True)
class Wish:
    """How a model is to be run.

    Attributes:
        providers: in order of preference.
        threads: of one operator on the CPU.
        precision: of a TensorRT engine.
        bind: see :class:`~emostress_ros.inference.ort_backend.OrtBackend`.
        listener: hears how the building of an engine gets on.
        outputs: what is wanted of the model; empty for all.
    """

    providers: tuple[str, ...]
    threads: int = 1
    precision: str = "fp16"
    bind: bool | None = None
    listener: BuildListener | None = None
    outputs: tuple[str, ...] = ()


def open_backend(
    name: str, model: ModelCard | Path | str | bytes, wish: Wish
) -> tuple[Backend, str]:
    """Open a model.

    Returns:
        the model, ready to run, and why the first wanted provider does not run it (empty when it
        does).

    Raises:
        ModelCorruptError: nothing can load it.
    """
    source = model.file if isinstance(model, ModelCard) else model
    reasons: list[str] = []
    for group in _groups(wish.providers):
        if group == (NATIVE,):
            try:
                card = model if isinstance(model, ModelCard) else None
                found = open_native(name, source, card, wish.precision, wish.listener)
            except ModelError as error:
                reasons.append(f"{NATIVE} cannot be used: {error}")
                continue
            return found, _told(wish.providers, found.provider, reasons)
        usable = list(_usable(group, reasons))
        if not usable:
            continue
        # An engine is kept by its model's bytes, and drops what nobody asks for by itself.
        asked = _lean(source, wish.outputs) if usable == ["cpu"] else source
        opened = OrtBackend(name, asked, usable, wish.threads, wish.precision, wish.bind)
        if opened.provider in group:
            before = usable[: usable.index(opened.provider)] if opened.provider in usable else []
            reasons += [f"{item} could not be started" for item in before]
            told = _told(wish.providers, opened.provider, reasons)
            return _fastest(asked, opened, wish), told
        reasons += [f"{item} could not be started" for item in usable]
    asked = _lean(source, wish.outputs)
    last = OrtBackend(name, asked, ("cpu",), wish.threads, wish.precision, wish.bind)
    return _fastest(asked, last, wish), _told(wish.providers, last.provider, reasons)


def _fastest(source: Path | str | bytes, opened: OrtBackend, wish: Wish) -> Backend:
    """Return what runs the model on the CPU in place of ONNX Runtime, if anything does."""
    # ONNX Runtime shares the work among threads, which the kernel does not.
    if opened.provider != "cpu" or wish.threads != 1:
        return opened
    return open_quantised(opened.name, source, opened) or opened


def _lean(source: Path | str | bytes, outputs: Sequence[str]) -> Path | str | bytes:
    """Return the model without what only other outputs need."""
    if not outputs:
        return source
    return with_outputs(source if isinstance(source, bytes) else Path(source).read_bytes(), outputs)


def lacking_provider(name: str) -> str:
    """Return why a provider cannot be used on this machine, after the words ``<name> is``.

    Empty where it can be; a model may still hold what it cannot run.
    """
    if name != NATIVE:
        return lacking(name)
    try:
        load_runtime()
    except ProviderError as error:
        return f"not usable: {error}"
    return ""


def _groups(providers: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield what is opened together: ONNX Runtime takes several providers at once."""
    together: list[str] = []
    for name in providers:
        if name != NATIVE:
            together.append(name)
            continue
        if together:
            yield tuple(together)
        yield (NATIVE,)
        together = []
    if together:
        yield tuple(together)


def _usable(group: Sequence[str], reasons: list[str]) -> Iterator[str]:
    for name in group:
        reason = lacking(name)
        if reason:
            reasons.append(f"{name} is {reason}")
        else:
            yield name


def _told(providers: Sequence[str], used: str, reasons: Sequence[str]) -> str:
    if used == providers[0]:
        return ""
    return f"wanted {providers[0]}, runs on {used}: {'; '.join(reasons)}"
