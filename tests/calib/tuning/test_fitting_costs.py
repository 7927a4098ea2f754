"""Cross-fitting of tuners: isotonic means, the drop to ask for, and what a policy that overfits loses."""

from itertools import pairwise

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_data
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from eecalib.tuning import Candidate, evaluate
from eecalib.tuning.cross_fit import CrossFit, cross_fit
from eecalib.tuning.tuners import TUNERS
from eerun.policies import MaxProbabilityPolicy

DATA = synthetic_data(300, exits=3, classes=4, seed=7)
DROPS = (0.0, 0.01, 0.02, 0.05)


def always(thresholds):
    """A tuner that gives the same whatever it sees."""
    return Candidate(tuner="by hand", policy=MaxProbabilityPolicy(), thresholds=thresholds)


@given(st.lists(st.floats(-0.05, 0.2), min_size=1, max_size=12), st.data())
def test_the_drop_to_ask_for(values, data):
    held_out = sorted(values)
    asked = np.cumsum(data.draw(st.lists(st.floats(0.001, 0.1), min_size=len(values), max_size=len(values))))
    fit = CrossFit(asked=tuple(asked.tolist()), held_out=tuple(held_out))
    wanted = np.linspace(min(held_out) - 0.1, max(held_out) + 0.1, 41)
    found = [fit.ask_for(float(drop)) for drop in wanted]
    assert all(low <= high + 1e-12 for low, high in pairwise(found)), "it rises with the allowed drop"
    assert max(found) <= asked[-1] + 1e-12
    for drop, ask in zip(wanted, found, strict=True):
        if held_out[0] < drop < held_out[-1]:
            assert np.interp(ask, asked, held_out) == pytest.approx(drop, abs=1e-9), "it is the inverse"
        elif drop <= held_out[0]:
            assert ask == pytest.approx(asked[0] - (held_out[0] - drop))
        else:
            assert ask == asked[-1]


def test_a_flat_part_gives_the_largest_drop_that_cost_no_more():
    fit = CrossFit(asked=(0.0, 0.01, 0.02, 0.03), held_out=(0.0, 0.01, 0.01, 0.03))
    assert fit.ask_for(0.01) == 0.02
    assert fit.ask_for(0.02) == pytest.approx(0.025)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("folds", "deals"), [(2, 1), (5, 2)])
def test_losses_are_made_to_rise_as_in_scikit_learn(seed, folds, deals):
    """What does not look at its samples loses on all that are held out what it loses on all samples."""
    levels = np.random.default_rng(seed).uniform(0.3, 0.9, 8)
    candidates = [always((float(level),) * 2) for level in levels]
    lost = np.array([DATA.reference_correct - evaluate(each, DATA).correct for each in candidates])
    assert (np.diff(lost) < 0).any()
    fit = cross_fit(lambda _data, _drops: candidates, DATA, tuple(range(8)), folds=folds, deals=deals)
    expected = IsotonicRegression().fit_transform(np.arange(8), lost / DATA.reference_correct)
    np.testing.assert_allclose(fit.held_out, expected)
    assert fit.asked == tuple(range(8))


@pytest.mark.parametrize(("folds", "deals"), [(2, 1), (3, 2)])
def test_every_sample_is_held_out_once_a_deal_and_never_seen_then(folds, deals):
    seen: list[set[bytes]] = []

    def frontier(data, drops):
        seen.append({row.tobytes() for row in data.trace.logits})
        return [always((None, None)) for _ in drops]

    cross_fit(frontier, DATA, DROPS, folds=folds, deals=deals)
    everything = {row.tobytes() for row in DATA.trace.logits}
    assert len(seen) == folds * deals
    for deal in range(deals):
        held_out = [everything - rows for rows in seen[deal * folds : (deal + 1) * folds]]
        assert sum(map(len, held_out)) == 300
        assert set().union(*held_out) == everything


def test_a_tuner_that_learns_by_heart_loses_more_than_it_shows():
    """Gates with a weight for each of 20 classes, fitted to 60 samples, against one that fits thresholds alone."""
    data = synthetic_data(120, exits=3, classes=20, seed=8)
    for name in ("gati-by-class", "max-probability"):
        fit = cross_fit(TUNERS[name].frontier, data, (0.0, 0.02), folds=2, deals=1)
        assert fit.held_out[1] > 0.02
        assert fit.ask_for(0.02) < 0.02
        found = TUNERS[name].frontier(data, (0.0, 0.02))
        for each, drop in zip(found, (0.0, 0.02), strict=True):
            assert evaluate(each, data).correct >= data.required(drop)
