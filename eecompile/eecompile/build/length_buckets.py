"""The sequence lengths that a bundle is prepared for, and how many samples each of them holds."""

from collections.abc import Mapping, Sequence

import numpy as np

from eecompile.build.settings import BuildSettings, default_lengths
from eengines.errors import UserError
from eengines.tensors import Array
from eerun.bundle import InputEntry, LengthEntry
from eerun.sequence import at_length, own_lengths, sequence_inputs

__all__ = ["length_buckets", "samples_of_length"]


def length_buckets(
    inputs: Sequence[InputEntry], tune: Mapping[str, Array] | None, settings: BuildSettings
) -> tuple[LengthEntry, ...]:
    """Return the length buckets, ascending; none for a network without a sequence axis.

    Args:
        inputs: raw inputs.
        tune: samples that tell how long samples are; None: all buckets are thought to be equally frequent.
        settings: what the user chose.

    Raises:
        UserError: inputs of different greatest lengths, or `--lengths` that do not fit them.
        InputError: samples of different lengths.
    """
    greatest = {entry.shape[axis - 1] for entry, axis in sequence_inputs(inputs).items()}
    if len(greatest) > 1:
        problem = f"inputs have different greatest lengths: {sorted(greatest)}, expected one"
        raise UserError("input", problem, "Correct the shapes of the inputs")
    if not greatest:
        if settings.lengths is not None:
            raise UserError("--lengths", "the network has no sequence axis", "Leave it out")
        return ()
    lengths = settings.lengths or default_lengths(*greatest)
    if lengths[-1] not in greatest:
        problem = f"got {','.join(map(str, lengths))}, the greatest length is {max(greatest)}"
        raise UserError("--lengths", problem, "Let the last be the greatest length")
    shares = np.full(len(lengths), 1 / len(lengths))
    if tune is not None:
        bucket = np.searchsorted(lengths, own_lengths(tune, inputs))
        shares = np.bincount(bucket, minlength=len(lengths)) / len(bucket)
    return tuple(
        LengthEntry(length=length, share=share) for length, share in zip(lengths, shares.tolist(), strict=True)
    )


def samples_of_length(
    samples: Mapping[str, Array], inputs: Sequence[InputEntry], lengths: Sequence[int], length: int
) -> dict[str, Array]:
    """Return the samples that run in one length bucket, padded or cut to it; where there are none, all, cut to it."""
    bucket = np.searchsorted(lengths, own_lengths(samples, inputs))
    index = np.flatnonzero(bucket == lengths.index(length))
    chosen = {name: array[index] for name, array in samples.items()} if len(index) else samples
    return at_length(chosen, inputs, length)
