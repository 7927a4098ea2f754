"""Who learns what: a learner for each head in frozen training, one for the whole network in joint training."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from torch import nn

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import FINAL
from eecompile.train.head_groups import head_groups
from eecompile.train.learner import Learner, WeightGroup
from eecompile.train.losses import exit_weights
from eecompile.train.score import Score
from eecompile.train.settings import TrainSettings
from eengines.errors import BuildError

__all__ = ["make_learners"]


def make_learners(attached: Attached, settings: TrainSettings) -> list[Learner]:
    """Return the learners of a network, and mark as trainable what they change.

    In frozen mode heads that share weights are one learner, whose epochs are compared by the mean of its heads'
    agreement, or accuracy with `--target labels`. In joint mode the network is one learner, compared by the mean over
    all exits; the final exit counts with its accuracy. There the weight of a head's loss decides how much of it reaches
    the trunk; the head itself learns as fast as with the plain loss.

    Raises:
        BuildError: a head without weights.
    """
    names = [head.name for head in attached.attachment.heads]
    groups = head_groups(list(attached.heads))
    attached.heads.requires_grad_(True)
    loss_weights = _loss_weights(attached, settings)
    weights = [_weights(attached, group, loss_weights) for group in groups]
    if settings.mode == "frozen":
        modules = [nn.ModuleList([attached.heads[index] for index in group]) for group in groups]
        of_groups = [[names[index] for index in group] for group in groups]
        return [
            _learner(own, module, [one], settings, _mean_of(own, settings.target))
            for own, module, one in zip(of_groups, modules, weights, strict=True)
        ]
    attached.requires_grad_(True)
    of_heads = _mean_of(names, settings.target)

    def value(scores: Mapping[str, Score]) -> float:
        return (len(names) * of_heads(scores) + (scores[FINAL].accuracy or 0.0)) / (len(names) + 1)

    trunk = WeightGroup(parameters=tuple(attached.trunk.parameters()), loss_weight=1.0)
    return [_learner([*names, FINAL], attached, [trunk, *weights], settings, value)]


def _loss_weights(attached: Attached, settings: TrainSettings) -> tuple[float, ...]:
    taps = [head.tap for head in attached.attachment.heads]
    return (1.0,) * len(taps) if settings.mode == "frozen" else exit_weights(settings.loss_weights, taps)[:-1]


def _weights(attached: Attached, group: Sequence[int], loss_weights: Sequence[float]) -> WeightGroup:
    """The weights of some heads, each once; heads that share weights count with their mean loss weight."""
    parameters = {id(weight): weight for index in group for weight in attached.heads[index].parameters()}
    if not parameters:
        where = f"head '{attached.attachment.heads[group[0]].name}'"
        raise BuildError(where, "has no weights, expected some to train", "Attach another kind of head")
    mean = float(np.mean([loss_weights[index] for index in group]))
    return WeightGroup(parameters=tuple(parameters.values()), loss_weight=mean)


def _learner(
    names: Sequence[str],
    module: nn.Module,
    groups: Sequence[WeightGroup],
    settings: TrainSettings,
    value: Callable[[Mapping[str, Score]], float],
) -> Learner:
    decay, rate = settings.weight_decay, settings.learning_rate
    return Learner(names, module, groups, value, weight_decay=decay, learning_rate=rate)


def _mean_of(names: Sequence[str], target: str) -> Callable[[Mapping[str, Score]], float]:
    def value(scores: Mapping[str, Score]) -> float:
        chosen = [scores[name] for name in names]
        shares = [one.agreement if target == "trunk" else one.accuracy or 0.0 for one in chosen]
        return float(np.mean(shares))

    return value
