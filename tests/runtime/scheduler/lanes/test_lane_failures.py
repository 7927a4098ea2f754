"""An engine that fails takes the rows of its run along, and nobody else."""

import numpy as np
import pytest
from elementwise_chains import elementwise_costs
from folded_chains import CLASSES, folded_chain
from hypothesis import given, settings
from hypothesis import strategies as st
from lane_driver import LaneDriver, all_at_once, answer_alone, check_same, request_of
from recorded_chain import EXITS, recorded_chain, recorded_costs, recorded_samples

from eengines.backends import load_backend
from eengines.errors import EngineError
from eerun.executor import HostExecutor, LoadedChain, load_chain
from eerun.scheduler.lanes import ChainLane, open_lanes
from eerun.scheduler.lanes import chain_lane as lane_file


class Fragile:
    """A real engine whose sessions raise while `error` is set."""

    def __init__(self, engine) -> None:
        self.engine, self.error = engine, None
        self.inputs, self.outputs = engine.inputs, engine.outputs

    def open(self, inputs, outputs):
        session, fragile = self.engine.open(inputs, outputs), self

        class Session:
            def run(self) -> None:
                if fragile.error is not None:
                    raise fragile.error
                session.run()

        return Session()


def fragile_lane(chain, costs) -> tuple[HostExecutor, ChainLane, list[Fragile]]:
    loaded = load_chain(chain, load_backend("onnxruntime"), threads=2)
    engines = [Fragile(engine) for engine in loaded.engines]
    executor = HostExecutor(LoadedChain(chain, engines), costs)
    (lane,) = open_lanes(executor, costs).lanes
    assert isinstance(lane, ChainLane)
    return executor, lane, engines


@pytest.fixture(scope="module")
def plain():
    return fragile_lane(recorded_chain(), recorded_costs())


def check_empty(lane) -> None:
    """Nobody is inside, and no call is kept."""
    assert list(lane.waiting) == [0] * lane.segments
    assert lane._calls._requests == [None] * len(lane._calls._requests)
    assert sorted(lane._calls._free) == list(range(len(lane._calls._requests)))
    assert (lane._calls.forced, lane._calls.watched) == (0, 0)


def run_with_failures(executor, lane, engines, requests, data) -> None:
    driver = LaneDriver(lane, requests, lambda low, high: data.draw(st.integers(low, high), label="choice"))
    failures = 0
    while True:
        broken = data.draw(st.sampled_from([None, None, *engines]), label="broken") if failures < 3 else None
        before = list(lane.waiting)
        if broken is not None:
            broken.error = data.draw(st.sampled_from([EngineError("engine", "it fails", "Wait"), KeyError("defect")]))
        try:
            if not driver.advance():
                break
        except (EngineError, KeyError):
            failures += 1
            gone = [segment for segment in range(lane.segments) if lane.waiting[segment] != before[segment]]
            assert len(gone) <= 1
            assert all(lane.waiting[segment] == 0 for segment in gone)
        finally:
            if broken is not None:
                broken.error = None
    check_empty(lane)
    for request in requests:
        if request not in driver.lost:
            assert request.missing == 0
            check_same(request.answers, answer_alone(executor, request)) if lane.fold == 1 else None


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), watch=st.booleans(), data=st.data())
def test_calls_without_a_row_in_it_are_answered(plain, seed, watch, data):
    executor, _, engines = plain
    (lane,) = open_lanes(executor, executor.costs).lanes
    random, requests = np.random.default_rng(seed), []
    for number, count in enumerate(data.draw(st.lists(st.integers(1, 12), min_size=2, max_size=8), label="samples")):
        chosen = random.random(count) < 0.4 if watch else None
        max_exit = data.draw(st.sampled_from([None, 1]), label="max_exit")
        inputs = {"x": recorded_samples(count, seed + number)}
        requests.append(request_of(inputs, executor.output_shape, (0.75, 0.5, 1.0), max_exit=max_exit, chosen=chosen))
    run_with_failures(executor, lane, engines, requests, data)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), watch=st.booleans(), data=st.data())
def test_folded_calls_too(seed, watch, data):
    executor, lane, engines = fragile_lane(folded_chain(3, 3, seed=seed), elementwise_costs(3, seed=seed))
    random, requests = np.random.default_rng(seed), []
    for count in data.draw(st.lists(st.integers(1, 12), min_size=2, max_size=6), label="images"):
        chosen = random.random(count) < 0.4 if watch else None
        inputs = {"x": random.uniform(-2, 2, (count, CLASSES)).astype(np.float32)}
        requests.append(request_of(inputs, executor.output_shape, (0.6, 0.8), chosen=chosen))
    run_with_failures(executor, lane, engines, requests, data)


def test_a_defect_behind_the_engine(plain, monkeypatch):
    """Survivors were decided on already: they are gone with those that would have been answered."""
    executor, lane, _ = plain
    requests = [request_of({"x": recorded_samples(n, n)}, executor.output_shape, (0.75, 0.5, 1.0)) for n in (5, 6)]
    driver = LaneDriver(lane, requests[:1], all_at_once)
    driver.start(5)
    waiting = list(lane.waiting)
    driver.door = LaneDriver(lane, requests[1:], all_at_once).door
    with monkeypatch.context() as patch:
        patch.setattr(lane_file, "perf_counter_ns", _fails_at(3))
        with pytest.raises(MemoryError):
            driver.start(6)
    assert list(lane.waiting) == waiting
    driver.finish()
    check_empty(lane)
    check_same(requests[0].answers, answer_alone(executor, requests[0]))
    assert requests[1].missing == 6


def _fails_at(number: int):
    """A clock that raises when it is read for the nth time."""
    reads = iter(range(1, 1 + EXITS))

    def read() -> int:
        if next(reads) == number:
            raise MemoryError
        return 0

    return read


def test_inputs_that_do_not_fit(plain):
    """A defect while samples enter leaves nobody behind."""
    executor, lane, _ = plain
    good = request_of({"x": recorded_samples(2, 1)}, executor.output_shape, (None,) * 3)
    bad = request_of({"x": np.zeros((3, 7), np.float32)}, executor.output_shape, (None,) * 3)
    with pytest.raises(ValueError, match="must match exactly"):
        LaneDriver(lane, [good, bad], all_at_once).start(5)
    check_empty(lane)
