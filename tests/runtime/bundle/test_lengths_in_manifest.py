"""Sequence lengths in a manifest fit the inputs, and every configuration has costs for each."""

import pytest
from bundle_maker import configuration, manifest, write

from eengines.errors import BundleError
from eerun.bundle import InputEntry, LengthEntry, open_bundle

TEXT = InputEntry(name="ids", dtype="int64", shape=(8,), sequence=0, pad=1)
COSTS = ("costs/costs.json", "costs/costs.json")


def lengths(*numbers):
    return tuple(LengthEntry(length=number, share=1 / len(numbers)) for number in numbers)


def test_lengths_and_the_sequence_axis_come_back(tmp_path):
    write(tmp_path / "m.ee", inputs=(TEXT,), lengths=lengths(4, 8), configurations=(configuration(length_costs=COSTS),))
    bundle = open_bundle(tmp_path / "m.ee")
    assert bundle.manifest.inputs == (TEXT,)
    assert bundle.manifest.inputs[0].spec_at(4).shape == (4,)
    assert [entry.length for entry in bundle.manifest.lengths] == [4, 8]
    assert {n: t.max_batch for n, t in bundle.length_costs(bundle.manifest.chosen).items()} == {4: 4, 8: 4}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lengths": lengths(4, 6)}, r"got lengths \[4, 6\] for inputs of at most \[8\]"),
        ({"lengths": lengths(8, 4)}, "expected them ascending"),
        ({"lengths": lengths(0, 8)}, "expected them ascending"),
        ({"lengths": ()}, r"got lengths \[\]"),
        ({"inputs": manifest().inputs}, r"for inputs of at most \[\]"),
        ({"inputs": (InputEntry(name="ids", dtype="int64", shape=(8,), sequence=1),)}, "its shape does not have"),
        ({"configurations": (configuration(),)}, "has 0 cost tables for 2 lengths"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changes, words):
    good = {"inputs": (TEXT,), "lengths": lengths(4, 8), "configurations": (configuration(length_costs=COSTS),)}
    write(tmp_path / "m.ee", **{**good, **changes})
    with pytest.raises(BundleError, match=words):
        open_bundle(tmp_path / "m.ee")


def test_a_cost_table_that_nobody_listed_is_refused(tmp_path):
    way = configuration(length_costs=("costs/costs.json", "costs/other.json"))
    write(tmp_path / "m.ee", inputs=(TEXT,), lengths=lengths(4, 8), configurations=(way,))
    with pytest.raises(BundleError, match=r"costs/other\.json' is used but not listed"):
        open_bundle(tmp_path / "m.ee")
