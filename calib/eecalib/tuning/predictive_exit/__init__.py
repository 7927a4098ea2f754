"""Predictive Exit: test a sample at few exits, by a forecast of where it will leave."""

from eecalib.tuning.predictive_exit.candidates import PREDICTIVE_TUNERS, predictive_exit_candidates
from eecalib.tuning.predictive_exit.skipping_saves import skipping_saves

__all__ = ["PREDICTIVE_TUNERS", "predictive_exit_candidates", "skipping_saves"]
