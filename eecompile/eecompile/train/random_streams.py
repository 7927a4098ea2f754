"""Random numbers of one training run: a stream of its own for each purpose, all from one seed."""

from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

import numpy as np
import torch

__all__ = ["own_torch_numbers", "random_stream", "seed_torch"]


def random_stream(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """Return numpy's generator for a purpose, such as the order of an epoch, and its numbers."""
    return np.random.default_rng([seed, crc32(purpose.encode()), *numbers])


def seed_torch(device: torch.device, seed: int, purpose: str, *numbers: int) -> None:
    """Seed torch's own generators, from which dropout draws."""
    value = int(random_stream(seed, purpose, *numbers).integers(2**63))
    torch.default_generator.manual_seed(value)
    if device.type == "cuda":
        torch.cuda.manual_seed(value)


@contextmanager
def own_torch_numbers(device: torch.device) -> Iterator[None]:
    """While the context lasts, torch's generators are ours; afterwards they are as they were."""
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        yield
