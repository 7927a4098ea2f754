"""Explicit INT8: Q/DQ graphs written from canonical ranges, for each family of engines its own pattern."""

from eecompile.precision.int8.crossings import quantised_crossings
from eecompile.precision.int8.quantise import FAMILIES, quantise
from eecompile.precision.int8.shared_scales import share_ranges
from eecompile.precision.int8.sites import calibration_values

__all__ = ["FAMILIES", "calibration_values", "quantise", "quantised_crossings", "share_ranges"]
