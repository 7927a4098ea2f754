"""Certificates of folded networks: groups are the observations, images the unit of the risk."""

import numpy as np
import pytest

from eecalib.certify import accuracy_losses, certify, disagreement_losses, samples_needed, too_few_samples
from eengines.errors import UserError

FOLD, GROUPS, LIMIT, CONFIDENCE, DRAWS = 8, 60, 0.1, 0.9, 120


def test_a_loss_is_the_mean_over_a_group():
    differs = np.array([1, 0, 0, 0, 1, 1, 0, 0])
    losses = disagreement_losses(differs, fold=4)
    assert losses.loss.tolist() == [0.25, 0.5]
    assert losses.base.tolist() == [1.0, 1.0]
    assert (losses.samples, losses.images) == (2, 8)
    assert losses.risk == differs.mean()
    drop = accuracy_losses(np.array([1, 1, 0, 1]), np.array([1, 0, 1, 1]), fold=2)
    assert (drop.loss.tolist(), drop.base.tolist()) == ([0.5, -0.5], [1.0, 0.5])
    assert drop.risk == accuracy_losses(np.array([1, 1, 0, 1]), np.array([1, 0, 1, 1])).risk == 0


def test_images_that_are_no_groups_are_refused():
    with pytest.raises(UserError, match="got 7 samples for groups of 2"):
        disagreement_losses(np.zeros(7), fold=2)


def test_the_samples_it_takes_are_counted_in_images():
    least = samples_needed(LIMIT, CONFIDENCE)
    losses = disagreement_losses(np.zeros((least - 1) * FOLD), fold=FOLD)
    text = too_few_samples(losses, LIMIT, CONFIDENCE)
    assert text.startswith(f"{(least - 1) * FOLD} samples in {least - 1} groups do not show")
    assert f"at least {least * FOLD} are needed" in text


def certified_share(fold: int) -> float:
    """How often a risk just above the limit is certified where images of a group are lost together."""
    random = np.random.default_rng(5)
    wrongly = 0
    for _ in range(DRAWS):
        differs = np.repeat(random.random(GROUPS) < 1.05 * LIMIT, FOLD)
        losses = [disagreement_losses(differs, fold=fold)]
        wrongly += certify(losses, limit=LIMIT, confidence=CONFIDENCE).index is not None
    return wrongly / DRAWS


def test_images_that_depend_on_each_other_are_not_promised_too_much():
    """Counted one by one the same images are certified far too often."""
    assert certified_share(FOLD) <= 1 - CONFIDENCE
    assert certified_share(1) > 1.5 * (1 - CONFIDENCE)
