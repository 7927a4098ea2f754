"""What `eerun run` says of the groups of a folded network."""

from collections.abc import Sequence

from eerun.folding import partial_groups

__all__ = ["left_lines", "partial_lines"]


def partial_lines(samples: int, batch: int, fold: int) -> list[str]:
    """Which batches do not fill their groups: the usual one, and the last if it is smaller."""
    sizes = dict.fromkeys((min(batch, samples), samples % batch or batch))
    return [f"! {words}" for size in sizes if (words := partial_groups(size, fold)) is not None]


def left_lines(exits: Sequence[str], answered: Sequence[int], left: Sequence[int], *, fold: int) -> list[str]:
    """Where samples left; of a folded network where images were answered, and where their groups left.

    Args:
        exits: names of the exits.
        answered: samples that each of them answered.
        left: rows that left at each of them.
        fold: images a row.
    """
    from eerun.bench.table import aligned, share

    if fold == 1:
        count = sum(answered)
        return aligned(
            [(f"left at {name}", share(n / count, 1), str(n)) for name, n in zip(exits, answered, strict=True)]
        )
    images, groups = sum(answered), sum(left)
    rows = [("", "images", "", "groups left", "")]
    rows += [
        (f"answered at {name}", share(n / images, 1), str(n), share(gone / groups, 1), str(gone))
        for name, n, gone in zip(exits, answered, left, strict=True)
    ]
    return aligned(rows)
