"""A trunk and the heads that a checkpoint says are attached to it, before their weights are loaded."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import Attachment
from eecompile.attach.make_heads import make_heads
from eecompile.make_network import check_weights
from eengines.errors import IngestError

__all__ = ["rebuild"]

BODY = "body."
"""In front of the names of weights in a folded network."""

ANY_SEED = 0
"""The weights are about to be replaced."""


def rebuild(
    trunk: nn.Module, attachment: Attachment, weights: Mapping[str, Tensor], *, where: str, folded: bool = False
) -> Attached:
    """Put heads on a trunk.

    Heads are made without memory first, and only where they fit the weights for real: options of a damaged file could
    ask for any size.

    Args:
        trunk: what the architecture makes.
        attachment: of the checkpoint.
        weights: of the checkpoint, by name.
        where: what made the trunk, for messages.
        folded: whether the weights are those of the folded network, which has wider layers, as `body.*`.

    Raises:
        IngestError: the trunk lacks a module that the attachment names, or heads or weights do not fit.
    """
    known = dict(trunk.named_modules())
    named = [head.tap for head in attachment.heads] + [attachment.own_head or ""]
    lost = sorted({name for name in named if name not in known})
    if lost:
        problem = f"makes a network without the modules {', '.join(lost)}, which have attached heads"
        raise IngestError(where, problem, "Give the factory and arch_kwargs that the heads were attached to")
    with torch.device("meta"):
        sizes = Attached(trunk, make_heads(trunk, attachment, seed=ANY_SEED), attachment)
    check_weights(where, sizes.state_dict(), _unfolded(sizes, weights) if folded else weights)
    return Attached(trunk, make_heads(trunk, attachment, seed=ANY_SEED), attachment)


def _unfolded(sizes: Attached, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the folded network by the names before folding; what is as wide there or wider counts as fitting.

    So heads are never larger than what the file holds. How wide they must be is checked when they are folded.
    """
    expected = sizes.state_dict()
    found = {name.removeprefix(BODY): tensor for name, tensor in weights.items() if name.startswith(BODY)}
    return {
        name: expected[name] if name in expected and _as_wide(tensor.shape, expected[name].shape) else tensor
        for name, tensor in found.items()
    }


def _as_wide(shape: Sequence[int], least: Sequence[int]) -> bool:
    """Whether no axis is shorter."""
    return len(shape) == len(least) and all(size >= other for size, other in zip(shape, least, strict=True))
