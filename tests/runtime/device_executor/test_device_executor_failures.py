"""What the device executor does when something fails or is refused: slots come back, and it says what it was."""

import threading
from dataclasses import dataclass, replace

import device_networks
import numpy as np
import pytest
from device_networks import cost_table, empty_answers
from fused_engine import Fuse, FusedEngine

from eengines.devices.cpu import CpuDevice
from eengines.devices.cpu_graph import CpuGraphBuilder
from eengines.devices.host_engine import HostEngine
from eengines.engine import Capability
from eengines.errors import BundleError, EngineError, UserError
from eerun.device_executor import DeviceChain, DeviceExecutor
from eerun.executor import Chain

BUCKETS = (1, 2, 4)
COUNT = 11


def fused(network, segment, device):
    """The chain with a fuse in one segment."""
    fuse = Fuse()
    engines = [FusedEngine(e, fuse) if k == segment else e for k, e in enumerate(network.engines())]
    return fuse, DeviceChain(network.chain, [HostEngine(engine) for engine in engines], device)


def answer(executor, network, count=COUNT):
    """Answers without exits, which do not depend on who is in flight."""
    answers = empty_answers(count, executor.classes)
    executor.infer(network.draw(count, 1), [None] * (network.exits - 1), answers)
    return answers.outputs.copy()


@pytest.mark.parametrize("segment", [0, 1, 2])
@pytest.mark.parametrize("device_exits", [False, True])
@pytest.mark.parametrize("in_flight", [1, 2, 3])
def test_after_a_failure_the_next_call_works(segment, device_exits, in_flight):
    network = device_networks.random(1)
    for seed in range(4):
        fuse, chain = fused(network, segment, CpuDevice(seed=seed))
        executor = DeviceExecutor(chain, cost_table(3, BUCKETS), in_flight=in_flight, device_exits=device_exits)
        expected = answer(executor, network)
        for _ in range(3):
            fuse.left = 3
            with pytest.raises(EngineError, match="the engine broke"):
                answer(executor, network)
            assert executor._free.qsize() == in_flight
            assert np.array_equal(answer(executor, network), expected)


def test_a_failure_is_told_to_the_call_that_it_belongs_to():
    """Threads do each other's work; the one whose segment broke hears of it, the other has right answers."""
    network, told, wrong = device_networks.random(1), [], []
    fuse, chain = fused(network, 1, CpuDevice(seed=2))
    executor = DeviceExecutor(chain, cost_table(3, BUCKETS), in_flight=2)
    expected = answer(executor, network, BUCKETS[-1])

    def work():
        for _ in range(20):
            try:
                found = answer(executor, network, BUCKETS[-1])
            except EngineError:
                told.append(1)
            else:
                wrong.extend([1] * (not np.array_equal(found, expected)))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        if fuse.left is None:
            fuse.left = 3
        threads[0].join(0.001)
    for thread in threads:
        thread.join(timeout=60)
    fuse.left = None
    assert told
    assert not wrong
    assert executor._free.qsize() == 2


def test_answers_that_do_not_fit_cost_no_slot():
    network = device_networks.random(1)
    executor = DeviceExecutor(network.on(CpuDevice()), cost_table(3, BUCKETS), in_flight=2)
    with pytest.raises(ValueError, match="broadcast"):
        executor.infer(network.draw(4, 1), [None, None], empty_answers(4, executor.classes + 1))
    assert executor._free.qsize() == 2
    with pytest.raises(KeyError, match="mask"):
        executor.infer({"x": network.draw(4, 1)["x"]}, [None, None], empty_answers(4, executor.classes))
    assert executor._free.qsize() == 2


class StubbornEngine(HostEngine):
    """An engine whose sessions cannot be recorded."""

    def open(self, bucket, addresses, *, workspace, stream):
        return replace(super().open(bucket, addresses, workspace=workspace, stream=stream), capturable=False)


