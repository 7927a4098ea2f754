"""The roofline of a device: how long a layer takes at least.

Source: Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52(4), 2009.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eecompile.fold_plan.intensity import moved_bytes
from eecompile.fold_plan.layer_work import LayerWork
from eecompile.fold_plan.measure_peak import measure_peak
from eecompile.fold_plan.settings import CPU, PlanSettings
from eengines.errors import UserError
from eengines.peaks import PEAKS, Peak
from eengines.targets import target_by_name

__all__ = ["Roofline", "roofline_of"]

MEASURED = "float32"
GIVE_FIGURES = "Give --peak-tera-ops and --memory-gigabytes of the device"


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """What a device can do in one precision.

    Attributes:
        tera_ops: 10^12 operations a second.
        gigabytes: 10^9 bytes a second of its memory.
        source: where the two come from.
    """

    tera_ops: float
    gigabytes: float
    source: str

    @property
    def ridge(self) -> float:
        """Operations a byte above which arithmetic is the limit."""
        return 1000 * self.tera_ops / self.gigabytes

    def seconds(self, layers: Sequence[LayerWork], *, rows: int, precision: str) -> float:
        """Return the least time of layers that run one after the other; each waits for arithmetic or for memory."""
        return sum(
            max(
                rows * layer.flops / (self.tera_ops * 1e12),
                moved_bytes([layer], rows=rows, precision=precision) / (self.gigabytes * 1e9),
            )
            for layer in layers
        )


def roofline_of(settings: PlanSettings) -> Roofline:
    """Return the figures that the user gave, those of the card's data sheet, or measured ones of this machine.

    Raises:
        UserError: the target does not compute in this precision, or nothing is known of how fast.
    """
    precision = settings.value_type
    if settings.peak_tera_ops is not None and settings.memory_gigabytes is not None:
        return Roofline(tera_ops=settings.peak_tera_ops, gigabytes=settings.memory_gigabytes, source="as given")
    where = f"--target {settings.target}"
    if settings.target == CPU:
        if precision != MEASURED:
            problem = f"got {precision}, and this machine is measured in {MEASURED} alone"
            raise UserError(where, problem, f"Leave out --precision. {GIVE_FIGURES}, or build and bench")
        return _roofline(measure_peak(), MEASURED, "measured here: a matrix product and a copy")
    target = target_by_name(settings.target)
    if precision not in target.precisions:
        problem = f"got {precision}, it computes in {', '.join(target.precisions)}"
        raise UserError(where, problem, "Choose one of these with --precision")
    peak = PEAKS.get(target.name)
    if peak is None or precision not in peak.tera_ops:
        raise UserError(where, f"how fast it is in {precision} is not known here", GIVE_FIGURES)
    return _roofline(peak, precision, "by its data sheet")


def _roofline(peak: Peak, precision: str, source: str) -> Roofline:
    return Roofline(tera_ops=peak.tera_ops[precision], gigabytes=peak.gigabytes, source=source)
