"""Tuners: what finds a policy and thresholds on a recording."""

from eecalib.tuning.tuners.score_tuner import without_fit
from eecalib.tuning.tuners.table import MAP_TUNERS, TUNERS, left_out_when_folded, map_policies, tuners_for
from eecalib.tuning.tuners.tuner import Tuner

__all__ = ["MAP_TUNERS", "TUNERS", "Tuner", "left_out_when_folded", "map_policies", "tuners_for", "without_fit"]
