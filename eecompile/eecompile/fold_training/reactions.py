"""How the logits of every image of a row react to that image, and to its partners."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from eecompile.fold.folded_network import FoldedNetwork

__all__ = ["Reactions", "reactions"]

ROWS = 8
CLOSE = 1e-3
"""Of the largest logit: images in other places are added up in another order."""


@dataclass(frozen=True, kw_only=True)
class Reactions:
    """What was measured.

    Attributes:
        apart: whether the logits of each image have the same bits whatever its partners are, and change with it.
        own_most: whether they change most with the image itself, at every exit and place.
        alike: whether an image has the same logits in every place, up to rounding.
    """

    apart: bool
    own_most: bool
    alike: bool


def reactions(network: FoldedNetwork, shape: tuple[int, ...]) -> Reactions:
    """Change one image of the rows at a time, and look at the logits of all.

    Args:
        network: folded; left as it is, a copy runs in float32 on the CPU.
        shape: of one image, `(channels, height, width)`.
    """
    body, factor = copy.deepcopy(network).cpu().float().eval(), network.factor
    generator = torch.Generator().manual_seed(0)
    rows, others = torch.randn(2, ROWS, factor, *shape, generator=generator)
    with torch.no_grad():
        before = body(rows)
        changes = torch.stack([_changes(before, body(_with(rows, others, place))) for place in range(factor)])
        turned = body(rows.roll(1, 1))
    own, partners = changes.diagonal(dim1=0, dim2=2), changes.movedim(1, 0)[:, ~torch.eye(factor, dtype=torch.bool)]
    most = changes.masked_fill(torch.eye(factor, dtype=torch.bool)[:, None], 0).amax(0)
    return Reactions(
        apart=bool((own > 0).all()) and not bool(partners.any()),
        own_most=bool((own > most).all()),
        alike=all(
            torch.allclose(one, other.roll(1, 1), rtol=0, atol=CLOSE * float(other.abs().max()))
            for one, other in zip(turned, before, strict=True)
        ),
    )


def _with(rows: Tensor, others: Tensor, place: int) -> Tensor:
    """The rows with another image in one place."""
    changed = rows.clone()
    changed[:, place] = others[:, place]
    return changed


def _changes(before: tuple[Tensor, ...], after: tuple[Tensor, ...]) -> Tensor:
    """`[exits, factor]`: how much the logits of each image changed, on average."""
    return torch.stack([(one - other).abs().mean((0, 2)) for one, other in zip(before, after, strict=True)])
