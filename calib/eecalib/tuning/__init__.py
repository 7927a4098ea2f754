"""Every exit policy, tried on one recording of the exits: candidates, and what they would give."""

from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.outcome import Outcome, evaluate

__all__ = ["Candidate", "Outcome", "TuningData", "evaluate"]
