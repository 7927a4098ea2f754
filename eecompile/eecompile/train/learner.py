"""Heads that learn as one: their optimiser, their best weights, and what happens when a loss is not finite."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from eecompile.attach.attachment import FINAL
from eecompile.train.score import Score
from eecompile.train.step_limit import MOST_OF_LAYER, layers_of, limit_gradients

__all__ = ["Best", "Learner", "WeightGroup"]

MOMENTUM = 0.9
MOST_RESTARTS = 6
"""How often a learner goes back to its best weights at half the rate, before it is given up."""


@dataclass(frozen=True, kw_only=True)
class WeightGroup:
    """Weights that the same losses reach.

    Attributes:
        parameters: the weights.
        loss_weight: factor on those losses. The learning rate is divided by it and the decay multiplied, so that the
            weights learn as fast as with the plain loss.
    """

    parameters: tuple[Parameter, ...]
    loss_weight: float


@dataclass(frozen=True, kw_only=True)
class Best:
    """The weights of the best epoch.

    Attributes:
        weights: a copy of the learner's state, with buffers.
        value: by which epochs are compared.
        epoch: counted from 1; 0: before training.
        scores: of the learner's exits, and of the final exit where it is measured.
    """

    weights: dict[str, Tensor]
    value: float
    epoch: int
    scores: Mapping[str, Score]


class Learner:
    """One head, heads that share weights, or a whole network in joint training.

    Args:
        names: the exits that learn here, as losses and scores name them.
        module: holds everything that changes.
        groups: all its weights.
        value: by which epochs are compared, from the scores of all exits.
        weight_decay: on weights of two and more axes, not on biases and norms.
        learning_rate: at the peak of the schedule.

    Attributes:
        peak: the learning rate at the peak, as it is now.
        given_up: whether it no longer learns.
        best: None until something was kept.
        most_of_layer: how far one step may move a layer, see `limit_gradients`.
    """

    most_of_layer: ClassVar[float] = MOST_OF_LAYER

    def __init__(
        self,
        names: Sequence[str],
        module: nn.Module,
        groups: Sequence[WeightGroup],
        value: Callable[[Mapping[str, Score]], float],
        *,
        weight_decay: float,
        learning_rate: float,
    ) -> None:
        self.names, self.peak, self.given_up = tuple(names), learning_rate, False
        self.best: Best | None = None
        self._module, self._value, self._restarts = module, value, 0
        self._layers = layers_of(module)
        settings: list[dict[str, Any]] = []
        for group in groups:
            for decay, few_axes in ((weight_decay * group.loss_weight, False), (0.0, True)):
                chosen = [weight for weight in group.parameters if (weight.ndim < 2) == few_axes]
                settings.append({"params": chosen, "weight_decay": decay, "loss_weight": group.loss_weight})
        self._optimiser = torch.optim.SGD(settings, lr=learning_rate, momentum=MOMENTUM, nesterov=True)

    def clear(self) -> None:
        """Forget the gradients of the last step."""
        self._optimiser.zero_grad(set_to_none=True)

    def step(self, share: float, scaler: torch.amp.GradScaler) -> None:
        """Move the weights at `share` of the peak learning rate, and no layer too far."""
        rates: dict[int, float] = {}
        for group in self._optimiser.param_groups:
            group["lr"] = share * self.peak / group["loss_weight"]
            rates |= dict.fromkeys(map(id, group["params"]), group["lr"])
        scaler.unscale_(self._optimiser)
        limit_gradients(self._layers, rates, self.most_of_layer)
        scaler.step(self._optimiser)

    def keep(self, epoch: int, scores: Mapping[str, Score]) -> None:
        """Keep the weights if none were better; the later of equals. Weights that are not finite are never kept."""
        if not all(bool(weight.isfinite().all()) for weight in self._module.parameters()):
            return
        value = self._value(scores)
        if self.best is None or value >= self.best.value:
            weights = {name: tensor.detach().cpu().clone() for name, tensor in self._module.state_dict().items()}
            chosen = {name: scores[name] for name in dict.fromkeys((*self.names, FINAL)) if name in scores}
            self.best = Best(weights=weights, value=value, epoch=epoch, scores=chosen)

    def restart(self) -> None:
        """Go back to the best weights, without momentum, at half the rate; after `MOST_RESTARTS` give up."""
        self.put_best()
        self._optimiser.state.clear()
        self._restarts += 1
        self.given_up = self._restarts > MOST_RESTARTS
        if not self.given_up:
            self.peak /= 2

    def put_best(self) -> None:
        """Put the weights of the best epoch in place."""
        assert self.best is not None  # noqa: S101 - epoch 0 is kept before the first step
        self._module.load_state_dict(self.best.weights)
        self.clear()

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, as tensors and plain values."""
        assert self.best is not None  # noqa: S101 - epoch 0 is kept before the first step
        scores = {name: [score.agreement, score.accuracy] for name, score in self.best.scores.items()}
        return {
            "weights": self._module.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "best": {
                "weights": self.best.weights,
                "value": self.best.value,
                "epoch": self.best.epoch,
                "scores": scores,
            },
            "peak": self.peak,
            "restarts": self._restarts,
            "given_up": self.given_up,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take what `state` returned."""
        self._module.load_state_dict(state["weights"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.peak, self._restarts, self.given_up = state["peak"], state["restarts"], state["given_up"]
        best = state["best"]
        scores = {name: Score(agreement=one, accuracy=other) for name, (one, other) in best["scores"].items()}
        self.best = Best(weights=best["weights"], value=best["value"], epoch=best["epoch"], scores=scores)
