"""The loop over the epochs, the same for all ways to train."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eecompile.attach.attachment import FINAL
from eecompile.stages import Stages
from eecompile.train.arithmetic import Arithmetic
from eecompile.train.learner import Learner
from eecompile.train.random_streams import random_stream, seed_torch
from eecompile.train.schedule import rate_share, steps_of
from eecompile.train.score import Score
from eecompile.train.settings import TrainSettings
from eecompile.train.state_file import StateFile
from eecompile.train.task import Task
from eengines.errors import BuildError

__all__ = ["Epochs"]


class Epochs:
    """Trains learners on a task, epoch by epoch.

    Args:
        task: losses and scores.
        learners: what changes.
        settings: epochs, batch, seed.
        arithmetic: device and precision.
        stages: where progress is shown.
        state: where to write the state after each epoch; None: nowhere.

    Attributes:
        finished: how many epochs are done.
        history: mean loss of each finished epoch, by exit.
    """

    def __init__(
        self,
        task: Task,
        learners: Sequence[Learner],
        settings: TrainSettings,
        arithmetic: Arithmetic,
        stages: Stages,
        state: StateFile | None,
    ) -> None:
        self._task, self._learners, self._settings, self._stages = task, tuple(learners), settings, stages
        self._device, self._state = arithmetic.device, state
        self._scaler = torch.amp.GradScaler(arithmetic.device.type, enabled=arithmetic.dtype is torch.float16)
        self._steps = [steps_of(task.samples_in(epoch), settings.batch) for epoch in range(settings.epochs)]
        self.finished = 0
        self.history: dict[str, list[float]] = {name: [] for learner in learners for name in learner.names}

    def start(self) -> None:
        """Keep what is given as epoch 0.

        Raises:
            BuildError: weights that are not finite.
        """
        scores = self._task.measure()
        for learner in self._learners:
            learner.keep(0, scores)
            if learner.best is None:
                problem = f"weights of '{learner.names[0]}' are not finite, expected numbers"
                raise BuildError("training", problem, "Attach the head again, or give a trunk with finite weights")

    def resume(self, content: Mapping[str, Any]) -> None:
        """Go on from a state that was written."""
        for learner, state in zip(self._learners, content["learners"], strict=True):
            learner.load(state)
        self.finished = content["epoch"]
        self.history = {name: list(losses) for name, losses in content["history"].items()}
        self._scaler.load_state_dict(content["scaler"])

    def run(self) -> None:
        """Train the epochs that are left.

        Raises:
            BuildError: every head was given up.
        """
        for epoch in range(self.finished, self._settings.epochs):
            means = self._one(epoch)
            scores = self._task.measure()
            for learner in self._learners:
                if not learner.given_up:
                    learner.keep(epoch + 1, scores)
            for name, mean in means.items():
                self.history[name].append(mean)
            self.finished = epoch + 1
            self.tell(means, scores)
            if self._state is not None:
                self._state.write(self._content())
        if all(learner.given_up for learner in self._learners):
            problem = "the loss of every head stopped being finite"
            remedy = "Give a smaller --learning-rate, and check that the trunk's answers are finite"
            raise BuildError("training", problem, remedy)

    def _one(self, epoch: int) -> dict[str, float]:
        """One pass over the samples; returns the mean of the finite losses by exit."""
        order = random_stream(self._settings.seed, "order", epoch).permutation(self._task.samples_in(epoch))
        seed_torch(self._device, self._settings.seed, "epoch", epoch)
        totals, counts = dict.fromkeys(self.history, 0.0), dict.fromkeys(self.history, 0)
        self._task.train_mode()
        before, total = sum(self._steps[:epoch]), sum(self._steps)
        for step, positions in enumerate(np.array_split(order, self._steps[epoch]), start=before):
            for name, loss in self._step(positions, epoch, step).items():
                if math.isfinite(loss):
                    totals[name] += loss * len(positions)
                    counts[name] += len(positions)
            self._stages.progress((step + 1) / total)
        return {name: totals[name] / counts[name] if counts[name] else math.nan for name in totals}

    def _step(self, positions: np.ndarray[Any, Any], epoch: int, step: int) -> dict[str, float]:
        for learner in self._learners:
            learner.clear()
        losses = self._task.losses(positions, epoch)
        names = list(losses)
        values = dict(zip(names, torch.stack([losses[name].detach() for name in names]).tolist(), strict=True))
        learning = [learner for learner in self._learners if not learner.given_up]
        sound = [learner for learner in learning if all(math.isfinite(values[name]) for name in learner.names)]
        if sound:
            total = torch.stack([losses[name] for learner in sound for name in learner.names]).sum()
            scaled: Tensor = self._scaler.scale(total)
            scaled.backward()  # type: ignore[no-untyped-call] # torch has no types for it
            share = rate_share(step, sum(self._steps))
            for learner in sound:
                learner.step(share, self._scaler)
            self._scaler.update()
        for learner in learning:
            if learner not in sound:
                learner.restart()
                self._stages.detail(f"{_listed(learner.names)}: loss not finite in step {step + 1}; {_next(learner)}")
        return values

    def tell(self, means: Mapping[str, float], scores: Mapping[str, Score]) -> None:
        """Explain the epoch that was finished, from the mean losses and the scores of the exits."""
        agreements = [scores[name].agreement for name in means if name != FINAL]
        mean = float(np.mean(list(means.values())))
        spread = f"agreement {min(agreements):.2%} to {max(agreements):.2%}"
        self._stages.detail(f"epoch {self.finished}/{self._settings.epochs}: mean loss {mean:.4f}, validation {spread}")

    def _content(self) -> dict[str, Any]:
        learners = [learner.state() for learner in self._learners]
        scaler = self._scaler.state_dict()
        return {"epoch": self.finished, "learners": learners, "history": self.history, "scaler": scaler}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _next(learner: Learner) -> str:
    if learner.given_up:
        return "given up"
    return f"starts again from its best weights at peak rate {learner.peak:.2g}"
