"""Stopping a training early, on people that it does not learn from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn


class EarlyStopping:
    """Ends a training that gets no better, and gives back the best weights (Prechelt 1998).

    Args:
        patience: epochs without a better figure until the training is over; 0: it never is, and
            the last weights stay.

    Attributes:
        best: the best figure so far.
        best_epoch: the epoch that reached it.
        waited: epochs since then.
    """

    def __init__(self, patience: int) -> None:
        self.patience, self.best, self.best_epoch, self.waited = patience, -math.inf, 0, 0
        self._weights: dict[str, torch.Tensor] = {}

    def see(self, figure: float, net: nn.Module, epoch: int = 0) -> None:
        """Take note of an epoch's figure on people held out; larger is better."""
        self.waited += 1
        if figure > self.best:
            self.best, self.best_epoch, self.waited = figure, epoch, 0
            self._weights = {k: v.detach().clone() for k, v in net.state_dict().items()}

    @property
    def over(self) -> bool:
        """Whether to stop."""
        return 0 < self.patience <= self.waited

    def give_back(self, net: nn.Module) -> None:
        """Put the best weights into a network; nothing happens without patience."""
        if self.patience and self._weights:
            net.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint has to keep."""
        kept = self._weights if self.patience else {}
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "waited": self.waited,
            "weights": kept,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.best, self.waited = float(state["best"]), int(state["waited"])
        self.best_epoch = int(state.get("best_epoch", 0))
        self._weights = dict(state["weights"])
