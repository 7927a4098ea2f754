"""Run a network once and note what every module was given and made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from eecompile.fold.cuts import Cut, WatchCuts
from eecompile.fold.why_it_fails import remedy_for
from eengines.errors import IngestError

__all__ = ["Call", "Noted", "example_of", "first_tensor", "run", "words"]

EXAMPLE_ROWS = 2
"""Rows of an example; a network that mixes rows with other axes is seen by them."""

Before = Callable[[str, nn.Module, Tensor | None], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """One run of one module.

    Attributes:
        name: of the module.
        module: itself.
        made: the first tensor that it made, or None.
        shapes: of all tensors that it made.
        history: the autograd node of `made`, as it was then.
    """

    name: str
    module: nn.Module
    made: Tensor | None
    shapes: tuple[tuple[int, ...], ...]
    history: Node | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Noted:
    """One run of a network.

    Attributes:
        calls: of every module, in the order in which they ended; the network itself is the last.
        exits: what it returned, one tensor an exit.
        cuts: what it took out of tensors, in order.
    """

    calls: tuple[Call, ...]
    exits: tuple[Tensor, ...]
    cuts: tuple[Cut, ...]


@dataclass(eq=False)
class _Notes:
    inside: list[str] = field(default_factory=list)
    parts: list[nn.Module] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


def example_of(module: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """Return `[2, *shape] float32` on the device of the module, the same values each time.

    Torch's own generator is left as it was.
    """
    values = torch.randn(EXAMPLE_ROWS, *shape, generator=torch.Generator().manual_seed(0))
    return values.to(next(module.parameters()).device)


def first_tensor(args: Sequence[object], kwargs: Mapping[str, object]) -> Tensor | None:
    """Return the first tensor that a module is given, by place or by name."""
    return next((value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), None)


def run(
    module: nn.Module,
    x: Tensor,
    *,
    where: str,
    what: str,
    before: Before | None = None,
    behind: Callable[[Call], None] | None = None,
) -> Noted:
    """Run a network in evaluation mode; it is left in the mode in which it was.

    Args:
        module: takes one tensor.
        x: an example.
        where: what made the network, for messages.
        what: what the network is, for messages: `the network`, or `the folded network`.
        before: called in front of each module's run with its name, itself, and the first tensor that it is given.
        behind: called behind each module's run.

    Raises:
        IngestError: `forward` fails, or returns something else than tensors.
    """
    notes = _Notes()
    watch = WatchCuts(lambda: notes.inside[-1] if notes.inside else "")
    try:
        with _evaluating(module), _noting(module, notes, before, behind), watch:
            answer: object = module(x)
    except (RuntimeError, TypeError, ValueError, IndexError, AssertionError) as error:
        place = words(where, notes.inside[-1] if notes.inside else "")
        problem = f"forward of {what} fails on {list(x.shape)}: {(str(error).splitlines() or [''])[0][:200]}"
        raise IngestError(place, problem, remedy_for(notes.parts[-1] if notes.parts else module)) from error
    exits = tuple(answer) if isinstance(answer, tuple | list) else (answer,)
    tensors = tuple(made for made in exits if isinstance(made, Tensor))
    if not exits or len(tensors) < len(exits):
        got = ", ".join(type(made).__name__ for made in exits) or "nothing"
        remedy = "Let forward return the logits of every exit as a tuple, shallow to deep"
        raise IngestError(where, f"forward returned {got}, expected tensors", remedy)
    return Noted(calls=tuple(notes.calls), exits=tensors, cuts=tuple(watch.cuts))


def words(where: str, name: str) -> str:
    """Where a module is, for messages."""
    return f"{where}: module '{name}'" if name else f"{where}: forward"


@contextmanager
def _noting(
    module: nn.Module, notes: _Notes, before: Before | None, behind: Callable[[Call], None] | None
) -> Iterator[None]:
    def enter(name: str) -> Callable[[nn.Module, tuple[object, ...], dict[str, object]], None]:
        def hook(part: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            notes.inside.append(name)
            notes.parts.append(part)
            if before is not None:
                before(name, part, first_tensor(args, kwargs))

        return hook

    def leave(part: nn.Module, _args: object, made: object) -> None:
        tensors = list(_tensors(made))
        first = tensors[0] if tensors else None
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        history = None if first is None else first.grad_fn
        notes.parts.pop()
        notes.calls.append(Call(name=notes.inside.pop(), module=part, made=first, shapes=shapes, history=history))
        if behind is not None:
            behind(notes.calls[-1])

    handles = []
    try:
        for name, part in module.named_modules():
            handles.append(part.register_forward_pre_hook(enter(name), with_kwargs=True))
            handles.append(part.register_forward_hook(leave))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _tensors(made: object) -> Iterator[Tensor]:
    if isinstance(made, Tensor):
        yield made
    elif isinstance(made, list | tuple):
        for item in made:
            yield from _tensors(item)
    elif isinstance(made, dict):
        yield from _tensors(list(made.values()))
