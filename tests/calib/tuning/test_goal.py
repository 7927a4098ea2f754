"""What the user asks for, and the drops that are tried for it."""

import pytest

from eecalib.tuning.goal import LEAST_UNIT, STEPS, Goal
from eengines.errors import UserError


@pytest.mark.parametrize("max_drop", [0.001, 0.01, 0.3])
def test_drops_around_the_allowed_one(max_drop):
    drops = Goal(max_drop=max_drop, budget=None).drops
    assert list(drops) == sorted(drops)
    unit = max(max_drop, LEAST_UNIT)
    assert drops == tuple(step * unit for step in STEPS)
    assert min(drops) < 0 < max_drop < max(drops)


def test_no_drop_and_a_budget_have_drops_to_try():
    assert max(Goal(max_drop=0.0, budget=None).drops) == 3 * LEAST_UNIT
    assert max(Goal(max_drop=None, budget=2.5).drops) == pytest.approx(0.03)


@pytest.mark.parametrize(("max_drop", "budget"), [(None, None), (0.01, 2.5)])
def test_one_of_both(max_drop, budget):
    with pytest.raises(UserError, match="expected one of them"):
        Goal(max_drop=max_drop, budget=budget)
