"""Tables with one answer a pixel: counts in the place of right and wrong, from the recording to the thresholds."""

import numpy as np
import pytest
from calib.synthetic_exits import StairCosts, cheapest_of_all, correlated_exits, problem_of, tiny_tables
from hypothesis import given, settings
from hypothesis import strategies as st

import eecalib.record as record_module
from eecalib.agreement import answers_kept, exits_agreement
from eecalib.exit_table import ExitTable
from eecalib.record import record_exits
from eecalib.replay import leave_at, replay
from eecalib.thresholds import optimism, tune_thresholds
from eecalib.tune_against import tune_against
from eengines.errors import DataError, UserError
from eerun.costs import CostTable
from eerun.data import Samples
from eerun.folding import GroupExit

IGNORED = 255
COSTS = StairCosts(group_ms=(3.0, 4.0, 5.0), group=2, max_batch=8)
MEASURED = CostTable(
    engine="test",
    precision="float32",
    device="test",
    buckets=(1, 4, 8),
    segment_ms=((1.0, 3.0, 5.0), (2.0, 5.0, 9.0), (2.0, 5.0, 9.0)),
    whole_ms=(4.0, 12.0, 22.0),
    move_ms=(0.0, 0.0),
)


def dense_table(seed: int, samples: int = 40, exits: int = 3, *, labelled: bool = True) -> ExitTable:
    """Maps of 2 × 3 pixels; later exits are right more often, and the score tells how often."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, (samples, 2, 3)).astype(np.uint8)
    ability = random.beta(5, 2, (samples, 1)) * np.linspace(0.7, 1, exits)
    right = random.random((samples, exits, 2, 3)) < ability[:, :, None, None]
    answers = np.where(right, labels[:, None], (labels[:, None] + 1) % 3).astype(np.uint8)
    if labelled:
        labels[random.random(labels.shape) < 0.1] = IGNORED
    return ExitTable(
        scores=(ability + 0.05 * random.standard_normal(ability.shape)).astype(np.float32),
        answers=answers,
        labels=labels if labelled else None,
        ignored=IGNORED,
    )


@given(seed=st.integers(0, 500))
def test_counts_are_those_of_the_pixels(seed):
    table = dense_table(seed)
    counted = table.labels != IGNORED
    right = (table.answers == table.labels[:, None]) & counted[:, None]
    np.testing.assert_array_equal(table.correct, right.sum(axis=(2, 3)))
    np.testing.assert_array_equal(table.units, counted.sum(axis=(1, 2)))
    np.testing.assert_array_equal(table.agreeing, (table.answers == table.answers[:, -1:]).sum(axis=(2, 3)))
    assert table.all_units.tolist() == [6] * 40
    rows = np.array([3, 1])
    np.testing.assert_array_equal(table.rows(rows).correct, table.correct[rows])


@given(seed=st.integers(0, 500), first=st.floats(0, 1), second=st.none() | st.floats(0, 1))
def test_replay_gives_shares_of_pixels(seed, first, second):
    table, thresholds = dense_table(seed), (first, second)
    found, leaves = replay(table, thresholds), leave_at(table.scores, thresholds)
    said = table.answers[np.arange(40), leaves]
    counted = table.labels != IGNORED
    assert found.accuracy == ((said == table.labels) & counted).sum() / counted.sum()
    assert found.accuracy_final == ((table.answers[:, -1] == table.labels) & counted).sum() / counted.sum()
    assert found.agreement == (said == table.answers[:, -1]).mean()
    for exit_ in range(3):
        here = leaves == exit_
        if here.any():
            assert found.exit_agreement[exit_] == (said[here] == table.answers[here, -1]).mean()
        else:
            assert found.exit_accuracy[exit_] is found.exit_agreement[exit_] is None


@settings(max_examples=60)
@given(table=tiny_tables(exits=(2, 3)), drop=st.sampled_from([0.0, 0.1, 0.3]))
def test_maps_of_one_pixel_are_tuned_as_single_answers(table, drop):
    dense = ExitTable(
        scores=table.scores,
        answers=table.answers[:, :, None, None].astype(np.uint8),
        labels=None if table.labels is None else table.labels[:, None, None].astype(np.uint8),
        ignored=IGNORED,
    )
    costs = StairCosts(group_ms=(2.0, 3.0, 4.0)[: table.exits], group=2, max_batch=6)
    single, maps = (tune_thresholds(each, costs, batch=6, max_drop=drop, agreement=False) for each in (table, dense))
    assert single.thresholds == maps.thresholds
    assert (single.replay.accuracy, single.replay.agreement) == (maps.replay.accuracy, maps.replay.agreement)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 500), drop=st.sampled_from([0.0, 0.02, 0.1]), agreement=st.booleans())
def test_thresholds_keep_the_pixels_asked_for(seed, drop, agreement):
    table = dense_table(seed, samples=8)
    problem = problem_of(table, COSTS, max_drop=drop, agreement=agreement)
    for tuner in ("pame", "beam"):
        found = tune_thresholds(table, COSTS, batch=8, max_drop=drop, agreement=agreement, tuner=tuner)
        outcome = problem.outcome(found.thresholds)
        assert outcome.correct >= problem.required
        assert outcome.ms >= cheapest_of_all(problem) * (1 - 1e-9)


def test_optimism_of_maps_is_that_of_their_counts():
    table = dense_table(1, samples=60)
    first = optimism(table, COSTS, batch=8, max_drop=0.05, agreement=False, folds=5, seed=2)
    assert first == optimism(table.rows(np.arange(60)), COSTS, batch=8, max_drop=0.05, agreement=False, folds=5, seed=2)
    assert -0.1 < first < 0.2


@pytest.mark.parametrize("agreement", [False, True])
def test_tuning_against_float32_keeps_the_drop(agreement):
    table, float32 = dense_table(3, samples=200), dense_table(3, samples=200)
    thresholds = tune_against(
        table, float32, MEASURED, max_drop=0.05, agreement=agreement, seed=0, detail=lambda _: None
    )
    found = replay(table, thresholds)
    assert any(threshold is not None for threshold in thresholds)
    kept, final = (found.agreement, 1.0) if agreement else (found.accuracy, found.accuracy_final)
    assert kept >= 0.95 * final


def test_agreement_of_two_networks_is_a_share_of_pixels():
    table, other = dense_table(0), dense_table(0)
    other.answers[0, 1, 0, 0] = (other.answers[0, 1, 0, 0] + 1) % 3
    assert exits_agreement(other, table) == (1.0, 239 / 240, 1.0)


def test_only_pixels_where_a_sample_leaves_are_kept_or_lost():
    table, other = dense_table(0), dense_table(0)
    other.answers[:, 1] = (other.answers[:, 1] + 1) % 3
    assert answers_kept(other, table, (None, None)) == 1.0
    assert answers_kept(other, table, (None, -10.0)) == 0.0


def test_a_table_without_a_pixel_that_counts_is_refused():
    table = dense_table(0)
    with pytest.raises(DataError, match="all pixels have the label 255"):
        ExitTable(
            scores=table.scores, answers=table.answers, labels=np.full_like(table.labels, IGNORED), ignored=IGNORED
        )


def test_maps_of_another_size_are_refused():
    table = dense_table(0)
    with pytest.raises(UserError, match=r"labels: got .* of shape \[40, 2, 2\], expected .* \[40, 2, 3\]"):
        ExitTable(scores=table.scores, answers=table.answers, labels=table.labels[:, :, :2])


class Said:
    """A chain that says what it is given."""

    def __init__(self, logits: np.ndarray, max_batch: int) -> None:
        self.logits, self.max_batch = logits, max_batch
        self.segments, self.output_shape = logits.shape[1], logits.shape[2:]
        self.fold, self.group_exit = 1, GroupExit.ALL
        self.batches: list[int] = []

    def record(self, inputs):
        rows = inputs["x"]
        self.batches.append(len(rows))
        return self.logits[rows], self.logits[rows].reshape(len(rows), self.segments, -1).max(axis=2)


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(("classes", "dtype"), [(3, "uint8"), (255, "uint8"), (256, "uint16")])
def test_maps_are_recorded_in_few_bytes_and_few_at_a_time(in_memory, classes, dtype, monkeypatch):
    logits = np.random.default_rng(0).standard_normal((10, 2, classes, 4, 5)).astype(np.float32)
    if not in_memory:
        monkeypatch.setattr(record_module, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(record_module, "LOGITS_BYTES", 3 * logits[0].nbytes)
    chain = Said(logits, max_batch=8)
    samples = Samples(inputs={"x": np.arange(10)}, labels=np.zeros((10, 4, 5), np.uint8))
    table = record_exits(chain, samples, lambda _: None)
    assert chain.batches == [3, 3, 3, 1]
    assert table.answers.dtype == dtype
    assert isinstance(table.answers, np.memmap) is not in_memory
    np.testing.assert_array_equal(table.answers, logits.argmax(axis=2))
    assert table.ignored == (IGNORED if classes < 256 else None)


def test_single_answers_are_recorded_as_before():
    logits = np.random.default_rng(0).standard_normal((10, 2, 7)).astype(np.float32)
    chain = Said(logits, max_batch=8)
    table = record_exits(chain, Samples(inputs={"x": np.arange(10)}, labels=None), lambda _: None)
    assert chain.batches == [8, 2]
    assert (table.answers.dtype, table.ignored) == (np.dtype(np.int64), None)
    np.testing.assert_array_equal(table.answers, logits.argmax(axis=-1))


def test_correlated_exits_have_one_unit_a_sample():
    table = correlated_exits(50, 3, seed=0)
    assert table.units.tolist() == table.all_units.tolist() == [1] * 50
    assert set(np.unique(table.correct)) <= {0, 1}
