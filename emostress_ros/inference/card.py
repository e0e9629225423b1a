"""A model is a folder: weights and ``model.yaml``, the card that documents and checks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from emostress_ros.affect import EMOTIONS
from emostress_ros.errors import CardError, ModelNotFoundError
from emostress_ros.inference.card_values import check_kinds, dimension, in_unit, share, texts
from emostress_ros.inference.figure import Figure
from emostress_ros.inference.packaged import check_sha256
from emostress_ros.resources import model_directory

CARD_FILE = "model.yaml"
TASKS = ("emotion", "stress")
_REQUIRED = (
    "name version modality task file sha256 inputs outputs calibration reliability "
    "licence data training figures limits"
).split()
_OPTIONAL = "axes labels label_map embedding_dim threshold_unknown extra notes variants".split()


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model, as its card documents it."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    description: str


@dataclass(frozen=True)
class Sizes:
    """How large an axis of a model's inputs may be: least, usual and most, each >= 1."""

    least: int
    usual: int
    most: int


@dataclass(frozen=True)
class Variant:
    """A file that holds a model's network for other arithmetic, and its hash."""

    file: str
    sha256: str


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model: how to feed it, what it says, on what data, how well.

    Attributes:
        folder: where the card and the weights lie.
        reliability: task to skill on people never seen, 0 = chance, 1 = perfect; a task that is
            not estimated is absent.
        threshold_unknown: confidence under which the answer is *unknown*.
        axes: name of an axis, as the inputs' shapes have it, to its sizes; TensorRT needs them.
        variants: name to file of the same network for other arithmetic.
        precision: name of the variant that this is; ``fp32`` for the model itself.
        raw: the whole card as read.
    """

    folder: Path
    name: str
    version: str
    modality: str
    task: tuple[str, ...]
    file: Path
    sha256: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    labels: tuple[str, ...]
    label_map: Mapping[str, str]
    embedding_dim: int
    reliability: Mapping[str, float]
    threshold_unknown: float
    licence: str
    figures: tuple[Mapping[str, Any], ...]
    extra: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, Sizes] = field(default_factory=dict)
    variants: Mapping[str, Variant] = field(default_factory=dict)
    precision: str = "fp32"
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identifier(self) -> str:
        """``name@version``, as it travels in ``ModalityEmbedding.model``."""
        return f"{self.name}@{self.version}"

    @property
    def wire_labels(self) -> tuple[str, ...]:
        """The native labels under their names on the wire (may repeat)."""
        return tuple(self.label_map.get(label, label) for label in self.labels)

    @property
    def measured(self) -> tuple[Figure, ...]:
        """The figures, read; the first is the one to name where there is room for one.

        Raises:
            CardError: a figure lacks what every figure has to say.
        """
        return tuple(Figure.from_mapping(raw, str(self.folder / CARD_FILE)) for raw in self.figures)

    @classmethod
    def load(cls, folder: str | Path) -> ModelCard:
        """Read ``folder/model.yaml``; a bare model name is looked up in the model folders.

        Raises:
            ModelNotFoundError: no such folder or card.
            CardError: a key is missing, unknown, or holds what is not allowed.
        """
        path = Path(folder)
        if not (path / CARD_FILE).is_file():
            path = model_directory(str(folder))
        return cls.from_mapping(_read(path / CARD_FILE), path)

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any], folder: Path) -> ModelCard:
        """Build a card from the mapping of a ``model.yaml``.

        Raises:
            CardError: see :meth:`load`.
        """
        where = folder / CARD_FILE
        _check_keys(raw, where)
        card = cls(
            folder=folder,
            name=str(raw["name"]),
            version=str(raw["version"]),
            modality=str(raw["modality"]),
            task=texts(raw, "task", where),
            file=folder / str(raw["file"]),
            sha256=str(raw["sha256"]),
            inputs=_tensors(raw["inputs"], where, "preprocessing"),
            outputs=_tensors(raw["outputs"], where, "meaning"),
            labels=texts(raw, "labels", where),
            label_map=dict(raw.get("label_map") or {}),
            embedding_dim=dimension(raw, where),
            reliability=_reliability(raw["reliability"], where),
            threshold_unknown=share(raw, "threshold_unknown", where),
            licence=str(raw["licence"]),
            figures=tuple(raw["figures"] or ()),
            extra=dict(raw.get("extra") or {}),
            axes=_axes(raw, where),
            variants=_variants(raw, where),
            raw=raw,
        )
        card._check(where)
        return card

    def _check(self, where: Path) -> None:
        for task in self.task:
            if task not in TASKS:
                raise CardError(f"{where}: task '{task}' is not one of {', '.join(TASKS)}")
        for label in self.wire_labels:
            if label not in EMOTIONS:
                raise CardError(
                    f"{where}: label '{label}' is not on the wire ({', '.join(EMOTIONS)}) "
                    f"and label_map does not name one that is"
                )

    def variant(self, name: str) -> ModelCard:
        """Return the card of a variant: the same model with another file.

        Raises:
            CardError: there is no such variant.
        """
        if name not in self.variants:
            known = ", ".join(("fp32", *self.variants))
            raise CardError(f"{self.identifier} has no variant '{name}'; it has {known}")
        chosen = self.variants[name]
        return replace(
            self, file=self.folder / chosen.file, sha256=chosen.sha256, precision=name
        )  # fmt: skip

    def check_weights(self) -> None:
        """Check that the weights are there and are those that the card describes.

        Raises:
            ModelNotFoundError: the file is missing.
            ModelCorruptError: its hash is another.
        """
        if not self.file.is_file():
            raise ModelNotFoundError(f"{self.folder / CARD_FILE} names {self.file}: no such file")
        check_sha256(self.file, self.sha256)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CardError(f"{path} is not YAML: {error}") from error
    except OSError as error:
        raise ModelNotFoundError(f"cannot read {path}: {error}") from error
    if not isinstance(raw, dict):
        raise CardError(f"{path} must hold a mapping; got {type(raw).__name__}")
    return raw


def _check_keys(raw: Mapping[str, Any], where: Path) -> None:
    missing = [key for key in _REQUIRED if key not in raw]
    if missing:
        raise CardError(f"{where} lacks {', '.join(missing)}")
    unknown = [key for key in raw if key not in (*_REQUIRED, *_OPTIONAL)]
    if unknown:
        raise CardError(
            f"{where} has unknown keys {', '.join(unknown)}; "
            f"allowed: {', '.join((*_REQUIRED, *_OPTIONAL))}"
        )
    check_kinds(raw, where)


def _tensors(raw: Any, where: Path, text_key: str) -> tuple[Tensor, ...]:
    tensors = []
    for entry in raw or ():
        if not isinstance(entry, dict) or not {"name", "dtype", "shape"} <= set(entry):
            raise CardError(f"{where}: a tensor needs name, dtype and shape; got {entry!r}")
        description = str(entry.get(text_key) or entry.get("description") or "")
        shape = entry["shape"]
        if not isinstance(shape, list) or not all(isinstance(size, (int, str)) for size in shape):
            raise CardError(
                f"{where}: the shape of '{entry['name']}' must be a list of sizes and names of "
                f"axes; got {shape!r:.80}"
            )
        tensors.append(Tensor(str(entry["name"]), str(entry["dtype"]), tuple(shape), description))
    return tuple(tensors)


def _axes(raw: Mapping[str, Any], where: Path) -> dict[str, Sizes]:
    axes = {}
    known = {axis for tensor in raw["inputs"] or () for axis in tensor["shape"]}
    for name, sizes in (raw.get("axes") or {}).items():
        if name not in known or not _rising(sizes):
            raise CardError(
                f"{where}: axes maps an axis of an input to [least, usual, most], each >= 1 and "
                f"none below the one before; got {name}: {sizes!r}"
            )
        axes[str(name)] = Sizes(*sizes)
    return axes


def _rising(sizes: Any) -> bool:
    whole = isinstance(sizes, list) and len(sizes) == 3 and all(type(n) is int for n in sizes)
    return whole and 1 <= sizes[0] <= sizes[1] <= sizes[2]


def _variants(raw: Mapping[str, Any], where: Path) -> dict[str, Variant]:
    variants = {}
    for name, entry in (raw.get("variants") or {}).items():
        if not isinstance(entry, dict) or not {"file", "sha256", "of"} <= set(entry):
            raise CardError(f"{where}: variant '{name}' needs file, sha256 and of; got {entry!r}")
        if entry["of"] != raw["sha256"]:
            raise CardError(f"{where}: variant '{name}' was made of other weights; make it again")
        variants[str(name)] = Variant(str(entry["file"]), str(entry["sha256"]))
    return variants


def _reliability(raw: Any, where: Path) -> dict[str, float]:
    reliability = {}
    for task, value in (raw or {}).items():
        if value is None:
            continue
        if task not in TASKS or not in_unit(value):
            raise CardError(
                f"{where}: reliability must map {'/'.join(TASKS)} to [0, 1]; got {task}: {value!r}"
            )
        reliability[str(task)] = float(value)
    return reliability
