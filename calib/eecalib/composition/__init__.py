"""Which of several trained heads becomes the exit of which tap: Gati's composition, by measured time."""

from eecalib.composition.binding import Binding, binding_limits
from eecalib.composition.candidate_heads import CandidateHeads
from eecalib.composition.compose import Composition, compose, settle
from eecalib.composition.first_look import FirstLook
from eecalib.composition.limits import Limits
from eecalib.composition.scores import SCORES, fit_score

__all__ = [
    "SCORES",
    "Binding",
    "CandidateHeads",
    "Composition",
    "FirstLook",
    "Limits",
    "binding_limits",
    "compose",
    "fit_score",
    "settle",
]
