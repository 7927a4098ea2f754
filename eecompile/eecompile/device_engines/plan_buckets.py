"""The batch sizes that plans are built for."""

from eecompile.device_engines.settings import EnginesSettings
from eengines.errors import UserError
from eerun.bundle import Bundle
from eerun.device_executor.next_rows import MOST_ROWS

__all__ = ["plan_buckets"]


def plan_buckets(bundle: Bundle, settings: EnginesSettings) -> tuple[int, ...]:
    """Return batch sizes in rows of the graphs, ascending; of a folded network a row is a group of images.

    Raises:
        UserError: sizes by hand that are no whole groups, or of more rows than a device takes.
    """
    if settings.buckets is None:
        return bundle.costs(bundle.manifest.chosen).buckets
    fold, got = bundle.manifest.images_a_row, ",".join(map(str, settings.buckets))
    if any(bucket % fold for bucket in settings.buckets):
        problem = f"got {got} images for a network folded by {fold}, expected multiples of {fold}"
        raise UserError("--buckets", problem, f"Give for example {fold},{8 * fold}")
    if max(settings.buckets) > fold * MOST_ROWS:
        raise UserError(
            "--buckets", f"got {got}, expected numbers up to {fold * MOST_ROWS}", "Give smaller ones: 1,8,32"
        )
    return tuple(sorted({bucket // fold for bucket in settings.buckets}))
