"""One training loop for all networks.

A :class:`.task.Task` says what is learned, :class:`.task.TrainerOptions` how; ``docs/training.md``
tells what comes of it::

    rng = seed_everything(seed)
    trainer = Trainer(net, task, TrainerOptions(epochs=20, patience=5), rng, keep=Keep(folder))
    best = trainer.run()

The same seed gives the same weights, and so does a training that was interrupted and resumed.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from emostress_ros.errors import ParameterError, TrainingError
from emostress_ros.training.checkpoint import random_state, restore_random_state
from emostress_ros.training.early_stopping import EarlyStopping
from emostress_ros.training.interrupt import Interrupt
from emostress_ros.training.keep import Keep
from emostress_ros.training.logs import CsvLog, progress_bar
from emostress_ros.training.means import Means, summary
from emostress_ros.training.schedule import SCHEDULES
from emostress_ros.training.task import PRECISIONS, Judging, Loss, Step, Task, TrainerOptions
from emostress_ros.training.together import joined
from emostress_ros.training.weights import ModelEma
from emostress_ros.training.workers import Workers

_LOOK_EVERY = 50
"""Steps on a GPU from one look at the losses to the next: looking waits for the device."""


class Trainer:
    """One training: reads like its loop.

    Args:
        net: what is trained, in place.
        task: what it learns.
        options: of the training.
        rng: of everything that is drawn; see :func:`.common.seed_everything`.
        keep: checkpoint and log; nothing is kept when not given.
        workers: the processes that train together, and their device.
        log: takes the rows in place of that in ``keep``.
        say: is told of every row.
        title: of the progress bar.

    Under ``torchrun`` the first process makes the trainer; see :mod:`.together`.

    Attributes:
        epoch: whole epochs done.
        step: steps done.
        elapsed_s: time taken by whole epochs.
        stopping: what was best on people held out.
        within: where in an epoch a checkpoint was written that is gone on with.
    """

    def __init__(
        self,
        net: nn.Module,
        task: Task,
        options: TrainerOptions,
        rng: np.random.Generator,
        *,
        keep: Keep | None = None,
        workers: Workers | None = None,
        log: CsvLog | None = None,
        say: Callable[[str], object] | None = None,
        title: str = "training",
    ) -> None:
        self.task, self.options, self.rng, self.keep = task, options, rng, keep
        self.workers = workers or Workers()
        self.device = self.workers.device
        self.net = net.to(self.device)
        task.to(self.device)
        self.optimiser = task.optimiser(self.net, options)
        self.scheduler = task.scheduler(self.optimiser)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=options.precision == "float16")
        self.ema = ModelEma(self.net, options.ema) if options.ema else None
        self.stopping = EarlyStopping(options.patience)
        self.epoch, self.step, self.elapsed_s = 0, 0, 0.0
        self._peaks = [float(group["lr"]) for group in self.optimiser.param_groups]
        self._since, self._unseen = Means(), list[tuple[str, Loss]]()
        self._say, self.title = say, title
        self.within = keep.restore(self) if keep and keep.resume else {}
        self.log = log
        if keep and self.workers.leads and log is None:
            self.log = CsvLog(keep.log, resume=self.epoch > 0 or bool(self.within))
            self.log.cut(self.step)

    @property
    def averaged(self) -> nn.Module:
        """The network that is judged: the moving average, where there is one."""
        return self.ema.net if self.ema else self.net

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        stopped = 0 < self.options.stop_after <= self.epoch
        return stopped or self.stopping.over or self._progress(0.0, self.elapsed_s) >= 1.0

    def run(self) -> nn.Module:
        """Train to the end and return the network that was judged, in evaluation mode.

        With patience, it has the best weights that were judged.

        Raises:
            TrainingError: the loss is no number any more.
            KeyboardInterrupt: Ctrl-C, or SIGTERM; what was done is kept.
        """
        for _ in self.epochs():
            pass
        self.stopping.give_back(self.averaged)
        return self.averaged.eval()

    def epochs(self) -> Iterator[dict[str, float]]:
        """Train, and yield the log's row after every epoch; raises what :meth:`run` does."""
        shown = self.options.progress and self.workers.leads
        with (
            joined(self, Judging(self.net, self.task)) as self._forward,
            Interrupt(enabled=self.keep is not None) as self._interrupt,
            progress_bar(self.options.epochs or None, self.title, enabled=shown) as advance,
        ):
            self._zero, self._logged_s = time.perf_counter() - self.elapsed_s, self.elapsed_s
            while not self.over:
                row = self._epoch()
                advance(summary(row))
                yield row

    def curves(self) -> dict[str, list[float]]:
        """Return the columns of the log; empty without one."""
        return self.log.read() if self.log else {}

    def _epoch(self) -> dict[str, float]:
        first, batches = self._batches()
        self.task.begin(self.net)
        for index in range(first, len(batches)):
            part = (index + 1) / len(batches)
            progress = self._progress(index / len(batches), self._now())
            progress, asked = self.workers.means(progress, float(self._interrupt.asked))
            if asked:
                self._stop_here(index, len(batches))
            if progress >= 1.0:  # the time is over
                break
            self._take_step(batches[index], progress, index)
            every = self.options.log_every
            if every and self.step % every == 0 and part < 1.0:
                self._write({"epoch": self.epoch + part})
        return self._end_epoch()

    def _batches(self) -> tuple[int, Sequence[Any]]:
        """Return the first batch of this epoch that is left, and all of them."""
        within, self.within = self.within, {}
        if within:
            restore_random_state(within["begun"], self.rng)
            self._since.load_state_dict(within.get("means", {}))
        self._begun = random_state(self.rng)
        if self.workers.count > 1:  # an order that torch's own generator draws is the same in all
            torch.manual_seed(1 + self.options.seed + 10_007 * self.epoch)
        batches = self.task.batches(self.epoch, self.rng)
        if within:
            restore_random_state(within["random"], self.rng)
        first = int(within.get("index", 0))
        self._own = self.rng
        if self.workers.count > 1:  # the processes share the order, and augment each in its own way
            self._own = np.random.default_rng(
                (self.options.seed, self.epoch, first, self.workers.rank)
            )
            torch.manual_seed(int(self._own.integers(2**62)))
            self.task.apart(self._own)
        return first, batches

    def _take_step(self, batch: Any, progress: float, index: int) -> None:
        self._set_rates(progress)
        step = Step(self.epoch, progress, self._own, self.device, self._autocast)
        part, share = self.workers.share(batch)
        loss: Loss = self._forward(part, step)
        total = loss.total * share
        self._since.add(loss, share)
        self._look(f"epoch {self.epoch + 1}, batch {index + 1}", loss)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(total).backward()
        if self.options.clip_norm:
            self.scaler.unscale_(self.optimiser)
            norm = nn.utils.clip_grad_norm_(self.task.clipped(self.net), self.options.clip_norm)
            self._since.note("gradient_norm", norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.scheduler:
            self.scheduler.step()
        if self.ema:
            self.ema.update(self.net)
        self.step += 1

    def _set_rates(self, progress: float) -> None:
        if self.scheduler:
            return
        options = self.options
        factor = SCHEDULES[options.schedule](progress, options.warmup, options.floor)
        for group, peak in zip(self.optimiser.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor

    def _autocast(self) -> torch.autocast:
        kind = PRECISIONS[self.options.precision]
        return torch.autocast(self.device.type, kind, enabled=kind is not torch.float32)

    def _look(self, place: str, loss: Loss) -> None:
        """See now and then that all losses are numbers."""
        self._unseen.append((f"step {self.step + 1} ({place})", loss))
        if self.device.type == "cpu" or len(self._unseen) >= _LOOK_EVERY:
            self._see()

    def _see(self) -> None:
        unseen, self._unseen = self._unseen, []
        for place, loss in unseen:
            if not math.isfinite(float(loss.total.detach())):
                self._diverged(place, loss)

    def _diverged(self, place: str, loss: Loss) -> NoReturn:
        terms = ", ".join(f"{name} {float(term.detach()):g}" for name, term in loss.terms.items())
        rate = self.optimiser.param_groups[0]["lr"]
        kept = f"; {self.keep.checkpoint} holds the last whole epoch" if self.keep else ""
        raise TrainingError(
            f"the loss of {place} is no number: {terms}.  Lower the learning rate (it is {rate:g})"
            f" or the gradient's norm (clipped at {self.options.clip_norm or 'nothing'}), take "
            f"precision float32 (it is {self.options.precision}), and see that inputs and labels "
            f"are finite{kept}"
        )

    def _end_epoch(self) -> dict[str, float]:
        self._see()
        nets = (self.net, self.ema.net) if self.ema else (self.net,)
        self.workers.average([b for net in nets for b in net.buffers() if b.is_floating_point()])
        found = dict(self.task.validate(self.averaged)) if self.workers.leads else {}
        found = self.workers.leaders(found)
        self.epoch += 1
        self._note(found)
        row = self._write({"epoch": float(self.epoch)}, found)
        self.elapsed_s = self._logged_s
        if self.keep and self.workers.leads:
            self.keep.save(self)
        return row

    def _note(self, found: Mapping[str, float]) -> None:
        watch = self.options.watch
        if watch in found:
            self.stopping.see(found[watch], self.averaged, self.epoch)
        elif self.options.patience:
            judged = ", ".join(found) or "no figure at all"
            raise ParameterError(f"patience waits for '{watch}'; what is judged is {judged}")

    def _write(
        self, place: dict[str, float], found: Mapping[str, float] | None = None
    ) -> dict[str, float]:
        """Write a row: what the steps since the last one were like, and what was found."""
        now, rate = self._now(), float(self.optimiser.param_groups[0]["lr"])
        row = place | {"step": float(self.step)}
        row |= self._since.take(self.workers) | dict(found or {})
        row |= {"learning_rate": rate, "seconds": now - self._logged_s}
        self._logged_s = now
        if self.workers.leads:
            if self.log:
                self.log.write(row)
            if self._say:
                self._say(f"{self.title}: {summary(row)}")
        return row

    def _now(self) -> float:
        return time.perf_counter() - self._zero

    def _progress(self, part: float, elapsed_s: float) -> float:
        """Return how much is done, by epochs or by time, whichever is further."""
        options = self.options
        by_epochs = (self.epoch + part) / options.epochs if options.epochs else 0.0
        by_time = elapsed_s / (60.0 * options.minutes) if options.minutes else 0.0
        return max(by_epochs, by_time)

    def _stop_here(self, index: int, batches: int) -> NoReturn:
        """Keep the training in the middle of an epoch, and leave it."""
        assert self.keep is not None
        self.elapsed_s = self._now()
        if self.workers.leads:
            self.keep.save(
                self, {"index": index, "begun": self._begun, "means": self._since.state_dict()}
            )
            print(
                f"interrupted in epoch {self.epoch + 1}, after {index} of {batches} batches; kept "
                f"in {self.keep.checkpoint}: the same command with --resume goes on",
                file=sys.stderr,
            )
        raise KeyboardInterrupt
