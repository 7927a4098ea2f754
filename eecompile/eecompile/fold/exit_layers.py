"""The layers that make the logits of an exit: their width is a number of classes, not of hidden features."""

from eecompile.fold.layers import MAKERS
from eecompile.fold.run import Call, Noted
from eecompile.fold.walk_back import walk_back
from eengines.errors import IngestError

__all__ = ["exit_layers"]


def exit_layers(noted: Noted, *, where: str) -> tuple[tuple[Call, ...], ...]:
    """Return, for every exit, the runs of the last convolutions and linear layers in front of it.

    From each exit the autograd graph is walked back, through whatever operations, to the first such layers.

    Args:
        noted: a run with gradients.
        where: what made the network, for messages.

    Raises:
        IngestError: an exit without such layers.
    """
    makers = {call.history: call for call in noted.calls if isinstance(call.module, MAKERS) and call.history}
    last = tuple(tuple(walk_back(logits.grad_fn, makers)) for logits in noted.exits)
    for index, calls in enumerate(last):
        if not calls:
            problem = "is not made by a convolution or linear layer, as far as gradients tell"
            raise IngestError(
                f"{where}: exit {index}", problem, "Let a layer of torch.nn make the logits, with gradients"
            )
    return last
