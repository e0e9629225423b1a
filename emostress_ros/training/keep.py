"""What a training keeps, so that it can be gone on with bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emostress_ros.errors import DatasetError
from emostress_ros.training.checkpoint import (
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
)

if TYPE_CHECKING:
    from emostress_ros.training.trainer import Trainer

_NEEDED = ("net", "epoch", "stopping")


@dataclass(frozen=True)
class Keep:
    """What a training keeps, and where.

    Attributes:
        folder: of checkpoint and log.
        resume: go on from the checkpoint, where there is one.
        recipe: options that a training which is gone on with must have had, too.
        file: the checkpoint's name.
        last: keep the optimiser's state after the last epoch, so that more epochs may follow.
    """

    folder: Path
    resume: bool = False
    recipe: Mapping[str, Any] = field(default_factory=dict)
    file: str = "checkpoint.pt"
    last: bool = True

    @property
    def checkpoint(self) -> Path:
        """File of the checkpoint."""
        return self.folder / self.file

    @property
    def log(self) -> Path:
        """File of the log."""
        return self.folder / "log.csv"

    def save(self, trainer: Trainer, within: Mapping[str, Any] | None = None) -> None:
        """Write the checkpoint.

        Args:
            trainer: after a whole step.
            within: where in an epoch it is; not given after a whole epoch.
        """
        state = dict(trainer.task.about(trainer.epoch))
        state |= {"options": dict(self.recipe), "within": dict(within or {})}
        state |= state_of(trainer, steps=self.last or not trainer.over)
        save_checkpoint(self.checkpoint, state)

    def restore(self, trainer: Trainer) -> dict[str, Any]:
        """Put a trainer back to where its checkpoint was written.

        Returns:
            where in an epoch it was; empty after a whole one, or where there is no checkpoint.

        Raises:
            DatasetError: the checkpoint is damaged, of a training with another recipe, or one
                that cannot be gone on with.
        """
        if not self.checkpoint.is_file():
            return {}
        state = load_checkpoint(self.checkpoint, trainer.device)
        self._check(state)
        put_back(trainer, state)
        within: dict[str, Any] = state.get("within", {})
        return within | {"random": state.get("random")} if within else {}

    def _check(self, state: Mapping[str, Any]) -> None:
        had = state.get("options", state)
        other = [key for key, value in self.recipe.items() if had.get(key) != value]
        if other:
            there = ", ".join(f"{key} {had.get(key)}" for key in other)
            raise DatasetError(
                f"{self.checkpoint} is of a training with another {', '.join(other)}: it has "
                f"{there}"
            )
        lacking = [key for key in _NEEDED if key not in state]
        if lacking:
            raise DatasetError(
                f"{self.checkpoint} cannot be gone on with: it lacks {', '.join(lacking)}; start "
                f"anew without it"
            )


def state_of(trainer: Trainer, *, steps: bool = True) -> dict[str, Any]:
    """Return all that a training has become.

    Args:
        trainer: after a whole step.
        steps: with what further steps need.
    """
    state = {
        "epoch": trainer.epoch,
        "step": trainer.step,
        "elapsed_s": trainer.elapsed_s,
        "net": trainer.net.state_dict(),
        "stopping": trainer.stopping.state_dict(),
        "random": random_state(trainer.rng),
    }
    if trainer.ema:
        state |= {"ema": trainer.ema.net.state_dict(), "ema_updates": trainer.ema.updates}
    if steps:
        state |= {
            "optimizer": trainer.optimiser.state_dict(),
            "scaler": trainer.scaler.state_dict(),
            "scheduler": trainer.scheduler.state_dict() if trainer.scheduler else {},
        }
    return state


def put_back(trainer: Trainer, state: Mapping[str, Any]) -> None:
    """Make a trainer what :func:`state_of` told of."""
    trainer.net.load_state_dict(state["net"])
    trainer.stopping.load_state_dict(state["stopping"])
    trainer.epoch, trainer.step = int(state["epoch"]), int(state.get("step", 0))
    trainer.elapsed_s = float(state.get("elapsed_s", 0.0))
    if trainer.ema:
        trainer.ema.net.load_state_dict(state["ema"])
        trainer.ema.updates = int(state["ema_updates"])
    if "optimizer" in state:
        trainer.optimiser.load_state_dict(state["optimizer"])
        trainer.scaler.load_state_dict(state.get("scaler", {}))
        if trainer.scheduler:
            trainer.scheduler.load_state_dict(state["scheduler"])
    if "random" in state:
        restore_random_state(state["random"], trainer.rng)
