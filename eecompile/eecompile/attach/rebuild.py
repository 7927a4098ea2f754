"""A trunk and the heads that a checkpoint says are attached to it, before their weights are loaded."""

from torch import nn

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import Attachment
from eecompile.attach.make_heads import make_heads
from eengines.errors import IngestError

__all__ = ["rebuild"]

ANY_SEED = 0
"""The weights are about to be replaced."""


def rebuild(trunk: nn.Module, attachment: Attachment, *, where: str) -> Attached:
    """Put heads on a trunk.

    Args:
        trunk: what the architecture makes.
        attachment: of the checkpoint.
        where: what made the trunk, for messages.

    Raises:
        IngestError: the trunk lacks a module that the attachment names, or a head does not fit.
    """
    known = dict(trunk.named_modules())
    named = [head.tap for head in attachment.heads] + [attachment.own_head or ""]
    lost = sorted({name for name in named if name not in known})
    if lost:
        problem = f"makes a network without the modules {', '.join(lost)}, which have attached heads"
        raise IngestError(where, problem, "Give the factory and arch_kwargs that the heads were attached to")
    return Attached(trunk, make_heads(trunk, attachment, seed=ANY_SEED), attachment)
