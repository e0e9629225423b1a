"""FER2013 and FER+: 48×48 grey faces, seven labels, and ten raters' votes.

Sources: Goodfellow et al., "Challenges in representation learning", ICONIP 2013 (FER2013);
Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced
label distribution", ICMI 2016 (FER+).

Two layouts are read: the official ``fer2013.csv`` (columns ``emotion,pixels,Usage``), with FER+'s
``fer2013new.csv`` beside it where there is one, and ``fer2013.npz`` (``images``, ``label``,
``label_names``, ``usage``, and where known ``ferplus_votes``, ``ferplus_names``).
"""

from __future__ import annotations

import io
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets import fer2013_csv

LABELS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER2013's classes in the order of its label column."""

FERPLUS_LABELS: tuple[str, ...] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)
"""FER+'s eight emotions; the votes hold two more columns, ``unknown`` and ``NF`` (not a face)."""

USAGES: tuple[str, ...] = ("Training", "PublicTest", "PrivateTest")
SIDE = fer2013_csv.SIDE
_FILES = ("fer2013.npz", "fer2013.csv", "icml_face_data.csv")

ImageArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Fer2013:
    """The set, or a part of it.

    Attributes:
        images: (N, 48, 48) uint8, grey.
        labels: (N,) int64, index into :data:`LABELS`; -1 where the label is not known.
        usage: (N,) of ``Training``, ``PublicTest`` or ``PrivateTest``.
        votes: (N, 10) uint8 FER+ votes (:data:`FERPLUS_LABELS`, unknown, NF), or None.
    """

    images: ImageArray
    labels: npt.NDArray[np.int64]
    usage: npt.NDArray[np.str_]
    votes: npt.NDArray[np.uint8] | None

    def __len__(self) -> int:
        return len(self.images)

    def select(self, keep: npt.NDArray[np.bool_]) -> Fer2013:
        """Return the rows where ``keep`` (N,) is True."""
        votes = None if self.votes is None else self.votes[keep]
        return Fer2013(self.images[keep], self.labels[keep], self.usage[keep], votes)


def load(path: Path | str) -> Fer2013:
    """Read the set from a file, or from the folder that holds it.

    Raises:
        DatasetError: nothing readable there, or not FER2013's layout.
    """
    file = _find(Path(path))
    data = _load_npz(file) if file.suffix == ".npz" else _load_csv(file)
    if len(data) == 0:
        raise DatasetError(f"{file} holds no faces")
    return data


def held_out(data: Fer2013, split: str | None) -> Fer2013:
    """Return the rows of a split.

    Args:
        data: the set.
        split: ``training``, ``publictest``, ``privatetest``, ``all``, or None for every
            held-out usage present (everything where only Training is present).

    Raises:
        DatasetError: a split that is not known, or that the file does not hold.
    """
    names = {usage.lower(): usage for usage in USAGES}
    if split is None:
        keep = data.usage != "Training"
        return data.select(keep) if keep.any() else data
    if split.lower() == "all":
        return data
    if split.lower() not in names:
        raise DatasetError(f"split must be one of {', '.join(names)}, all; got {split!r}")
    keep = data.usage == names[split.lower()]
    if not keep.any():
        present = ", ".join(sorted(set(data.usage.tolist())))
        raise DatasetError(f"no row of usage {names[split.lower()]!r}; the file holds {present}")
    return data.select(keep)


