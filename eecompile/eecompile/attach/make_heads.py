"""Make the heads of an attachment on a trunk, with fresh weights."""

from collections.abc import Sequence

import torch
from torch import nn

from eecompile.attach.attachment import AttachedHead, Attachment
from eecompile.heads import head_from
from eecompile.heads.base import HeadContext, HeadKind, OwnHead, SharedModules, Tap
from eengines.errors import IngestError

__all__ = ["head_context", "kind_of", "make_heads"]


def make_heads(trunk: nn.Module, attachment: Attachment, *, seed: int) -> list[nn.Module]:
    """Return one module for each head of the attachment; modules that heads share are made once.

    Args:
        trunk: the network that they are put on.
        attachment: what is where.
        seed: of the weights. The caller's generator is left as it was.

    Raises:
        IngestError: a head that cannot be put where the attachment says.
    """
    shared = SharedModules()
    own = _own_head(trunk, attachment)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return [_make(attachment, head, own, shared) for head in attachment.heads]


def kind_of(head: AttachedHead) -> HeadKind:
    """The kind of a head with its options.

    Raises:
        IngestError: there is no such kind, or it has no such options.
    """
    return head_from(head.kind, head.options)


def head_context(
    tap: Tap,
    taps: Sequence[Tap],
    automatic: Sequence[str],
    output: tuple[int, ...],
    own: OwnHead | None,
    shared: SharedModules,
) -> HeadContext:
    """Where a head at `tap` is put; `taps` are in the order in which they run."""
    later = tuple(other for other in taps[list(taps).index(tap) + 1 :] if other.name in automatic)
    return HeadContext(tap=tap, later=later, output=output, own_head=own, shared=shared)


def _make(attachment: Attachment, head: AttachedHead, own: OwnHead | None, shared: SharedModules) -> nn.Module:
    kind, tap = kind_of(head), attachment.tap(head.tap)
    context = head_context(tap, attachment.taps, attachment.automatic, attachment.output, own, shared)
    refusal = kind.refusal(context)
    if refusal is not None:
        raise IngestError(f"checkpoint: head '{head.name}'", refusal, "Attach it again")
    return kind.make(context)


def _own_head(trunk: nn.Module, attachment: Attachment) -> OwnHead | None:
    if attachment.own_head is None or attachment.own_head_shape is None:
        return None
    return OwnHead(module=trunk.get_submodule(attachment.own_head), shape=attachment.own_head_shape)
