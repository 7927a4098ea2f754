"""What a manifest of a folded network must say, and must not."""

from eengines.errors import BundleError
from eerun.bundle.manifest import Manifest

__all__ = ["WIDTHS", "check_fold"]

REBUILD = "Build the bundle again"

WIDTHS = ("multiple-of-8", "exact")
"""How hidden widths may have been rounded."""


def check_fold(manifest: Manifest, where: str) -> None:
    """Check the fold factor and the widths, and refuse what does not go together with folding.

    Args:
        manifest: of the bundle.
        where: its file, for messages.

    Raises:
        BundleError: a factor below 2, unknown widths, or a folded network that is dense, takes more than the image,
            has a sequence axis or has heads as graphs of their own; or a predictor of easiness for a network that is
            not folded.
    """
    fold = manifest.fold
    if fold is None:
        if manifest.easiness is not None:
            problem = f"it names {manifest.easiness!r}, but the network is not folded, so that images share no rows"
            raise BundleError(where, problem, REBUILD)
        return
    if fold.factor < 2 or fold.widths not in WIDTHS:
        problem = f"got fold factor {fold.factor} with widths {fold.widths!r}"
        raise BundleError(where, f"{problem}, expected 2 or more with {' or '.join(WIDTHS)}", REBUILD)
    folded = f"the network is folded by {fold.factor}"
    if manifest.task != "classification":
        raise BundleError(where, f"{folded}, but its task is {manifest.task!r}, expected 'classification'", REBUILD)
    if len(manifest.inputs) != 1:
        names = ", ".join(entry.name for entry in manifest.inputs)
        raise BundleError(where, f"{folded}, but takes {names or 'nothing'}, expected one input", REBUILD)
    if manifest.lengths or any(entry.sequence is not None for entry in manifest.inputs):
        raise BundleError(where, f"{folded}, but has a sequence axis, expected inputs of a fixed shape", REBUILD)
    for way in manifest.configurations:
        if way.heads:
            problem = f"{folded}, but configuration {way.name} has heads as graphs of their own"
            raise BundleError(where, f"{problem}, expected them in its segments", REBUILD)
