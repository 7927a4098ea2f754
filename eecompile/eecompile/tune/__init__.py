"""Tune a bundle without building it again: every exit policy on one recording, fewer exits, a certificate."""

from eecompile.tune.report import TuneReport
from eecompile.tune.settings import TuneSettings
from eecompile.tune.tune import tune

__all__ = ["TuneReport", "TuneSettings", "tune"]
