"""The calibrators, and the table that finds them by name."""

from collections.abc import Mapping
from types import MappingProxyType

from eecalib.int8.calibrators.base import Calibrator
from eecalib.int8.calibrators.entropy import EntropyCalibrator
from eecalib.int8.calibrators.min_max import MinMaxCalibrator
from eecalib.int8.calibrators.mse import MseCalibrator
from eecalib.int8.calibrators.percentile import PercentileCalibrator
from eengines.errors import UserError

__all__ = [
    "CALIBRATORS",
    "Calibrator",
    "EntropyCalibrator",
    "MinMaxCalibrator",
    "MseCalibrator",
    "PercentileCalibrator",
    "calibrator_by_name",
]

CALIBRATORS: Mapping[str, type[Calibrator]] = MappingProxyType(
    {
        MinMaxCalibrator.name: MinMaxCalibrator,
        PercentileCalibrator.name: PercentileCalibrator,
        EntropyCalibrator.name: EntropyCalibrator,
        MseCalibrator.name: MseCalibrator,
    }
)


def calibrator_by_name(name: str) -> Calibrator:
    """Return the calibrator that has this name, with its default settings.

    Raises:
        UserError: there is none.
    """
    if name not in CALIBRATORS:
        raise UserError(
            "--calibrator", f"got '{name}', expected one of {', '.join(CALIBRATORS)}", "Choose one of these names"
        )
    return CALIBRATORS[name]()
