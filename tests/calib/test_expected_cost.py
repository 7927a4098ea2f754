"""Expected cost against the direct sum and against simulated batches."""

from math import comb, fsum

import numpy as np
import pytest
from calib.synthetic_exits import StairCosts, correlated_exits
from hypothesis import given
from hypothesis import strategies as st

from eecalib.expected_cost import expected_batch_ms, tabulate_expected_cost
from eecalib.replay import replay
from eengines.errors import UserError

COSTS = StairCosts(group_ms=(1.0, 2.5, 0.75), group=4, max_batch=96)


def direct_sum(costs, segment, batch, q):
    return fsum(comb(batch, r) * q**r * (1 - q) ** (batch - r) * costs.run_ms(segment, r) for r in range(1, batch + 1))


@pytest.mark.parametrize("batch", [1, 2, 7, 32, 96])
def test_the_table_is_the_direct_sum(batch):
    samples = 37
    table = tabulate_expected_cost(COSTS, batch=batch, samples=samples)
    for segment in range(COSTS.segments):
        wanted = [direct_sum(COSTS, segment, batch, j / samples) for j in range(samples + 1)]
        np.testing.assert_allclose(table.segment_ms[segment], wanted, rtol=1e-9, atol=0)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 96))
def test_any_fraction_is_the_direct_sum(second, third, batch):
    wanted = fsum(direct_sum(COSTS, k, batch, q) for k, q in enumerate((1.0, second, third)))
    assert expected_batch_ms(COSTS, batch=batch, reached=(1.0, second, third)) == pytest.approx(wanted, rel=1e-9)


def test_both_ways_to_ask_agree():
    table = tabulate_expected_cost(COSTS, batch=16, samples=50)
    counts = np.array([50, 31, 4])
    assert table.samples == 50
    assert table.batch_ms(counts) == pytest.approx(expected_batch_ms(COSTS, batch=16, reached=counts / 50), rel=1e-12)
    assert table.full_ms == pytest.approx(4 * (1.0 + 2.5 + 0.75), rel=1e-12)


def test_many_samples_are_tabulated_in_parts_without_a_seam():
    wide = StairCosts(group_ms=(1.0,), group=1, max_batch=256)
    table = tabulate_expected_cost(wide, batch=256, samples=9000)
    np.testing.assert_allclose(table.segment_ms[0], 256 * np.arange(9001) / 9000, rtol=1e-9, atol=0)


def test_correlated_exits_need_no_independence():
    """Batches drawn from the table cost on average what the marginals say, although exits depend on each other."""
    table = correlated_exits(500, 3, seed=3)
    result = replay(table, (0.9, 0.8))
    batch, draws = 16, 20_000
    drawn = result.exit_index[np.random.default_rng(0).integers(0, table.samples, (draws, batch))]
    by_rows = np.array([[COSTS.run_ms(k, r) for r in range(batch + 1)] for k in range(3)])
    simulated = sum(by_rows[k, (drawn >= k).sum(axis=1)] for k in range(3))
    error = simulated.std() / np.sqrt(draws)
    assert abs(expected_batch_ms(COSTS, batch=batch, reached=result.reached) - simulated.mean()) < 4 * error


@pytest.mark.parametrize("batch", [0, 97])
def test_a_batch_without_costs_is_refused(batch):
    with pytest.raises(UserError, match="expected 1 to 96"):
        tabulate_expected_cost(COSTS, batch=batch, samples=5)


@pytest.mark.parametrize("reached", [(1.0,), (1.0, 0.5, 1.1), (1.0, 0.5, float("nan"))])
def test_fractions_that_do_not_fit_are_refused(reached):
    with pytest.raises(UserError, match="3 fractions"):
        expected_batch_ms(COSTS, batch=4, reached=reached)


@pytest.mark.parametrize("ms", [-1.0, float("nan"), float("inf")])
def test_impossible_costs_are_refused(ms):
    with pytest.raises(UserError, match=r"segment 1: got .* for 1 rows"):
        tabulate_expected_cost(StairCosts(group_ms=(1.0, ms), group=1, max_batch=4), batch=4, samples=5)
