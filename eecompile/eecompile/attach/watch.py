"""Run a trunk once and keep what every module was given and made: what taps are found and checked by."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from eecompile.attach.attached import final_answer

__all__ = ["Call", "Watched", "watch"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """One run of one module.

    Attributes:
        order: the place of its output among the outputs of all modules.
        first: the tensor that it was given first, or None where the first argument is something else.
        tensors: how many tensors it was given.
        made: what it returned; of a tuple the first item.
        version: how often the memory of `made` had been written to.
        history: the autograd node of `made`, as it was then.
    """

    order: int
    first: Tensor | None
    tensors: int
    made: object
    version: int
    history: Node | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """A trunk and one run of it.

    Attributes:
        trunk: the network.
        arguments: what it was given, `[batch, ...]` each.
        calls: of every module that ran, by name, in the order of `named_modules`.
        answer: the trunk's answer.
    """

    trunk: nn.Module
    arguments: tuple[Tensor, ...]
    calls: Mapping[str, Sequence[Call]]
    answer: Tensor

    @property
    def batch(self) -> int:
        """Number of samples."""
        return len(self.arguments[0])

    def call(self, name: str) -> Call | None:
        """The run of a module that ran once; None for any other."""
        calls = self.calls.get(name, ())
        return calls[0] if len(calls) == 1 else None


def watch(trunk: nn.Module, arguments: tuple[Tensor, ...]) -> Watched:
    """Run a trunk in evaluation mode on an example; its weights are left as they are.

    Autograd records what was made from what; nothing is differentiated.

    Args:
        trunk: the network; `forward` takes the arguments.
        arguments: an example of two samples or more.
    """
    calls: dict[str, list[Call]] = {}
    count = 0

    def keep(name: str) -> Callable[[nn.Module, tuple[object, ...], dict[str, object], object], None]:
        def hook(_module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object], made: object) -> None:
            nonlocal count
            calls.setdefault(name, []).append(_call(count, (*args, *kwargs.values()), made))
            count += 1

        return hook

    modules = {name: module for name, module in trunk.named_modules() if name}
    handles = [module.register_forward_hook(keep(name), with_kwargs=True) for name, module in modules.items()]
    try:
        with _differentiable(trunk), torch.enable_grad():
            answer = final_answer(trunk.eval()(*arguments))
    finally:
        for handle in handles:
            handle.remove()
    ran = {name: calls[name] for name in modules if name in calls}
    return Watched(trunk=trunk, arguments=arguments, calls=ran, answer=answer)


def _call(order: int, given: Sequence[object], made: object) -> Call:
    tensors = [value for value in given if isinstance(value, Tensor)]
    first: object = made[0] if isinstance(made, tuple | list) and made else made
    return Call(
        order=order,
        first=tensors[0] if tensors and tensors[0] is given[0] else None,
        tensors=len(tensors),
        made=first,
        version=first._version if isinstance(first, Tensor) else 0,
        history=first.grad_fn if isinstance(first, Tensor) else None,
    )


@contextmanager
def _differentiable(trunk: nn.Module) -> Iterator[None]:
    """While the context lasts, all float weights take part in autograd."""
    frozen = [weight for weight in trunk.parameters() if weight.is_floating_point() and not weight.requires_grad]
    for weight in frozen:
        weight.requires_grad_(True)
    try:
        yield
    finally:
        for weight in frozen:
            weight.requires_grad_(False)
