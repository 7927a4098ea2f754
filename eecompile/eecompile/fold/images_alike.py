"""Whether a folded network reads all images of a row alike."""

import torch
from torch import Tensor, nn

from eecompile.fold.run import Noted, run
from eengines.errors import IngestError

__all__ = ["check_images_alike"]

LARGER = (1e2, 1e4, 1e6)
"""Times the example's values, where a ReLU may have hidden a channel: far above any bias, but a sigmoid hides more."""


def check_images_alike(body: nn.Module, row: Tensor, after: Noted, factor: int, *, where: str) -> None:
    """Refuse a network in which a channel of one image reaches an exit, and the same channel of another does not.

    That is what a slice, a split or a step over the channels of the input does: each image would need its own.

    Args:
        body: folded, takes `[rows, factor * channels, height, width]`.
        row: what it ran on, a leaf with gradients.
        after: that run.
        factor: images a row.
        where: what made the network, for messages.

    Raises:
        IngestError: images are read differently.
    """
    reached = _reached(after, row, factor)
    for scale in LARGER:
        if _alike(reached):
            return
        larger = (row.detach() * scale).requires_grad_(True)
        again = run(body, larger.clone(), where=where, what="the folded network")
        reached = [one | other for one, other in zip(reached, _reached(again, larger, factor), strict=True)]
    if _alike(reached):
        return
    index, exit_ = next((i, one) for i, one in enumerate(reached) if not _alike([one]))
    channel = int((exit_.any(0) & ~exit_.all(0)).int().argmax())
    read = ", ".join(str(int(image)) for image in exit_[:, channel].nonzero())
    problem = f"reads channel {channel} of image {read} of {factor}, and not of the others, when folded"
    raise IngestError(
        f"{where}: exit {index}", problem, "Let the first layers take all channels of the input, not some of them"
    )


def _reached(noted: Noted, row: Tensor, factor: int) -> list[Tensor]:
    """For each exit, which channels of which images it reads, `[factor, channels] bool`."""
    found = []
    for logits in noted.exits:
        weights = torch.rand(logits.shape, generator=torch.Generator().manual_seed(0)).to(logits) + 0.5
        (gradient,) = torch.autograd.grad((logits * weights).sum(), row, retain_graph=True)
        found.append((gradient != 0).any((0, 2, 3)).reshape(factor, -1))
    return found


def _alike(reached: list[Tensor]) -> bool:
    return all(bool((one.any(0) == one.all(0)).all()) for one in reached)
