"""How long samples are, and samples padded or cut to one length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eengines.errors import InputError
from eerun.bundle import InputEntry
from eerun.inputs import check_inputs
from eerun.random_inputs import random_inputs
from eerun.sequence import at_length, one_length, own_lengths

LONGEST = 9
IDS = InputEntry(name="ids", dtype="int64", shape=(LONGEST,), range=(0, 50), sequence=0, pad=7)
MASK = InputEntry(name="mask", dtype="int64", shape=(LONGEST,), range=(0, 1), sequence=0)
WAVE = InputEntry(name="wave", dtype="float32", shape=(3, LONGEST), sequence=1)
PLAIN = InputEntry(name="plain", dtype="float32", shape=(4,))


def texts(lengths, width=LONGEST):
    mask = np.arange(width) < np.asarray(lengths)[:, None]
    return {"ids": np.where(mask, 5, 7), "mask": mask.astype(np.int64)}


def test_a_sample_ends_behind_its_last_value_that_is_no_padding():
    arrays = texts([4, 0, 9])
    assert own_lengths(arrays, (IDS, MASK)).tolist() == [4, 1, 9], "an empty sample has one position"
    arrays["mask"][0, 6] = 1
    assert own_lengths(arrays, (IDS, MASK)).tolist() == [7, 1, 9], "any input counts"
    assert own_lengths(texts([4, 2]), (IDS,)).tolist() == [4, 2], "with its own pad value"


def test_the_sequence_axis_need_not_be_the_first():
    wave = np.zeros((2, 3, LONGEST), np.float32)
    wave[0, 2, 5] = 0.1
    assert own_lengths({"wave": wave, "plain": np.ones((2, 4))}, (WAVE, PLAIN)).tolist() == [6, 1]
    cut = at_length({"wave": wave, "plain": np.ones((2, 4))}, (WAVE, PLAIN), 6)
    assert cut["wave"].shape == (2, 3, 6)
    assert cut["plain"].shape == (2, 4)


def test_inputs_of_different_lengths_are_refused():
    arrays = {"ids": texts([3])["ids"], "mask": texts([3])["mask"][:, :5]}
    with pytest.raises(InputError, match=r"'mask'.*got a length of 5, another input has 9"):
        own_lengths(arrays, (IDS, MASK))


@given(st.lists(st.integers(1, LONGEST), min_size=1, max_size=5), st.integers(0, 6))
def test_samples_padded_and_cut_back_are_as_before(lengths, more):
    arrays, width = texts(lengths, width=max(lengths)), max(lengths)
    wider = at_length(arrays, (IDS, MASK), width + more)
    assert wider["ids"].shape == (len(lengths), width + more)
    assert (wider["ids"][:, width:] == IDS.pad).all()
    assert own_lengths(wider, (IDS, MASK)).tolist() == lengths
    back = at_length(wider, (IDS, MASK), width)
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)
    assert all(back[name].dtype == arrays[name].dtype for name in arrays)


def test_shorter_arrays_are_accepted_and_longer_ones_if_the_rest_is_padding():
    for width in (1, 5, LONGEST, LONGEST + 4):
        arrays = texts([1], width=width)
        assert check_inputs(arrays, (IDS, MASK))["ids"].shape == (1, width)
    with pytest.raises(InputError, match=r"got a length of 12, expected at most 9; samples \[1\] are longer"):
        check_inputs(texts([3, 10], width=12), (IDS, MASK))


@pytest.mark.parametrize(
    ("wave", "words"),
    [
        (np.zeros((1, 2, 5), np.float32), r"expected float32 \[batch, 3, up to 9\]"),
        (np.zeros((3, 5), np.float32), r"got float32 \[3, 5\]"),
        (np.zeros((1, 3, 5), np.float64), "got float64"),
        (np.zeros((0, 3, 5), np.float32), r"got float32 \[0, 3, 5\]"),
        (np.zeros((1, 3, 0), np.float32), r"got float32 \[1, 3, 0\]"),
    ],
)
def test_what_is_wrong_elsewhere_is_still_refused(wave, words):
    with pytest.raises(InputError, match=words):
        check_inputs({"wave": wave}, (WAVE,))


def test_random_samples_have_masks_of_ones_and_then_zeros():
    arrays = random_inputs((IDS, MASK, WAVE, PLAIN), 200, seed=3)
    lengths = own_lengths(arrays, (IDS, MASK, WAVE))
    assert set(lengths.tolist()) == set(range(1, LONGEST + 1))
    assert np.array_equal(arrays["mask"], np.arange(LONGEST) < lengths[:, None])
    assert np.array_equal(arrays["ids"] != IDS.pad, arrays["mask"] == 1)
    assert len(np.unique(arrays["ids"])) > 20
    assert (arrays["wave"].any(1) <= (arrays["mask"] == 1)).all()
    assert check_inputs(arrays, (IDS, MASK, WAVE, PLAIN))["plain"].shape == (200, 4)


@pytest.mark.parametrize(("width", "expected"), [(4, 4), (LONGEST, LONGEST), (LONGEST + 5, LONGEST)])
def test_what_is_checked_gets_one_length_that_the_network_takes(width, expected):
    arrays = texts([2, 4], width=width)
    found = one_length(check_inputs(arrays, (IDS, MASK)), (IDS, MASK))
    assert {array.shape for array in found.values()} == {(2, expected)}
    assert own_lengths(found, (IDS, MASK)).tolist() == [2, 4]


def test_one_length_leaves_fixed_inputs_alone_and_refuses_two_lengths():
    plain = {"plain": np.ones((2, 4), np.float32)}
    assert one_length(plain, (PLAIN,)) is plain
    with pytest.raises(InputError, match="another input has 9"):
        one_length({"ids": texts([3])["ids"], "mask": texts([3], width=5)["mask"]}, (IDS, MASK))
