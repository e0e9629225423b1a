"""First stage of the fusion's training: held-out items through the shipped encoders, kept.

Nothing here was learned from by the encoder that judges it, or the figure would flatter: FER2013's
PublicTest, GoEmotions' dev split, the held-out fifth of Dreaddit; voice and physiology, whose
shipped weights learned from everybody, are cross-fitted (see ``fusion_encode_voice`` and
``fusion_encode_physiology``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS
from emostress_ros.fusion.verdict import wire_probabilities
from emostress_ros.inference import ModelCard
from emostress_ros.modalities.face import FaceConfig
from emostress_ros.modalities.face.encoder import ExpressionEncoder
from emostress_ros.modalities.face.quality import SHARPNESS_FULL, sharpness
from emostress_ros.modalities.physiology import PhysiologyConfig
from emostress_ros.modalities.text import TextConfig, TextPipeline
from emostress_ros.modalities.voice.parameters import VoiceConfig
from emostress_ros.training.common import progress_bar
from emostress_ros.training.datasets import fer2013
from emostress_ros.training.datasets.labelled_text import EKMAN_TO_WIRE, LabelledTexts
from emostress_ros.training.fusion.spoil import FACE_KINDS, TEXT_KINDS, spoil_faces, spoil_text
from emostress_ros.training.fusion.tables import Table, held_table, nothing, unlabelled, wire_index
from emostress_ros.training.text.data import load_corpora

MODELS: dict[str, str] = {
    "face": FaceConfig().model,
    "voice": VoiceConfig().model,
    "physiology": PhysiologyConfig().model,
    "text": TextConfig().model,
}
"""The shipped encoder of each modality."""
_BATCH = 256
FACE_TO_WIRE = {"disgust": "disgusted", "fear": "scared", "surprise": "surprised"}
"""FER2013's labels under their names on the wire, where they differ."""


def tables(data: Path, cache: Path, seed: int = 0, *, progress: bool = True) -> dict[str, Table]:
    """Return what the shipped encoders say, by the name of the table.

    Among them ``text`` holds comments labelled with emotions, ``post`` posts labelled with stress.
    A table is made anew when its encoder changes.

    Args:
        data: holds ``face/``, ``voice/``, ``physiology/`` and ``text/`` in the sets' layouts.
        cache: keeps the tables.
        seed: of the noise.
        progress: show a bar.
    """
    from emostress_ros.training.fusion.encode_physiology import physiology_table
    from emostress_ros.training.fusion.encode_voice import voice_table

    makers: dict[str, Callable[[], Table]] = {
        "face": lambda: face_table(data / "face", seed),
        "text": lambda: _comments(data / "text", seed, progress),
        "post": lambda: _posts(data / "text", seed, progress),
        "voice": lambda: voice_table(data / "voice", cache / "voice", seed, progress=progress),
        "physiology": lambda: physiology_table(data / "physiology", cache / "physiology", seed),
    }
    return {
        name: held_table(cache / f"{name}-{_key(name, seed)}.npz", make)
        for name, make in makers.items()
    }


def _key(table: str, seed: int) -> str:
    card = ModelCard.load(MODELS["text" if table == "post" else table])
    return f"{card.identifier}-{hashlib.sha256(f'{card.sha256} {seed}'.encode()).hexdigest()[:8]}"


def held_out_faces(data: Path) -> fer2013.Fer2013:
    """Return FER2013's PublicTest: labelled, without copies of its own or of a training face."""
    whole = fer2013.load(data)
    faces = fer2013.held_out(whole, "publictest")
    train = whole.images[whole.usage == "Training"]
    keep = (faces.labels >= 0) & ~fer2013.exact_duplicates(faces.images, train)
    return faces.select(keep & first_of_its_kind(faces.images))


