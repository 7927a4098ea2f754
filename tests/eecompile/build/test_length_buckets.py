"""Which lengths a bundle is prepared for, and which share of the samples each holds."""

import numpy as np
import pytest

from eecompile.build.length_buckets import length_buckets, samples_of_length
from eecompile.build.settings import BuildSettings, default_lengths
from eengines.errors import UserError
from eerun.bundle import InputEntry


def entry(name="ids", length=40, sequence=0):
    return InputEntry(name=name, dtype="int64", shape=(length,), sequence=sequence)


def samples(lengths, width=40):
    return {"ids": (np.arange(width) < np.array(lengths)[:, None]).astype(np.int64)}


@pytest.mark.parametrize(
    ("greatest", "expected"), [(128, (16, 32, 64, 128)), (100, (16, 32, 64, 100)), (16, (16,)), (5, (5,))]
)
def test_lengths_are_powers_of_two_up_to_the_greatest(greatest, expected):
    assert default_lengths(greatest) == expected


def test_shares_are_those_of_the_samples():
    found = length_buckets((entry(),), samples([1, 16, 17, 40]), BuildSettings())
    assert [(bucket.length, bucket.share) for bucket in found] == [(16, 0.5), (32, 0.25), (40, 0.25)]
    chosen = length_buckets((entry(),), samples([1, 16, 17, 40]), BuildSettings(lengths=(3, 40)))
    assert [(bucket.length, bucket.share) for bucket in chosen] == [(3, 0.25), (40, 0.75)]
    unknown = length_buckets((entry(),), None, BuildSettings(lengths=(20, 40)))
    assert [bucket.share for bucket in unknown] == [0.5, 0.5]


def test_a_network_without_the_axis_has_none():
    assert length_buckets((entry(sequence=None),), None, BuildSettings()) == ()
    with pytest.raises(UserError, match=r"--lengths: the network has no sequence axis"):
        length_buckets((entry(sequence=None),), None, BuildSettings(lengths=(40,)))


@pytest.mark.parametrize("lengths", [(), (0, 4), (8, 4), (4, 4)])
def test_lengths_that_do_not_ascend_are_refused(lengths):
    with pytest.raises(UserError, match="expected ascending lengths of 1 or more"):
        BuildSettings(lengths=lengths)


def test_inputs_with_different_greatest_lengths_are_refused():
    with pytest.raises(UserError, match=r"different greatest lengths: \[20, 40\]"):
        length_buckets((entry(), entry("mask", 20)), None, BuildSettings())


def test_a_bucket_is_measured_with_its_own_samples_or_with_all_cut_to_it():
    arrays = samples([1, 16, 17, 40])
    assert samples_of_length(arrays, (entry(),), (16, 32, 40), 32)["ids"].sum(1).tolist() == [17]
    assert samples_of_length(arrays, (entry(),), (16, 20, 30, 40), 30)["ids"].shape == (4, 30)
