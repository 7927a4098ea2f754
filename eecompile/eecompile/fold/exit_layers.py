"""The layers that make the logits of an exit: their width is a number of classes, not of hidden features."""

import torch
from torch import Tensor
from torch.autograd.graph import Node

from eecompile.fold.layers import MAKERS
from eecompile.fold.run import Call, Noted
from eengines.errors import IngestError

__all__ = ["exit_layers"]

PROBED = 16
"""Classes whose gradients are looked at; a softmax or a norm mixes any two of them."""


def exit_layers(noted: Noted, *, where: str) -> set[str]:
    """Return the names of the last convolutions and linear layers in front of every exit.

    From each exit the autograd graph is walked back, through whatever operations, to the first such layers. What is
    computed behind them must keep the classes apart: no value may reach two classes, or images would share them.

    Args:
        noted: a run with gradients.
        where: what made the network, for messages.

    Raises:
        IngestError: an exit without such layers, or classes that are mixed behind them.
    """
    makers = {call.history: call for call in noted.calls if isinstance(call.module, MAKERS) and call.history}
    names: set[str] = set()
    for index, logits in enumerate(noted.exits):
        last = _last_layers(logits.grad_fn, makers)
        place = f"{where}: exit {index}"
        if not last:
            problem = "is not made by a convolution or linear layer, as far as gradients tell"
            raise IngestError(place, problem, "Let a layer of torch.nn make the logits, with gradients")
        found = ", ".join(sorted({call.name for call in last}))
        if _mixed(logits, [call.made for call in last if call.made is not None]):
            problem = f"mixes its classes behind {found}, as a softmax or a norm does; folded, images would be mixed"
            raise IngestError(place, problem, "Let forward return logits")
        names |= {call.name for call in last}
    return names


def _last_layers(start: Node | None, makers: dict[Node, Call]) -> list[Call]:
    waiting, seen, last = [start], set[Node](), []
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node in makers:
            last.append(makers[node])
        else:
            waiting += [before for before, _ in node.next_functions]
    return last


def _mixed(logits: Tensor, values: list[Tensor]) -> bool:
    """Whether a value behind the last layers reaches two classes of one image."""
    reached = [torch.zeros_like(value, dtype=torch.int32) for value in values]
    for class_ in range(min(logits.shape[1], PROBED)):
        gradients = torch.autograd.grad(logits[0, class_], values, retain_graph=True, allow_unused=True)
        for place, gradient in enumerate(gradients):
            if gradient is not None:
                reached[place] += gradient != 0
    return any(bool((count > 1).any()) for count in reached)
