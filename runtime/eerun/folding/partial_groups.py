"""What is lost where the images of a batch do not fill its groups."""

__all__ = ["count_with_copies", "partial_groups"]


def partial_groups(batch: int, fold: int) -> str | None:
    """Return what to know of batches of so many images; None: they fill their groups, or the network is not folded."""
    missing = -batch % fold
    if not missing:
        return None
    what = "its group" if batch < fold else "its last group"
    return (
        f"A batch of {batch} does not fill {what} of {fold}: it is filled up by {missing} copies of the last image, "
        f"which cost as much as images. Give a multiple of {fold}."
    )


def count_with_copies(samples: int, batch: int, fold: int) -> int:
    """Return how many of so many images share a group with copies, where they are answered in batches."""
    full, last = divmod(samples, batch)
    return full * (batch % fold) + last % fold
