"""The promise is kept in as many draws as it says, for both methods and both losses; good candidates are certified."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.certificate_simulation import ACCURACY, RISKS, drawn_losses, simulated_violations
from eecalib.certify import METHODS

DRAWS, LIMIT, CONFIDENCE = 1500, 0.05, 0.9
NOISE = 4 * np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / DRAWS)
"""Four standard deviations of a share of so many draws: it fails by chance once in 30,000 times."""


@pytest.mark.parametrize("loss", ["accuracy drop", "disagreement"])
@pytest.mark.parametrize("method", METHODS)
def test_the_share_of_violations(method, loss):
    found = simulated_violations(method, loss, draws=DRAWS, samples=300, limit=LIMIT, confidence=CONFIDENCE, seed=1)
    assert found["violations"] <= 1 - CONFIDENCE + NOISE


@pytest.mark.parametrize(
    ("method", "loss", "samples"),
    [
        ("betting", "accuracy drop", 800),
        ("betting", "disagreement", 300),
        ("hoeffding-bentkus", "disagreement", 300),
        ("hoeffding-bentkus", "accuracy drop", 12_000),
    ],
)
def test_a_clearly_good_candidate_is_certified(method, loss, samples):
    found = simulated_violations(method, loss, draws=60, samples=samples, limit=LIMIT, confidence=CONFIDENCE, seed=2)
    assert found["certified"] > 0.9


@pytest.mark.parametrize("loss", ["accuracy drop", "disagreement"])
def test_the_drawn_risks_are_those_that_are_named(loss):
    losses, base = drawn_losses(loss, np.random.default_rng(3), draws=40, samples=20_000, limit=LIMIT)
    found = losses.mean(axis=(0, 2)) / base.mean()
    assert found == pytest.approx(LIMIT * np.array(RISKS), abs=4 * np.sqrt(0.15 / 800_000) / ACCURACY)
