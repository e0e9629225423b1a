"""Means of what a training watches, from one row of its log to the next."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from emostress_ros.training.task import Loss
from emostress_ros.training.workers import Workers


class Means:
    """Weighted means by name; nothing waits for a device until they are taken."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._items: dict[str, float] = {}

    def add(self, loss: Loss, share: float = 1.0) -> None:
        """Take note of a batch: its loss, its terms where there are several, what is watched.

        Args:
            loss: of the batch, or of a process's share of it.
            share: what the share weighs; see :meth:`.workers.Workers.share`.
        """
        items = share if loss.items is None else loss.items * float(share > 0.0)
        terms = loss.terms if len(loss.terms) > 1 else {}
        for name, value in {"training_loss": loss.total, **terms, **loss.watched}.items():
            self.note(name, value, items)

    def note(self, name: str, value: Tensor | float, items: float = 1.0) -> None:
        """Take note of one value."""
        if isinstance(value, Tensor):
            value = value.detach()
            value = value.double() if value.is_cuda else float(value)
        self._sums[name] = self._sums.get(name, 0.0) + items * value
        self._items[name] = self._items.get(name, 0.0) + items

    def take(self, workers: Workers) -> dict[str, float]:
        """Return the means over what all processes took note of, and begin anew."""
        names = list(self._sums)
        held = workers.means(*map(float, self._sums.values()), *self._items.values())
        found = {name: held[i] / held[len(names) + i] for i, name in enumerate(names)}
        self._sums, self._items = {}, {}
        return found

    def state_dict(self) -> dict[str, list[float]]:
        """Return sums and weights."""
        return {name: [float(value), self._items[name]] for name, value in self._sums.items()}

    def load_state_dict(self, state: Mapping[str, list[float]]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._sums = {name: value for name, (value, _) in state.items()}
        self._items = {name: items for name, (_, items) in state.items()}


def summary(row: Mapping[str, float]) -> str:
    """Return a row of a log as a line of text."""
    left_out = ("epoch", "step", "learning_rate", "gradient_norm", "seconds")
    shown = "  ".join(
        f"{name.replace('_', ' ')} {value:.3f}"
        for name, value in row.items()
        if name not in left_out
    )
    return f"epoch {row['epoch']:.4g}  {shown}  {row['seconds']:.1f} s"
