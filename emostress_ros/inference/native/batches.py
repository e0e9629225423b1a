"""Batches of sizes that an engine was not built for: none at all, or more than it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from emostress_ros.errors import SignalError

Feed = Mapping[str, np.ndarray]


def in_parts(
    feed: Feed,
    limits: Mapping[str, int],
    batched: Sequence[str],
    run: Callable[[Feed], list[np.ndarray]],
) -> list[np.ndarray]:
    """Run a batch as it is where it fits, else in parts that do.

    Args:
        feed: inputs by name.
        limits: size of the first axis that each input may have at most.
        batched: inputs whose first axis are the items; the others go with every part.
        run: runs at least one item and at most so many.

    Returns:
        the outputs of all items, joined along their first axis; those of no items have a first
        axis of 0.

    Raises:
        SignalError: the batched inputs are of different lengths, or an output has no axis of items,
            so that parts cannot be joined.
    """
    lengths = {len(feed[name]) for name in batched}
    limit = min((limits[name] for name in batched), default=1)
    if not batched or (len(lengths) == 1 and 1 <= min(lengths) <= limit):
        return run(feed)
    if len(lengths) > 1:
        raise SignalError(f"inputs of one batch must be of one length; got {sorted(lengths)}")
    (count,) = lengths
    if not count:
        padded = {**feed, **{name: _one_of(feed[name]) for name in batched}}
        return [value[:0] for value in _checked(run(padded), 1, limit)]
    parts = []
    for start in range(0, count, limit):
        part = {**feed, **{name: feed[name][start : start + limit] for name in batched}}
        parts.append(_checked(run(part), min(limit, count - start), limit))
    return [np.concatenate(values) for values in zip(*parts, strict=True)]


def _one_of(value: np.ndarray) -> np.ndarray:
    return np.zeros((1, *value.shape[1:]), value.dtype)


def _checked(values: list[np.ndarray], count: int, limit: int) -> list[np.ndarray]:
    if any(not value.ndim or len(value) != count for value in values):
        raise SignalError(f"this model takes batches of 1 to {limit}: its outputs cannot be joined")
    return values
