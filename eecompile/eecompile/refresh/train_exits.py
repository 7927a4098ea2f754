"""Train the exits of a bundle on recent samples, and keep what gains."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from eecompile.refresh.head_scores import held_out_scores
from eecompile.refresh.heads_that_gain import heads_that_gain
from eecompile.refresh.refreshed_checkpoint import exits_alone
from eecompile.refresh.report import RefreshedHead
from eecompile.refresh.source_model import SourceModel
from eecompile.stages import Stages
from eecompile.train.head_groups import head_groups
from eecompile.train.report import HeadReport, TrainReport
from eecompile.train.score import Score
from eecompile.train.settings import TrainSettings
from eecompile.train.train_heads import train_heads
from eerun.data import Samples

__all__ = ["TrainedExits", "train_exits"]


@dataclass(frozen=True, kw_only=True)
class TrainedExits:
    """What training did.

    Attributes:
        report: of the training.
        heads: each exit but the last, shallow to deep.
    """

    report: TrainReport
    heads: tuple[RefreshedHead, ...]

    @property
    def kept(self) -> Mapping[str, HeadReport]:
        """The heads with new weights, by name."""
        names = {head.name for head in self.heads if head.replaced}
        return {head.name: head for head in self.report.heads if head.name in names}


def train_exits(
    source: SourceModel, samples: Samples, settings: TrainSettings, *, min_gain: float, stages: Stages
) -> TrainedExits:
    """Train from the weights that the heads have; afterwards `source.module` has new weights only in heads that gain.

    Args:
        source: what is refreshed; changed in place.
        samples: the recent *train* split.
        settings: how to train.
        min_gain: see `RefreshSettings`.
        stages: where progress is shown.

    Raises:
        KeyboardInterrupt: also from the middle of the training: nothing of it is used.
        UserError: settings, samples and machine do not fit each other.
        DataError: samples that the network cannot take, or too few.
        BuildError: no head has a finite loss.
    """
    attached, inputs = exits_alone(source), source.checkpoint.inputs
    with stages.stage("score the heads as they are"):
        before = held_out_scores(attached, inputs, samples, settings)
    old = [_copy(head) for head in attached.heads]
    report = train_heads(attached, inputs, samples, settings, stages)
    if report.interrupted:
        raise KeyboardInterrupt
    by_labels = settings.target == "labels"
    gaining = heads_that_gain(
        head_groups(list(attached.heads)),
        [_measure(before[head.name], by_labels=by_labels) for head in report.heads],
        [_measure(head, by_labels=by_labels) for head in report.heads],
        min_gain=min_gain,
    )
    for index, (module, weights) in enumerate(zip(attached.heads, old, strict=True)):
        if index not in gaining:
            module.load_state_dict(weights)
    return TrainedExits(
        report=report,
        heads=tuple(_head(head, before[head.name], index in gaining) for index, head in enumerate(report.heads)),
    )


def _measure(score: Score | HeadReport, *, by_labels: bool) -> float:
    return (score.accuracy or 0.0) if by_labels else score.agreement


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def _head(trained: HeadReport, before: Score, replaced: bool) -> RefreshedHead:
    return RefreshedHead(
        name=trained.name,
        agreement_before=before.agreement,
        agreement=trained.agreement,
        accuracy_before=before.accuracy,
        accuracy=trained.accuracy,
        best_epoch=trained.best_epoch,
        replaced=replaced,
        problem=trained.problem,
    )
