"""The checkpoint with the heads that have gained; everything else in it stays bit for bit."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import AttachedHead
from eecompile.checkpoint import Checkpoint
from eecompile.refresh.pending_model import REFRESHED_FROM
from eecompile.refresh.source_model import SourceModel
from eecompile.train.report import HeadReport

__all__ = ["exits_alone", "refreshed_checkpoint"]

HEADS = "heads."


def exits_alone(source: SourceModel) -> Attached:
    """The network with the exits of the bundle as its only heads; modules are those of `source`, not copies."""
    attachment = source.module.attachment
    heads = tuple(attachment.heads[index] for index in source.exits)
    modules = [source.module.heads[index] for index in source.exits]
    chosen = tuple(head.name for head in heads)
    return Attached(source.module.trunk, modules, replace(attachment, heads=heads, chosen=chosen))


def refreshed_checkpoint(source: SourceModel, trained: Mapping[str, HeadReport]) -> Checkpoint:
    """Return the checkpoint with new weights.

    Args:
        source: what was refreshed; its module holds the weights to store: new ones only in heads that keep them.
        trained: what was measured of these heads, by name.
    """
    checkpoint, attachment = source.checkpoint, source.module.attachment
    weights, state = dict(checkpoint.state_dict), source.module.state_dict()
    for name, old in checkpoint.state_dict.items():
        if name.startswith(HEADS) and not torch.equal(old.to(state[name].dtype), state[name]):
            weights[name] = state[name].detach().clone()

    def measured(head: AttachedHead) -> AttachedHead:
        if head.name not in trained:
            return head
        return replace(head, agreement=trained[head.name].agreement, accuracy=trained[head.name].accuracy)

    return replace(
        checkpoint,
        state_dict=weights,
        meta={**checkpoint.meta, REFRESHED_FROM: source.sha256},
        attached=replace(attachment, heads=tuple(measured(head) for head in attachment.heads)),
    )
