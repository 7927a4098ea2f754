"""The cost meter: a complete table for each subject, whatever the times are."""

import numpy as np
import pytest

from eengines.backends import load_backend
from eerun.bundle import open_bundle
from eerun.choose_configuration import choose_configuration
from eerun.executor import load_chain
from eerun.measure_costs import MeterSettings, Subject, device_name, measure_costs


@pytest.fixture(scope="module")
def subjects(tiny_bundle):
    """The same network in two engines."""
    bundle, found = open_bundle(tiny_bundle.path), []
    for engine in ("onnxruntime", "openvino"):
        way = choose_configuration(bundle, engine=engine)
        chain, whole = (load_chain(part, load_backend(way.engine), threads=2) for part in (way.chain(), way.whole()))
        found.append(Subject(engine=engine, precision="float32", chain=chain, whole=whole))
    return found


def settings(buckets, seconds=0.0):
    return MeterSettings(threads=2, buckets=buckets, seconds=seconds)


@pytest.mark.parametrize("buckets", [(1,), (1, 3, 8)])
def test_one_complete_table_for_each_subject_in_order(subjects, tiny_bundle, buckets):
    tables = measure_costs(subjects, {"x": tiny_bundle.x}, settings(buckets), lambda _: None)
    assert [(t.engine, t.precision, t.buckets) for t in tables] == [
        ("onnxruntime", "float32", buckets),
        ("openvino", "float32", buckets),
    ]
    for table in tables:
        times = [value for row in (*table.segment_ms, table.whole_ms) for value in row]
        assert len(times) == 3 * len(buckets)
        assert all(0 < value < 1000 for value in times)
        assert table.segments == 2
        assert len(table.move_ms) == 1
        assert table.device == f"{device_name()}, 2 threads"


def test_fewer_samples_than_the_largest_bucket_are_repeated(subjects, tiny_bundle):
    x = tiny_bundle.x[:3]
    measure_costs(subjects[:1], {"x": x}, settings((1, 8)), lambda _: None)
    assert np.array_equal(subjects[0].chain.buffer("x"), np.concatenate([x, x, x[:2]]))
    assert np.array_equal(subjects[0].whole.buffer("x"), subjects[0].chain.buffer("x"))


def test_what_is_measured_is_the_real_work(subjects, tiny_bundle):
    """After measuring, the buffers hold what the segments make of the samples."""
    measure_costs(subjects, {"x": tiny_bundle.x}, settings((1, 8)), lambda _: None)
    for subject in subjects:
        logits = subject.chain.buffer("logits_1")
        assert np.abs(logits).max() > 0
        assert np.allclose(subject.whole.buffer("logits_1"), logits, atol=1e-4)


def test_progress_goes_up_to_one(subjects, tiny_bundle):
    shares = []
    measure_costs(subjects[:1], {"x": tiny_bundle.x}, settings((1, 2), seconds=0.05), shares.append)
    assert len(shares) >= 5
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] == 1


def test_a_bucket_of_one_row_moves_nothing(subjects, tiny_bundle):
    (table,) = measure_costs(subjects[:1], {"x": tiny_bundle.x}, settings((1,)), lambda _: None)
    assert table.move_ms == (0.0,)
