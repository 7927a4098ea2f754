"""What a manifest of a network with a dynamic sequence length must say."""

from eengines.errors import BundleError
from eerun.bundle.manifest import Manifest

__all__ = ["check_lengths"]

REBUILD = "Build the bundle again"


def check_lengths(manifest: Manifest, where: str) -> None:
    """Check that a network with a sequence axis has length buckets up to its greatest length, with costs for each.

    Args:
        manifest: of the bundle.
        where: its file, for messages.

    Raises:
        BundleError: it has not.
    """
    sequences = [(entry, entry.sequence) for entry in manifest.inputs if entry.sequence is not None]
    if any(not 0 <= axis < len(entry.shape) for entry, axis in sequences):
        raise BundleError(where, "an input has a sequence axis that its shape does not have", REBUILD)
    lengths, greatest = [entry.length for entry in manifest.lengths], {entry.shape[axis] for entry, axis in sequences}
    if greatest != set(lengths[-1:]) or lengths != sorted(set(lengths)) or min(lengths, default=1) < 1:
        problem = f"got lengths {lengths} for inputs of at most {sorted(greatest)}"
        raise BundleError(where, f"{problem}, expected them ascending, the last the greatest", REBUILD)
    for way in manifest.configurations:
        if len(way.length_costs) != len(lengths):
            problem = f"configuration {way.name} has {len(way.length_costs)} cost tables for {len(lengths)} lengths"
            raise BundleError(where, problem, REBUILD)
