"""Splits never overlap, keep what is given, and depend on the seed alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eengines.errors import DataError
from eerun.data import SPLITS, DataSet, Samples, digest, make_splits


def samples(count: int, start: int = 0) -> Samples:
    """Samples whose only value is their own number."""
    numbers = np.arange(start, start + count)
    return Samples(inputs={"x": numbers.astype(np.float64)}, labels=numbers % 7)


def data_of(**counts: int) -> DataSet:
    splits, start = {}, 0
    for name, count in counts.items():
        splits[name] = samples(count, start)
        start += count
    return DataSet(splits=splits, classes=None, source="data")


def sizes(data: DataSet, seed: int = 0) -> dict[str, int]:
    return {name: len(part) for name, part in make_splits(data, seed=seed).items()}


def test_train_and_test():
    assert sizes(data_of(train=1000, test=500)) == {
        "train": 800,
        "calib": 200,
        "tune": 200,
        "certify": 100,
        "test": 200,
    }


def test_calib_is_at_most_1024():
    assert sizes(data_of(train=50_000, test=10))["calib"] == 1024


def test_one_unsplit_set_has_no_train():
    assert sizes(data_of(all=100)) == {"calib": 10, "tune": 36, "certify": 18, "test": 36}


def test_only_test_is_cut_like_an_unsplit_set():
    assert sizes(data_of(test=100)) == sizes(data_of(all=100))


def test_given_splits_are_kept_and_the_rest_is_cut_in_proportion():
    data = data_of(train=100, tune=30, test=90)
    assert sizes(data) == {"train": 80, "calib": 20, "tune": 30, "certify": 30, "test": 60}
    assert make_splits(data, seed=0)["tune"] is data.splits["tune"]


def test_everything_given_is_everything_kept():
    data = data_of(train=5, calib=4, tune=3, certify=2, test=1)
    assert dict(make_splits(data, seed=0)) == dict(data.splits)


@given(
    counts=st.one_of(
        st.fixed_dictionaries({"train": st.integers(5, 300), "test": st.integers(6, 300)}),
        st.fixed_dictionaries({"all": st.integers(12, 300)}),
        st.fixed_dictionaries(
            {"train": st.integers(5, 99), "test": st.integers(6, 99)},
            optional={"calib": st.integers(1, 9), "tune": st.integers(1, 9), "certify": st.integers(1, 9)},
        ),
    ),
    seed=st.integers(0, 2**32),
)
def test_splits_partition_the_samples(counts: dict[str, int], seed: int):
    parts = make_splits(data_of(**counts), seed=seed)
    numbers = np.concatenate([part.inputs["x"] for part in parts.values()])
    assert sorted(numbers.tolist()) == list(range(sum(counts.values())))
    for part in parts.values():
        assert part.labels is not None
        np.testing.assert_array_equal(part.labels, part.inputs["x"] % 7)
    assert list(parts) == [name for name in SPLITS if name in parts]
    assert set(SPLITS) - set(parts) <= {"train"}


def test_the_seed_decides():
    data = data_of(train=100, test=100)
    first, again, other = (make_splits(data, seed=seed) for seed in (1, 1, 2))
    for name in SPLITS:
        assert digest(first[name]) == digest(again[name])
        assert digest(first[name]) != digest(other[name])


def test_the_cut_of_test_does_not_depend_on_train():
    one, two = make_splits(data_of(test=50, train=10), seed=3), make_splits(data_of(test=50, train=40), seed=3)
    assert digest(one["test"]) == digest(two["test"])


def test_unlabelled_samples_stay_unlabelled():
    data = DataSet(splits={"all": Samples(inputs={"x": np.zeros((40, 2))}, labels=None)}, classes=None, source="s")
    assert make_splits(data, seed=0)["tune"].labels is None


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"train": 100}, "has no split 'test': got train"),
        ({"train": 100, "test": 1}, "split 'test' has 1 samples, too few"),
        ({"train": 3, "test": 100}, "split 'train' has 3 samples, too few to cut calib"),
        ({"all": 3}, "too few to cut calib, tune, certify, test"),
    ],
)
def test_refusals(counts: dict[str, int], words: str):
    with pytest.raises(DataError, match=words):
        make_splits(data_of(**counts), seed=0)
