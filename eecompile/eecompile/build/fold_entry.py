"""What a bundle says of how its network was folded, and from which."""

from pathlib import Path

from eecompile.checkpoint import load_checkpoint
from eerun.bundle import FoldEntry

__all__ = ["fold_entry"]


def fold_entry(model: Path, *, factor: int, widths: str | None) -> FoldEntry | None:
    """Return what a bundle says of folding; None: the network is not folded.

    Training has written the digest of the model file of the unfolded network into the checkpoint; nobody knows it of a
    checkpoint that was made otherwise.

    Args:
        model: what is built; a checkpoint if it is folded.
        factor: images a row.
        widths: how hidden widths were rounded; None: the network is not folded.

    Raises:
        IngestError: the checkpoint cannot be read.
    """
    if widths is None:
        return None
    told = load_checkpoint(model).meta.get("fold")
    digest = told.get("unfolded_sha256") if isinstance(told, dict) else None
    return FoldEntry(factor=factor, widths=widths, unfolded_sha256=digest if isinstance(digest, str) else None)
