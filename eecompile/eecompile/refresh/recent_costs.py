"""What the configurations of a bundle cost on recent samples: nothing is measured again."""

from collections.abc import Mapping

from eerun.blend_costs import blend_costs
from eerun.bundle import Bundle, LengthEntry
from eerun.costs import CostTable
from eerun.data import Samples
from eerun.executor import length_groups

__all__ = ["recent_costs", "recent_lengths"]


def recent_lengths(bundle: Bundle, tune: Samples) -> tuple[LengthEntry, ...]:
    """Return the bundle's length buckets with the shares of recent samples; none without a sequence axis.

    Raises:
        InputError: inputs of different lengths.
    """
    manifest = bundle.manifest
    shares = {entry.length: 0.0 for entry in manifest.lengths}
    if shares:
        for length, index, _ in length_groups(tune.inputs, manifest.inputs, list(shares)):
            shares[length] = len(index) / len(tune)
    return tuple(LengthEntry(length=length, share=share) for length, share in shares.items())


def recent_costs(bundle: Bundle, lengths: tuple[LengthEntry, ...]) -> Mapping[str, CostTable]:
    """Return the costs of each configuration, by name: those of the build, expected of the recent lengths.

    Args:
        bundle: as it is.
        lengths: see `recent_lengths`.

    Raises:
        BundleError: a cost table is damaged.
    """
    shares = {entry.length: entry.share for entry in lengths}
    return {
        entry.name: blend_costs(bundle.length_costs(entry), shares) if shares else bundle.costs(entry)
        for entry in bundle.manifest.configurations
    }
