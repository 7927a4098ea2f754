"""Engines for a card: plans from the graphs of a bundle, measured and tuned where the card is."""

from eecompile.device_engines.build_engines import build_engines
from eecompile.device_engines.report import EnginesReport, MeasuredConfiguration
from eecompile.device_engines.settings import EnginesSettings

__all__ = ["EnginesReport", "EnginesSettings", "MeasuredConfiguration", "build_engines"]
