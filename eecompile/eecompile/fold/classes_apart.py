"""Whether the classes of an exit stay apart behind its last layers; folded, images would be mixed where they do not.

Classes are told apart by the bits of their numbers, so that gradients of all pairs of C classes are looked at in
2 log2(C) steps: two classes differ in a bit, and whatever reaches both reaches a class of either side of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from eecompile.fold.run import Call, Noted, run
from eengines.errors import IngestError

__all__ = ["check_classes_apart"]

CLOSE = 1e-5
"""Of the largest logit; less is not a change."""

Owners = Mapping[Call, Tensor]
"""By run of a layer, the class that each value reaches, `int64`; -1: none."""


def check_classes_apart(
    module: nn.Module, image: Tensor, noted: Noted, last: Sequence[Sequence[Call]], *, where: str
) -> None:
    """Refuse an exit in which a value of its last layers reaches two classes, by gradients or by values.

    Gradients tell which class each value reaches. Then the last layers make values of which those of every second class
    are larger, or of half of the classes, and the logits of all others must stay: that finds what gradients do not see,
    such as a detached norm.

    Args:
        module: the network before folding.
        image: what it ran on.
        noted: that run, with gradients.
        last: the runs of the last layers, by exit.
        where: what made the network, for messages.

    Raises:
        IngestError: classes are mixed.
    """
    owners = []
    for index, (logits, calls) in enumerate(zip(noted.exits, last, strict=True)):
        found = _owners(logits, calls)
        if found is None:
            raise _mixed(index, calls, where)
        owners.append(found)
    known = {call: torch.zeros_like(owner, dtype=torch.bool) for of_exit in owners for call, owner in of_exit.items()}
    equal = _exits(module, image, known, noted, where)
    for bit in {0, _bits(max(logits.shape[1] for logits in noted.exits)) - 1}:  # neighbours, and halves
        for side in (0, 1):
            larger = _of_side(owners, bit, side)
            changed = _exits(module, image, larger, noted, where)
            for index, (logits, other) in enumerate(zip(equal, changed, strict=True)):
                if _moves_others(logits, other, owners[index], larger):
                    raise _mixed(index, last[index], where)


def _bits(classes: int) -> int:
    return max(1, (classes - 1).bit_length())


def _owners(logits: Tensor, calls: Sequence[Call]) -> Owners | None:
    """The class that each value of the last layers reaches; None: one reaches two."""
    values = [call.made for call in calls if call.made is not None]
    owners = [torch.zeros(value.shape, dtype=torch.int64, device=value.device) for value in values]
    reached = [torch.zeros(value.shape, dtype=torch.bool, device=value.device) for value in values]
    drawn = torch.rand(logits.shape, generator=torch.Generator().manual_seed(0)).to(logits) + 0.5  # sums do not cancel
    classes = torch.arange(logits.shape[1], device=logits.device)
    for bit in range(_bits(logits.shape[1])):
        sides = [_reached(logits * drawn * ((classes >> bit & 1) == side), values) for side in (0, 1)]
        for place, (zero, one) in enumerate(zip(*sides, strict=True)):
            if bool((zero & one).any()):
                return None
            owners[place] += one.long() << bit
            reached[place] |= zero | one
    found = zip(calls, owners, reached, strict=True)
    return {call: owner.masked_fill(~some, -1) for call, owner, some in found}


def _reached(weighted: Tensor, values: list[Tensor]) -> list[Tensor]:
    """Where values have a gradient."""
    gradients = torch.autograd.grad(weighted.sum(), values, retain_graph=True, allow_unused=True)
    return [
        torch.zeros_like(value, dtype=torch.bool) if gradient is None else gradient != 0
        for value, gradient in zip(values, gradients, strict=True)
    ]


def _of_side(owners: Sequence[Owners], bit: int, side: int) -> dict[Call, Tensor]:
    """By run of a layer, the values of the classes whose numbers have this bit, for some exit."""
    found: dict[Call, Tensor] = {}
    for of_exit in owners:
        for call, owner in of_exit.items():
            chosen = (owner >= 0) & ((owner >> bit & 1) == side)
            found[call] = chosen | found[call] if call in found else chosen
    return found


def _exits(
    module: nn.Module, image: Tensor, larger: Mapping[Call, Tensor], noted: Noted, where: str
) -> tuple[Tensor, ...]:
    """The logits if these runs of layers make what they made before, with the chosen values larger."""
    with torch.no_grad(), _made_again(larger, noted.calls):
        return run(module, image, where=where, what="the network").exits


@contextmanager
def _made_again(larger: Mapping[Call, Tensor], calls: Sequence[Call]) -> Iterator[None]:
    def again(layer: nn.Module) -> Callable[[nn.Module, object, Tensor], Tensor]:
        waiting = iter([call for call in calls if call.module is layer])

        def hook(_layer: nn.Module, _given: object, made: Tensor) -> Tensor:
            call = next(waiting)
            if call not in larger or call.made is None:
                return made
            return call.made.detach() + (call.made.abs().max() + 1) * larger[call]

        return hook

    handles = [layer.register_forward_hook(again(layer)) for layer in {call.module for call in larger}]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _moves_others(logits: Tensor, other: Tensor, owners: Owners, larger: Mapping[Call, Tensor]) -> bool:
    """Whether logits move of whose values none was made larger."""
    may = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
    for call, owner in owners.items():
        changed = owner[larger[call]]
        may[changed[changed >= 0]] = True
    far = (other - logits).abs() > CLOSE * torch.maximum(logits.abs().max(), other.abs().max())
    return bool(far[:, ~may].any())


def _mixed(index: int, calls: Sequence[Call], where: str) -> IngestError:
    found = ", ".join(sorted({call.name for call in calls}))
    problem = f"mixes its classes behind {found}, as a softmax or a norm does; folded, images would be mixed"
    return IngestError(f"{where}: exit {index}", problem, "Let forward return logits")
