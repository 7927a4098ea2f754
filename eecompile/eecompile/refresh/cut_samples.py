"""Cut recent samples into train, tune and test, so that a sample is in the same part whenever it comes."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eerun.bundle import InputEntry
from eerun.data import Samples
from eerun.sequence import own_lengths, sequence_inputs

__all__ = ["cut_samples"]

ENDS = {"train": 0.6, "tune": 0.8, "test": 1.0}
"""A sample is in the first part whose end is above its number."""

DIGEST_BYTES = 8


def cut_samples(samples: Samples, entries: Sequence[InputEntry], seed: int) -> dict[str, Samples]:
    """Return the parts, about 60 % train, 20 % tune and 20 % test; each keeps the order of the samples.

    A sample's part follows from its inputs and the seed alone. So windows of traffic that overlap may be cut one after
    the other: what heads have learned from in one refresh is in *train* in the next, too, and copies of a sample
    are in one part. Where many samples are alike, the parts are less near to these shares.

    Args:
        samples: checked, see `check_inputs`.
        entries: what the bundle declares.
        seed: another seed cuts otherwise.

    Raises:
        InputError: inputs of different lengths.
    """
    part = np.searchsorted(list(ENDS.values()), _numbers(samples, entries, seed), side="right")
    return {name: samples.take(np.flatnonzero(part == index)) for index, name in enumerate(ENDS)}


def _numbers(samples: Samples, entries: Sequence[InputEntry], seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each sample `[samples] float64`: a hash of what it holds; padding behind it is cut."""
    axes = {entry.name: axis for entry, axis in sequence_inputs(entries).items()}
    own = own_lengths(samples.inputs, entries) if axes else None
    numbers = np.empty(len(samples), np.float64)
    for row in range(len(samples)):
        state = hashlib.blake2b(f"{seed}\n".encode(), digest_size=DIGEST_BYTES)
        for name in sorted(samples.inputs):
            array = samples.inputs[name][row]
            if own is not None and name in axes:
                array = array.take(np.arange(own[row]), axis=axes[name] - 1)
            state.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        numbers[row] = (int.from_bytes(state.digest(), "little") >> 11) / 2**53
    return numbers
