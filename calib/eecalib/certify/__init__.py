"""Promises about risk that hold with a chosen probability, from the losses on samples that chose nothing."""

from eecalib.certify.betting import Bets, place_bets
from eecalib.certify.fixed_sequence import METHODS, Certified, Method, certify, last_shown, method_by_name, upper_bound
from eecalib.certify.hoeffding_bentkus import hb_bound, hb_p_value
from eecalib.certify.losses import Losses, accuracy_losses, disagreement_losses
from eecalib.certify.samples_needed import samples_for, samples_needed, too_few_samples

__all__ = [
    "METHODS",
    "Bets",
    "Certified",
    "Losses",
    "Method",
    "accuracy_losses",
    "certify",
    "disagreement_losses",
    "hb_bound",
    "hb_p_value",
    "last_shown",
    "method_by_name",
    "place_bets",
    "samples_for",
    "samples_needed",
    "too_few_samples",
    "upper_bound",
]
