"""Multiply-accumulates of a torch module, for one sample."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["macs_until", "module_macs"]


def module_macs(module: nn.Module, inputs: Sequence[Tensor]) -> int:
    """Return the multiply-accumulates of one sample, rounded down.

    Convolutions, matrix products and attention are counted; normalisation, activations, pooling and recurrent layers
    are not. The module runs once, in evaluation mode; on the meta device that costs next to nothing.

    Args:
        module: on the device of the inputs.
        inputs: the arguments of `forward`, batch first.
    """
    with _counting(module) as counter:
        module(*inputs)
    return _per_sample(counter, inputs)


def macs_until(module: nn.Module, inputs: Sequence[Tensor], names: Sequence[str]) -> dict[str, int]:
    """Return the multiply-accumulates of one sample from the start of `forward` until a named module's output is made.

    All that `forward` computes before is counted, whether that output needs it or not: of a multi-exit network also the
    heads. What is counted, and how, is told by `module_macs`.

    Args:
        module: on the device of the inputs.
        inputs: the arguments of `forward`, batch first.
        names: as `named_modules` gives them.

    Returns:
        By name, in the order in which the modules ran. A module that does not run is left out; of one that runs several
        times the last run counts.

    Raises:
        AttributeError: there is no such module.
    """
    found: dict[str, int] = {}
    with _counting(module) as counter:

        def note(name: str) -> Callable[[nn.Module, object, object], None]:
            def hook(_module: nn.Module, _given: object, _made: object) -> None:
                found.pop(name, None)
                found[name] = _per_sample(counter, inputs)

            return hook

        handles = [module.get_submodule(name).register_forward_hook(note(name)) for name in names]
        try:
            module(*inputs)
        finally:
            for handle in handles:
                handle.remove()
    return found


@contextmanager
def _counting(module: nn.Module) -> Iterator[FlopCounterMode]:
    """Count in evaluation mode, without gradients; fused attention, which the counter cannot see, is off."""
    modes = [(part, part.training) for part in module.modules()]
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    module.eval()
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for part, training in modes:
            part.training = training


def _per_sample(counter: FlopCounterMode, inputs: Sequence[Tensor]) -> int:
    """One multiply-accumulate is two of the counter's operations."""
    return counter.get_total_flops() // (2 * inputs[0].shape[0])
