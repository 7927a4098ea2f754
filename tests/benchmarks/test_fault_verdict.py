"""The benchmark of faults: what it takes for a failure."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.faults import Swaps, not_back, problems_of, swap_problems
from benchmarks.faulty_clients import FAULTS, SILENT
from benchmarks.figure_result import sizes
from benchmarks.fragile_bundle import write_fragile
from benchmarks.server_footprint import Footprint
from benchmarks.steady_clients import right_answers
from benchmarks.swap_bundle import DAMAGES
from eengines.errors import BundleError, EEError
from eerun.bundle import open_bundle
from eerun.model import load


def counts(**more):
    good = {name: dict.fromkeys(sorted(fault.allowed)[:1], 3) for name, fault in FAULTS.items()}
    return {"by_fault": good | more, "steady": {"requests": {"answered": 9}}, "damaged": {"flipped byte": 2}}


def stopped(code=0, **requests):
    return {"exit_code": code, "requests": {"answered": 5} | requests}


def test_all_is_well():
    assert problems_of(counts(), stopped()) == []


@pytest.mark.parametrize("came", ["500", SILENT, "200"])
def test_an_answer_that_should_not_have_come(came):
    (problem,) = problems_of(counts(huge_shape={"400": 5, came: 1}), stopped())
    assert problem == f"huge_shape: 1 times {came}, expected 400"


def test_other_failures():
    assert problems_of(counts(poison={}), stopped()) == ["poison was never tried"]
    assert problems_of(counts(), stopped(code=-9)) == ["exit code -9, expected 0"]
    assert problems_of(counts(), stopped(lost=1)) == ["at the stop: 1 lost"]
    bad = counts() | {"steady": {"requests": {"wrong": 2}}}
    assert problems_of(bad, stopped()) == ["steady: 2 wrong", "steady: nothing was answered"]


def test_what_is_not_back():
    before = Footprint(memory_bytes=100, threads=5, descriptors=10)
    assert not_back(before, Footprint(memory_bytes=200, threads=4, descriptors=10)) == []
    after = Footprint(memory_bytes=100, threads=6, descriptors=11)
    assert not_back(before, after) == ["threads: 5 before, 6 after", "descriptors: 10 before, 11 after"]


def test_swaps_that_nobody_saw():
    assert swap_problems(counts(), {"reloads": 1, "reload_failures": 2}) == []
    assert len(swap_problems(counts(), {"reloads": 0, "reload_failures": 1})) == 2


def test_damaged_bundles_are_damaged_and_good_ones_are_good(tmp_path):
    """Each kind, one after the other, as the benchmark swaps them."""
    fragile, kept = write_fragile(tmp_path / "model.ee"), write_fragile(tmp_path / "kept.ee")
    swaps = Swaps(fragile.path, kept.path, seed=0)
    manifests = set()
    for kind in DAMAGES:
        swaps.damage()
        assert swaps.done[kind] == 1
        with pytest.raises(EEError if kind == "graph that does not load" else BundleError):
            opened_and_loaded(fragile.path)
        swaps.mend()
        opened_and_loaded(fragile.path)
        manifests.add((fragile.path / "manifest.json").read_bytes())
    assert len(manifests) == len(DAMAGES)


def opened_and_loaded(path) -> None:
    open_bundle(path).verify_files()
    with load(path, engine="onnxruntime", threads=2) as model:
        model.infer(np.zeros((1, 24), np.float32))


def test_any_answer_of_infer_is_right():
    results = [SimpleNamespace(labels=np.array([1, 2]), exit_index=np.array([0, exit_])) for exit_ in (0, 1)]
    assert right_answers("x", np.zeros((2, 1)), results).answers == ({(1, 0)}, {(2, 0), (2, 1)})


def test_a_record_names_no_folders():
    args = SimpleNamespace(data="/a/b/model.npz", engine="auto", minutes=1.5, output=None)
    assert sizes(args) == {"data": "model.npz", "engine": "auto", "minutes": 1.5}
