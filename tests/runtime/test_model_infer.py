"""`infer` beside other calls: from callbacks, in parts that give way, where the queue is full, and at the end."""

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import eerun
from eengines.errors import ClosedError, InputError

LOAD = {"engine": "onnxruntime", "threads": 2}
WAIT_S = 30


@pytest.fixture
def model(tiny_bundle):
    with eerun.load(tiny_bundle.path, **LOAD) as opened:
        opened.submit(tiny_bundle.x[:1]).result(WAIT_S)
        yield opened


@pytest.fixture(scope="module")
def expected(tiny_bundle):
    with eerun.load(tiny_bundle.path, **LOAD) as opened:
        return opened.infer(tiny_bundle.x)


def same(found, expected, rows):
    assert np.array_equal(found.labels, expected.labels[rows])
    assert np.array_equal(found.exit_index, expected.exit_index[rows])
    assert np.allclose(found.outputs, expected.outputs[rows], rtol=1e-5, atol=1e-6)
    assert np.allclose(found.confidence, expected.confidence[rows], rtol=1e-5)


def wait_until(true):
    ends = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < ends, "it never came to that"
        time.sleep(0.001)


class Gate:
    """A function that waits at its door from now on, and counts who came."""

    def __init__(self, inner):
        self.inner, self.came, self.open = inner, [], threading.Event()

    def __call__(self, *arguments):
        self.came.append(arguments)
        assert self.open.wait(WAIT_S)
        return self.inner(*arguments)


@pytest.fixture
def lane_gate(model, monkeypatch):
    """Calls that are queued come as far as their first segment."""
    lane = model._service.scheduler._dispatcher.all_turns[0].lane
    gate = Gate(lane.start)
    monkeypatch.setattr(lane, "start", gate)
    yield gate
    gate.open.set()


@pytest.fixture
def direct_gate(model, monkeypatch):
    """Calls that are not queued come as far as the executor."""
    gate = Gate(model._executor.infer)
    monkeypatch.setattr(model._executor, "infer", gate)
    yield gate
    gate.open.set()


@pytest.mark.parametrize("rows", [slice(0, 3), slice(0, 30)])
def test_callbacks_may_call_infer(model, tiny_bundle, expected, rows):
    heard, done = list[eerun.Result](), threading.Event()
    first = model.submit(tiny_bundle.x[:8], on_exit=lambda _: heard.append(model.infer(tiny_bundle.x[rows])))
    first.result(WAIT_S)

    def call(_):
        heard.append(model.infer(tiny_bundle.x[rows]))
        done.set()

    with model._service.scheduler._condition:  # the callback is there before the answer
        second = model.submit(tiny_bundle.x[:8])
        second.add_done_callback(call)
    assert done.wait(WAIT_S)
    assert len(heard) >= 2
    for result in heard:
        same(result, expected, rows)
    same(model.submit(tiny_bundle.x[:8]).result(WAIT_S), expected, slice(0, 8))


def test_a_large_call_gives_way_between_its_parts(model, tiny_bundle, expected, lane_gate, direct_gate):
    with ThreadPoolExecutor(1) as pool:
        large = pool.submit(model.infer, tiny_bundle.x)
        wait_until(lambda: direct_gate.came)
        urgent = model.submit(tiny_bundle.x[:1], deadline_ms=1e6)
        wait_until(lambda: lane_gate.came)
        direct_gate.open.set()  # the first part ends; the next one waits behind the urgent call
        wait_until(lambda: model.statistics().queued_samples == model.max_batch)
        assert len(direct_gate.came) == 1
        assert len(direct_gate.came[0][2].exit_index) == model.max_batch
        assert [chunk.request.count for chunk in lane_gate.came[0][0]] == [1]
        lane_gate.open.set()
        same(urgent.result(WAIT_S), expected, slice(0, 1))
        found = large.result(WAIT_S)
    same(found, expected, slice(None))
    assert found.queue_ns > 0


def test_a_large_call_of_a_watched_model_gives_way_and_is_watched(tiny_bundle, expected):
    settings = {"shadow": 0.4, "shadow_seed": 3, "shadow_limit": 0.9, "shadow_confidence": 0.9}
    with eerun.load(tiny_bundle.path, **LOAD, **settings) as watched:
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(watched.infer, [tiny_bundle.x] * 6))
        for found in results:
            same(found, expected, slice(None))
        watched.close()
        metrics = watched.metrics
    assert metrics.samples == 6 * len(tiny_bundle.x)
    assert metrics.shadowed == sum(len(found.shadowed) for found in results) > 500


def test_a_full_queue_is_no_failure_of_infer(tiny_bundle, expected, monkeypatch):
    with eerun.load(tiny_bundle.path, **LOAD, scheduling=eerun.SchedulerSettings(max_queue=1)) as model:
        model.submit(tiny_bundle.x[:1]).result(WAIT_S)
        lane = model._service.scheduler._dispatcher.all_turns[0].lane
        gate = Gate(lane.start)
        monkeypatch.setattr(lane, "start", gate)
        futures = [model.submit(tiny_bundle.x[:1])]
        wait_until(lambda: gate.came)
        futures.append(model.submit(tiny_bundle.x[:1]))
        for rows in (slice(0, 1), slice(0, 5), slice(0, 50)):
            same(model.infer(tiny_bundle.x[rows]), expected, rows)
        assert model.statistics().failures == {}
        gate.open.set()
        for future in futures:
            same(future.result(WAIT_S), expected, slice(0, 1))


def test_what_a_run_raises_is_not_taken_for_a_full_queue(model, tiny_bundle, monkeypatch, direct_gate):
    def broken(chunks):
        raise InputError("input", "made to fail", "Nothing helps")

    monkeypatch.setattr(model._service.scheduler._dispatcher.all_turns[0].lane, "start", broken)
    monkeypatch.setattr(type(model._service), "free", False)
    with pytest.raises(InputError, match="made to fail"):
        model.infer(tiny_bundle.x[:2])
    assert not direct_gate.came


def test_a_future_that_is_done_does_not_keep_the_samples(model, tiny_bundle):
    gc.disable()
    try:
        x = tiny_bundle.x[:4].copy()
        future, samples = model.submit(x), weakref.ref(x)
        future.result(WAIT_S)
        del x
        wait_until(lambda: samples() is None)
        reference = weakref.ref(future)
        del future
        model.submit(tiny_bundle.x[:1]).result(WAIT_S)  # the thread forgets its last turn
        wait_until(lambda: reference() is None)
    finally:
        gc.enable()


def test_a_cancelled_future_does_not_keep_the_samples(model, tiny_bundle, lane_gate):
    gc.disable()
    try:
        first = model.submit(tiny_bundle.x[:1])
        wait_until(lambda: lane_gate.came)
        x = tiny_bundle.x[:4].copy()
        future, samples = model.submit(x), weakref.ref(x)
        assert future.cancel()
        del x
        lane_gate.open.set()
        first.result(WAIT_S)
        model.submit(tiny_bundle.x[:1]).result(WAIT_S)
        wait_until(lambda: samples() is None)
    finally:
        gc.enable()


def test_close_waits_for_a_call_that_runs(model, tiny_bundle, expected, direct_gate):
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(model.infer, tiny_bundle.x[:20])
        wait_until(lambda: direct_gate.came)
        assert not model.close(timeout_s=0.01)
        with pytest.raises(ClosedError):
            model.infer(tiny_bundle.x[:1])
        direct_gate.open.set()
        assert model.close()
        assert not model._service._callers
        same(running.result(WAIT_S), expected, slice(0, 20))
