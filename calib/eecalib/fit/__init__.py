"""Parameters of exit policies and of what predicts easy images, fitted to what the exits say."""

from eecalib.fit.accuracy_bins import fit_accuracy_bins
from eecalib.fit.easiness import fit_easiness
from eecalib.fit.gati import fit_gati
from eecalib.fit.geometric_ensemble import fit_geometric_ensemble
from eecalib.fit.pixel_count import LEVELS, pixel_count_policies

__all__ = [
    "LEVELS",
    "fit_accuracy_bins",
    "fit_easiness",
    "fit_gati",
    "fit_geometric_ensemble",
    "pixel_count_policies",
]