@pytest.mark.parametrize("device_exits", [False, True])
def test_sessions_that_cannot_be_recorded_are_enqueued(device_exits, caplog):
    network, costs = device_networks.random(1), cost_table(3, BUCKETS)
    kinds = (HostEngine, StubbornEngine, HostEngine)
    engines = [kind(engine) for kind, engine in zip(kinds, network.engines(), strict=True)]
    executor = DeviceExecutor(DeviceChain(network.chain, engines, CpuDevice(seed=3)), costs, device_exits=device_exits)

    assert not executor.device_exits
    assert ("segment 1: StubbornEngine cannot be recorded" in caplog.text) == device_exits
    expected = answer(DeviceExecutor(network.on(CpuDevice()), costs), network)
    assert np.array_equal(answer(executor, network), expected)


class OldDevice(CpuDevice):
    """A device without switches."""

    def probe_switch(self):
        return Capability(ok=False, reason="the driver is of CUDA 12.4, switches need 12.8")


def test_without_switches_the_host_decides(caplog):
    network = device_networks.random(1)
    executor = DeviceExecutor(network.on(OldDevice()), cost_table(3, BUCKETS), device_exits=True)
    assert not executor.device_exits
    assert "--device-exits: the driver is of CUDA 12.4, switches need 12.8; the host decides" in caplog.text
    assert np.isfinite(answer(executor, network)).all()


def test_where_recording_a_switch_fails_the_host_decides(monkeypatch, caplog):
    def refuse(self, selector, bodies):
        raise EngineError("graph", "CUDA_ERROR_NOT_SUPPORTED while instantiating", "Turn it off")

    monkeypatch.setattr(CpuGraphBuilder, "switch", refuse)
    network = device_networks.random(1)
    executor = DeviceExecutor(network.on(CpuDevice()), cost_table(3, BUCKETS), device_exits=True)
    assert not executor.device_exits
    assert "graph: CUDA_ERROR_NOT_SUPPORTED while instantiating; the host decides" in caplog.text
    assert np.isfinite(answer(executor, network)).all()


def test_no_batches_in_flight_are_refused():
    network = device_networks.random(1)
    with pytest.raises(UserError, match="got 0, expected at least 1"):
        DeviceExecutor(network.on(CpuDevice()), cost_table(3, BUCKETS), in_flight=0)


def test_a_network_without_scores_is_refused():
    network = device_networks.random(1, exits=1)
    (segment,) = network.chain.segments
    chain = Chain(inputs=network.chain.inputs, segments=(replace(segment, score=segment.logits),))
    loaded = DeviceChain(chain, [HostEngine(engine) for engine in network.engines()], CpuDevice())
    with pytest.raises(BundleError, match=r"has shape \(4,\), expected \(\)"):
        DeviceExecutor(loaded, cost_table(1, BUCKETS))


def test_a_score_that_a_later_segment_reads_is_refused():
    """Blocks of the exit kernel read all scores while others move rows."""
    network = device_networks.wide()
    first, last = network.chain.segments
    crossing = Chain(inputs=network.chain.inputs, segments=(replace(first, score="trunk_score"), last))
    engines = [RenamedEngine(engine, "trunk_score") for engine in network.engines()]
    with pytest.raises(BundleError, match="a later segment reads the score 'trunk_score'"):
        DeviceChain(crossing, [HostEngine(engine) for engine in engines], CpuDevice())


@dataclass(frozen=True)
class RenamedEngine:
    """An engine whose first score has another name, and is read by the second segment."""

    engine: object
    name: str

    @property
    def inputs(self):
        if any(spec.name == "x" for spec in self.engine.inputs):
            return self.engine.inputs
        return (*self.engine.inputs, replace(self.engine.outputs[-1], name=self.name))

    @property
    def outputs(self):
        return tuple(replace(s, name=self.name) if s.name == "score_0" else s for s in self.engine.outputs)
