"""Fewer threads for small networks."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from eecompile.fold.folded_network import FoldedNetwork
from eecompile.module_macs import module_macs

__all__ = ["few_threads", "threads_for"]

MACS_A_THREAD = 1_000_000_000
"""Multiply-accumulates of a step's forward pass that make another thread worth while. In a step of the digits example,
0.8 thousand million, an operation takes about a millisecond. With two threads on two cores that were busy with other
work a training took more than three times as long as with one, because each operation waited for both."""


def threads_for(macs: int, available: int) -> int:
    """How many threads a step of so many multiply-accumulates uses, of those that are available."""
    return min(available, max(1, macs // MACS_A_THREAD))


@contextmanager
def few_threads(network: FoldedNetwork, shape: tuple[int, ...], rows: int) -> Iterator[None]:
    """While the context lasts, torch uses as many CPU threads as the network is large enough for.

    Args:
        network: folded.
        shape: of one image, `(channels, height, width)`.
        rows: of a step.
    """
    before = torch.get_num_threads()
    row = torch.zeros(1, network.factor, *shape, device=next(network.parameters()).device)
    torch.set_num_threads(threads_for(rows * module_macs(network, (row,)), before))
    try:
        yield
    finally:
        torch.set_num_threads(before)
