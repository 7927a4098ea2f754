"""Samples in pinned memory, as the device copies them from there: no staging is left to the host."""

from collections.abc import Mapping, Sequence

import numpy as np

from eengines.device import Device, DeviceView
from eengines.tensors import Array, TensorSpec

__all__ = ["pinned_samples"]


def pinned_samples(
    device: Device, specs: Sequence[TensorSpec], inputs: Mapping[str, Array], rows: int
) -> dict[str, DeviceView]:
    """Return `rows` samples of each input, repeated where there are fewer, at addresses that the device reads.

    Args:
        device: current in this thread.
        specs: the chain's inputs, as one sample has them.
        inputs: samples by input name.
        rows: how many to take.
    """
    views = {}
    for spec in specs:
        pinned = device.pinned(max(1, rows * spec.row_bytes))
        target = pinned.array[: rows * spec.row_bytes].view(spec.storage).reshape(rows, *spec.shape)
        np.copyto(target, np.resize(inputs[spec.name], target.shape))
        views[spec.name] = DeviceView(address=pinned.address, dtype=spec.dtype, shape=(rows, *spec.shape), owner=pinned)
    return views
