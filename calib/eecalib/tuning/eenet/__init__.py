"""EENet: learned scores and learned shares of the exits, for an average budget."""

from eecalib.tuning.eenet.candidates import EENET_TUNERS, eenet_candidates, eenet_for_budget

__all__ = ["EENET_TUNERS", "eenet_candidates", "eenet_for_budget"]
