"""Choose the thresholds of the exits: the cheapest that keep the quality asked for."""

from eecalib.thresholds.cross_fit import optimism
from eecalib.thresholds.tune import Tuner, Tuning, tune_thresholds

__all__ = ["Tuner", "Tuning", "optimism", "tune_thresholds"]
