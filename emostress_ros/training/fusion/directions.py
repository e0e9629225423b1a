"""Directions of an embedding that tell its kinds of signal apart.

Fisher's linear discriminants ("The use of multiple measurements in taxonomic problems", Annals of
Eugenics 7, 1936), their within-class scatter shrunk towards a multiple of the identity.  A fusion
network starts from them in place of random directions: whether words are a sentence or a salad
lies in a direction that a few hundred steps would not find.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emostress_ros.training.fusion.tables import Table

FloatArray = npt.NDArray[np.floating]
SHRINKAGE = 0.01
"""Share of the within-class scatter that is replaced by its mean variance."""


def telling(table: Table, scale: FloatArray) -> npt.NDArray[np.float32]:
    """Return the (V, D) directions that tell V kinds of signal apart.

    The first one rises from the signal as it is to noise in its place; the others tell all kinds.
    Directions of the labels are not taken: a few hundred items separate perfectly in as many
    dimensions, and what the labels need is in the encoder's own opinion.

    Args:
        table: of the people to learn from.
        scale: (D,) factors on the embedding.

    Returns:
        rows along which items spread by 1 within a kind.
    """
    kinds, count = len(table.kinds), len(table)
    vectors = (table.vectors * scale).astype(np.float64)
    ends = vectors[[0, -1]]
    noise = discriminants(ends.reshape(2 * count, -1), np.repeat([0, 1], count))
    noise *= np.sign(noise @ (ends[1] - ends[0]).mean(axis=0))
    every = discriminants(vectors.reshape(kinds * count, -1), np.repeat(np.arange(kinds), count))
    return np.concatenate((noise, every)).astype(np.float32)


def discriminants(vectors: FloatArray, labels: npt.NDArray[np.integer]) -> FloatArray:
    """Return the (C - 1, D) Fisher discriminants of C classes, the strongest first.

    Args:
        vectors: (N, D).
        labels: (N,) of C classes.
    """
    classes = np.unique(labels)
    means = np.stack([vectors[labels == k].mean(axis=0) for k in classes])
    inside = vectors - means[np.searchsorted(classes, labels)]
    scatter = inside.T @ inside / len(vectors)
    level = np.trace(scatter) / len(scatter) + 1e-9
    scatter = (1.0 - SHRINKAGE) * scatter + SHRINKAGE * level * np.eye(len(scatter))
    # Whitened by the scatter within, the classes' means span what tells them apart.
    root = np.linalg.inv(np.linalg.cholesky(scatter))
    share = np.array([(labels == k).mean() for k in classes])
    spread = np.sqrt(share)[:, None] * (means - vectors.mean(axis=0)) @ root.T
    _, _, axes = np.linalg.svd(spread, full_matrices=False)
    return np.asarray(axes[: len(classes) - 1] @ root)