def face_table(data: Path, seed: int) -> Table:
    """Return what the shipped face encoder says of :func:`held_out_faces`."""
    faces = held_out_faces(data)
    encoder = ExpressionEncoder(MODELS["face"])
    rng = np.random.default_rng(seed)
    vectors, probabilities, quality = [], [], []
    for kind in FACE_KINDS:
        spoilt = spoil_faces(faces.images, kind, rng)
        said = [encoder.encode(spoilt[i : i + _BATCH]) for i in range(0, len(spoilt), _BATCH)]
        vectors.append(np.concatenate([part.vectors for part in said]))
        probabilities.append(np.concatenate([part.probabilities for part in said]))
        # Size and pose cannot be told from a crop: they count as perfect.
        quality.append([min(1.0, sharpness(face) / SHARPNESS_FULL) for face in spoilt])
    return Table(
        "face", encoder.card.identifier, FACE_KINDS, np.stack(vectors), np.stack(probabilities),
        nothing(len(FACE_KINDS), len(faces)), np.asarray(quality, np.float32), face_labels(faces),
        unlabelled(len(faces)), np.array([f"fer2013/{i}" for i in range(len(faces))]),
    )  # fmt: skip


def face_labels(faces: fer2013.Fer2013) -> npt.NDArray[np.int64]:
    """Return (N,) labels of FER2013 as indices into ``EMOTIONS``."""
    names = [fer2013.LABELS[i] for i in faces.labels]
    return wire_index([FACE_TO_WIRE.get(name, name) for name in names])


def first_of_its_kind(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return (N,) False where an image is a near copy of an earlier one.

    FER2013 names no persons: a picture without its copies is the closest to a person there is.
    """
    kept = np.zeros(len(images), dtype=bool)
    for at in range(0, len(images), _BATCH):
        block = images[at : at + _BATCH]
        fresh = ~fer2013.near_duplicates(block, images[:at][kept[:at]])
        for i in np.flatnonzero(fresh):
            alone = not fer2013.near_duplicates(block[i : i + 1], block[:i][fresh[:i]])[0]
            kept[at + i] = fresh[i] = alone
    return kept


def _comments(data: Path, seed: int, progress: bool) -> Table:
    dev = load_corpora(data, ["goemotions"]).held_out["goemotions"]
    dev = dev.take(dev.single)
    names = [EKMAN_TO_WIRE[dev.labels[i]] for i in dev.targets.argmax(axis=1)]
    return _text_table(dev, wire_index(names), unlabelled(len(dev)), seed, progress)


def _posts(data: Path, seed: int, progress: bool) -> Table:
    held = load_corpora(data, ["dreaddit"]).held_out["dreaddit"]
    stressed = held.targets.argmax(axis=1).astype(np.int64)
    return _text_table(held, unlabelled(len(held)), stressed, seed, progress)


def _text_table(
    texts: LabelledTexts,
    emotion: npt.NDArray[np.int64],
    stressed: npt.NDArray[np.int64],
    seed: int,
    progress: bool,
) -> Table:
    pipeline = TextPipeline()
    rng = np.random.default_rng(seed)
    width = pipeline.encoder.card.embedding_dim
    shape = (len(TEXT_KINDS), len(texts))
    vectors = np.zeros((*shape, width), np.float32)
    opinions = np.full((*shape, len(EMOTIONS)), 1.0 / len(EMOTIONS), np.float32)
    stress, quality = nothing(*shape), np.zeros(shape, np.float32)
    with progress_bar(shape[0] * shape[1], texts.dataset, enabled=progress) as advance:
        for v, kind in enumerate(TEXT_KINDS):
            for i in range(len(texts)):
                said = pipeline.process(spoil_text(texts.texts, i, kind, rng), 0)
                advance(kind)
                if said is None:
                    continue
                vectors[v, i], opinions[v, i] = said.vector, wire_probabilities(said)
                stress[v, i], quality[v, i] = said.stress, said.quality
    person = np.array([f"{texts.dataset}/{group}" for group in texts.groups])
    model = pipeline.encoder.card.identifier
    return Table(
        "text", model, TEXT_KINDS, vectors, opinions, stress, quality, emotion, stressed, person
    )


def describe(held: dict[str, Table]) -> Sequence[str]:
    """Return one line about every table."""
    return [
        f"{name}: {table.model}, n = {len(table)}, {len(set(table.person.tolist()))} persons, "
        f"kinds {', '.join(table.kinds)}"
        for name, table in held.items()
    ]
