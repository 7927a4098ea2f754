"""What tuners look at: counts and costs of a recording, and what does not fit together."""

from dataclasses import replace

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_costs, synthetic_data

from eecalib.trace import ExitTrace
from eengines.errors import UserError

DATA = synthetic_data(50, exits=3, classes=4, seed=0)


def test_what_a_drop_is_relative_to():
    data = replace(DATA, reference_right=np.where(np.arange(50) < 40, 1, 0))
    assert data.samples == 50
    assert data.reference_correct == 40
    assert [data.required(drop) for drop in (0.0, 0.1, 0.11, -0.05)] == [40, 36, 36, 42]


def test_the_cost_is_tabulated_for_its_samples():
    assert (DATA.cost.samples, DATA.cost.batch) == (50, 8)
    assert DATA.cost.full_ms == pytest.approx(sum(DATA.costs.run_ms(k, 8) for k in range(3)))


def test_some_rows():
    rows = np.array([3, 41])
    few = DATA.rows(rows)
    np.testing.assert_array_equal(few.trace.logits, DATA.trace.logits[rows])
    np.testing.assert_array_equal(few.reference_right, DATA.reference_right[rows])
    assert few.costs is DATA.costs


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"trace": ExitTrace(logits=DATA.trace.logits, labels=None)}, "got a trace without labels"),
        ({"reference_right": DATA.reference_right[1:]}, r"got \[49\] counts of float32 for 50 samples"),
        ({"costs": synthetic_costs(4)}, "got costs of 4 segments for 3 exits"),
    ],
)
def test_what_does_not_fit_is_refused(change, problem):
    with pytest.raises(UserError, match=problem):
        replace(DATA, **change)
