"""The promise is kept in as many draws as it says, for both methods and both losses; good candidates are certified."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.certificate_simulation import ACCURACY, RISKS, drawn_losses, simulated_violations
from eecalib.certify import METHODS, betting, certify, hoeffding_bentkus
from eecalib.certify.losses import Losses

DRAWS, SAMPLES, LIMIT, CONFIDENCE = 4000, 200, 0.05, 0.9
NOISE = 3 * np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / DRAWS)
"""Three standard deviations of the share of violations among so many draws, were it δ."""


@pytest.mark.parametrize("loss", ["accuracy drop", "disagreement"])
@pytest.mark.parametrize("method", METHODS)
def test_the_share_of_violations(method, loss):
    found = simulated_violations(method, loss, draws=DRAWS, samples=300, limit=LIMIT, confidence=CONFIDENCE, seed=1)
    assert found["violations"] <= 1 - CONFIDENCE + NOISE


@pytest.fixture
def without_bounds(monkeypatch):
    """Bounds are not looked at here, so they need not be halved until they are exact."""
    for module in (betting, hoeffding_bentkus):
        monkeypatch.setattr(module, "HALVINGS", 1)


def certified_share(method, loss, *, in_order):
    """Certify draws of the whole ladder; return how often what is certified breaks the limit, and how often any is.

    `in_order`: samples are given sorted, those first on which the fewest candidates lose.
    """
    random, good = np.random.default_rng(4), sum(risk <= 1 for risk in RISKS)
    losses, base = drawn_losses(loss, random, draws=DRAWS, samples=SAMPLES, limit=LIMIT)
    base, least, broken, passed = np.broadcast_to(base, losses.shape), 0 if loss == "disagreement" else -1, 0, 0
    for draw in range(DRAWS):
        order = losses[draw].sum(axis=0).argsort(kind="stable") if in_order else slice(None)
        ladder = [
            Losses(loss=losses[draw, k, order], base=base[draw, k, order], least=least) for k in range(len(RISKS))
        ]
        index = certify(ladder, limit=LIMIT, confidence=CONFIDENCE, method=method, seed=draw).index
        broken += index is not None and index >= good
        passed += index is not None
    return broken / DRAWS, passed / DRAWS


@pytest.mark.usefixtures("without_bounds")
@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize(
    ("method", "loss"),
    [("betting", "accuracy drop"), ("betting", "disagreement"), ("hoeffding-bentkus", "disagreement")],
)
def test_what_is_certified_keeps_the_limit_in_so_many_draws(method, loss, in_order):
    broken, certified = certified_share(method, loss, in_order=in_order)
    assert broken <= 1 - CONFIDENCE + NOISE
    assert certified > 0.2, "the candidates must be able to pass"


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