def ferplus_distribution(votes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Turn votes into label distributions over the eight FER+ emotions.

    Single votes are outliers and dropped (Barsoum et al. 2016), unless nothing else remains.

    Args:
        votes: (N, 10).

    Returns:
        (N, 8) rows that sum to 1, or to 0 where most raters saw no emotion or no face.
    """
    counts = np.where(votes <= 1, 0, votes).astype(np.float32)
    counts = np.where(counts.sum(1, keepdims=True) > 0, counts, votes.astype(np.float32))
    emotions = counts[:, : len(FERPLUS_LABELS)]
    usable = (counts.argmax(1) < len(FERPLUS_LABELS)) & (emotions.sum(1) > 0)
    total = np.maximum(emotions.sum(1, keepdims=True), 1e-9)
    return np.where(usable[:, None], emotions / total, 0).astype(np.float32)


def exact_duplicates(images: ImageArray, of: ImageArray) -> npt.NDArray[np.bool_]:
    """Return (N,) True where an image is, byte for byte, also in ``of``."""
    known = {image.tobytes() for image in of}
    return np.array([image.tobytes() in known for image in images], dtype=bool)


def near_duplicates(
    images: ImageArray, of: ImageArray, correlation: float = 0.98
) -> npt.NDArray[np.bool_]:
    """Return (N,) True where a 16×16 thumbnail correlates with one in ``of``, mirrored or not."""
    found = np.zeros(len(images), dtype=bool)
    if len(of) == 0:
        return found
    references = np.concatenate([_thumbnails(of), _thumbnails(of[:, :, ::-1])])
    for start in range(0, len(images), 2048):
        block = _thumbnails(images[start : start + 2048])
        found[start : start + 2048] = (block @ references.T).max(1) >= correlation
    return found


def _thumbnails(images: ImageArray) -> npt.NDArray[np.float32]:
    pooled = images.reshape(-1, 16, 3, 16, 3).mean((2, 4), dtype=np.float32).reshape(-1, 256)
    pooled -= pooled.mean(1, keepdims=True)
    norm = np.linalg.norm(pooled, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = (pooled / np.maximum(norm, 1e-6)).astype(np.float32)
    return unit


def _find(path: Path) -> Path:
    if path.is_file() and path.suffix in (".npz", ".csv"):
        return path
    for name in _FILES:
        if path.is_dir() and (path / name).is_file():
            return path / name
    raise DatasetError(f"no FER2013 at {path}: expected one of {', '.join(_FILES)} there")


def _load_npz(file: Path) -> Fer2013:
    try:
        with zipfile.ZipFile(file) as archive:
            arrays = {
                Path(name).stem: _read_array(archive.read(name)) for name in archive.namelist()
            }
    except (zipfile.BadZipFile, pickle.UnpicklingError, ValueError, EOFError) as error:
        raise DatasetError(f"{file} is not a readable npz: {error}") from error
    missing = [key for key in ("images", "label") if key not in arrays]
    if missing:
        raise DatasetError(f"{file} lacks {', '.join(missing)}; it holds {sorted(arrays)}")
    images, labels = arrays["images"], arrays["label"].astype(np.int64)
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or images.dtype != np.uint8:
        raise DatasetError(f"images must be N×48×48 uint8; got {images.shape} {images.dtype}")
    usage = arrays.get("usage", np.full(len(images), "Training")).astype(np.str_)
    votes = arrays.get("ferplus_votes")
    columns = [images, labels, usage] + ([] if votes is None else [votes])
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        raise DatasetError(f"{file}: images, label, usage and votes differ in length: {lengths}")
    return Fer2013(images, _canonical(labels, arrays.get("label_names"), file), usage, votes)


def _canonical(
    labels: npt.NDArray[np.int64], names: np.ndarray | None, file: Path
) -> npt.NDArray[np.int64]:
    """Reorder labels to :data:`LABELS` where the file brings its own order."""
    order = LABELS if names is None else tuple(str(name) for name in names)
    if sorted(order) != sorted(LABELS):
        raise DatasetError(f"{file}: label_names must be {', '.join(LABELS)}; got {order}")
    if labels.min() < -1 or labels.max() >= len(LABELS):
        raise DatasetError(f"{file}: labels must lie in -1 … 6; got {labels.min()}…{labels.max()}")
    table = np.array([LABELS.index(name) for name in order] + [-1])
    reordered: npt.NDArray[np.int64] = table[labels].astype(np.int64)
    return reordered


class _StringUnpickler(pickle.Unpickler):
    """Unpickles arrays of strings and nothing else: a data file must not run code."""

    _ALLOWED = frozenset(
        (module, name)
        for module, names in (
            ("numpy", ("ndarray", "dtype")),
            ("numpy.core.multiarray", ("_reconstruct",)),
            ("numpy._core.multiarray", ("_reconstruct",)),
        )
        for name in names
    )

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a data file")
        return super().find_class(module, name)


def _read_array(raw: bytes) -> np.ndarray:
    """Read one ``.npy`` member; object arrays only where they hold strings."""
    stream = io.BytesIO(raw)
    version = np.lib.format.read_magic(stream)
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    _, _, dtype = read_header(stream)
    if dtype.hasobject:
        return np.asarray(_StringUnpickler(stream).load()).astype(np.str_)
    stream.seek(0)
    return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def _load_csv(file: Path) -> Fer2013:
    images, labels, usage = fer2013_csv.read_faces(file, len(LABELS))
    beside = file.with_name(fer2013_csv.VOTES_FILE)
    votes = fer2013_csv.read_votes(beside, (*FERPLUS_LABELS, "unknown", "NF"), usage)
    return Fer2013(images, labels, usage, votes)
