"""A batch taken apart on a CPU device: what it did is checked, what it took only where it must hold."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from eengines.devices.cpu import CpuDevice
from eengines.engine import Capability
from eengines.errors import EngineError
from eerun.bundle import open_bundle
from eerun.choose_configuration import choose_configuration
from eerun.costs import CostTable
from eerun.device_configuration import OnDevice
from eerun.device_executor.pinned_samples import pinned_samples
from eerun.device_executor.profile import ChainProfiler
from eerun.device_executor.profile_result import ChainProfile, StepProfile
from eerun.device_executor.profile_whole import profile_whole
from eerun.device_executor.timeline import Timeline
from eerun.device_settings import DeviceSettings
from eerun.executor import Answers

ROWS, ROUNDS = 8, 3


class WithoutSwitch(CpuDevice):
    """A device with an old driver."""

    def probe_switch(self) -> Capability:
        return Capability(ok=False, reason="CUDA 12.4 has no switches")


@pytest.fixture
def way(tiny_bundle) -> OnDevice:
    settings = DeviceSettings(device=CpuDevice(seed=3))
    found = choose_configuration(open_bundle(tiny_bundle.path), engine="onnxruntime", device=settings)
    assert isinstance(found, OnDevice)
    return found


@pytest.fixture
def thresholds(way: OnDevice, tiny_bundle) -> list[float]:
    """Half of the batch leaves at the first exit."""
    _, scores = way.open_chain().record({"x": tiny_bundle.x[:ROWS]})
    return [float(np.median(scores[:, 0]))]


@pytest.fixture
def profiler(way: OnDevice, tiny_bundle) -> Iterator[ChainProfiler]:
    with way.device.use():
        chain = way.load(way.chain(), "segment {}")
        yield ChainProfiler(chain, way.costs(), {"x": tiny_bundle.x[:ROWS]}, rows=ROWS, rounds=ROUNDS)


def survivors_of(way: OnDevice, x: np.ndarray, thresholds) -> list[int]:
    """Of the executor's own segments."""
    executor = way.open_chain()
    answers = Answers(
        outputs=np.empty((len(x), executor.classes), np.float32),
        exit_index=np.empty(len(x), np.int32),
        confidence=np.empty(len(x), np.float32),
    )
    (steps,) = executor.infer({"x": x}, thresholds, answers)
    return [step.entered - step.left for step in steps]


def test_the_batch_goes_the_way_that_it_goes_in_the_executor(profiler, way, thresholds, tiny_bundle):
    found = profiler.profile(thresholds)
    assert [step.survivors for step in found.steps] == survivors_of(way, tiny_bundle.x[:ROWS], thresholds)
    assert found.steps[0].survivors == ROWS // 2
    assert (found.samples, found.rounds, found.steps[0].rows) == (ROWS, ROUNDS, ROWS)


def test_exits_off(profiler):
    found = profiler.profile([None])
    assert [(step.rows, step.survivors) for step in found.steps] == [(ROWS, ROWS), (ROWS, 0)]
    assert found.steps[-1].boundary_us is None
    assert found.steps[0].boundary_us is not None


def test_a_batch_that_leaves_at_once_ends_there(profiler):
    found = profiler.profile([float("-inf")])
    assert [step.survivors for step in found.steps] == [0]
    assert found.steps[0].boundary_us is None
    assert profiler.device_boundary_us([float("-inf")], found) is None


def test_every_piece_takes_time_and_the_sum_is_all(profiler, thresholds):
    found = profiler.profile(thresholds)
    assert min(found.copy_in_ms, found.copy_out_ms, found.host_ms) > 0
    assert all(min(step.segment_ms, step.decision_us, step.exit_us) > 0 for step in found.steps)
    pieces = sum(step.segment_ms + step.exit_us / 1000 for step in found.steps)
    assert found.gpu_ms == pytest.approx(found.copy_in_ms + pieces)


def test_compaction_is_what_moves_add():
    step = StepProfile(rows=8, survivors=3, segment_ms=0.5, decision_us=4.0, exit_us=7.0, boundary_us=20.0)
    last = replace(step, survivors=0, exit_us=2.0, boundary_us=None)
    profile = ChainProfile(samples=8, rounds=1, copy_in_ms=0.1, steps=(step, last), host_ms=0.2)
    assert step.compaction_us == 3.0
    assert profile.copy_out_ms == pytest.approx(0.002)
    assert profile.compute_ms == pytest.approx(1.007)


def test_profiling_again_and_inferring_in_between_change_nothing(profiler, way, thresholds, tiny_bundle):
    before = survivors_of(way, tiny_bundle.x[:ROWS], thresholds)
    first, second = profiler.profile(thresholds), profiler.profile(thresholds)
    assert [step.survivors for step in first.steps] == [step.survivors for step in second.steps] == before


def test_the_boundary_when_the_device_decides(profiler, thresholds):
    found = profiler.profile(thresholds)
    assert isinstance(profiler.device_boundary_us(thresholds, found), float)


def test_a_device_without_switches_says_why(tiny_bundle):
    settings = DeviceSettings(device=WithoutSwitch())
    way = choose_configuration(open_bundle(tiny_bundle.path), engine="onnxruntime", device=settings)
    chain = way.load(way.chain(), "segment {}")
    profiler = ChainProfiler(chain, way.costs(), {"x": tiny_bundle.x[:ROWS]}, rows=ROWS, rounds=1)
    with pytest.raises(EngineError, match=r"CUDA 12\.4 has no switches"):
        profiler.device_boundary_us([None], profiler.profile([None]))


def test_fewer_samples_than_rows_are_repeated(way, tiny_bundle):
    chain = way.load(way.chain(), "segment {}")
    found = ChainProfiler(chain, way.costs(), {"x": tiny_bundle.x[:3]}, rows=7, rounds=1).profile([None])
    assert (found.samples, found.steps[0].survivors) == (7, 7)


def test_answers_that_change_from_round_to_round_are_refused(profiler):
    scores = iter([[0.0], [None]] * 100)
    load = profiler._load
    profiler._load = lambda given, _: load(given, next(scores))
    with pytest.raises(EngineError, match="leave at other exits from round to round"):
        profiler.profile([None])


def test_the_whole_network(way, tiny_bundle):
    costs: CostTable = way.costs().of_whole()
    with way.device.use():
        chain = way.load(way.whole(), "whole")
        found = profile_whole(chain, costs, {"x": tiny_bundle.x[:5]}, rows=5, rounds=ROUNDS)
    assert (found.samples, found.rounds) == (5, ROUNDS)
    assert min(found.copy_in_ms, found.compute_ms, found.copy_out_ms, found.host_ms) > 0
    assert found.gpu_ms == pytest.approx(found.copy_in_ms + found.compute_ms + found.copy_out_ms)


def test_pinned_samples_are_the_samples(way, tiny_bundle):
    device = way.device
    chain = way.load(way.chain(), "segment {}")
    view = pinned_samples(device, chain.chain.inputs, {"x": tiny_bundle.x[:3]}, 5)["x"]
    assert view.shape == (5, tiny_bundle.x.shape[1])
    rows = view.owner.array.view(np.float32).reshape(view.shape)
    assert view.address == view.owner.address
    assert np.array_equal(rows, tiny_bundle.x[[0, 1, 2, 0, 1]])


def test_marks_are_forgotten_when_taken():
    device = CpuDevice()
    timeline = Timeline(device, device.stream())
    for marks in (3, 2):
        for _ in range(marks):
            timeline.mark()
        assert len(timeline.take()) == marks - 1
