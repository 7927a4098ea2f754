"""A network that takes several images in one pass."""

from torch import Tensor, nn

__all__ = ["FoldedNetwork"]


class FoldedNetwork(nn.Module):
    """A folded body, and the shapes around it. `state_dict` has the names of the network before folding, as `body.*`.

    Attributes:
        body: maps `[rows, factor * channels, height, width]` to `[rows, factor * classes]` of every exit, in the form
            in which the network before folding returns them: one tensor, a tuple or a list.
        factor: images a row.
    """

    def __init__(self, body: nn.Module, factor: int) -> None:
        super().__init__()
        self.body = body
        self.factor = factor

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images `[rows, factor, channels, height, width] float32` to the logits of every exit, shallow to deep.

        Each is `[rows, factor, classes]`, images in the same places.
        """
        made = self.body(x.flatten(1, 2))
        exits = tuple(made) if isinstance(made, tuple | list) else (made,)
        return tuple(logits.unflatten(1, (self.factor, -1)) for logits in exits)
