"""The whole network on a device when something fails: nothing is in flight afterwards, and it runs again."""

import device_networks
import numpy as np
import pytest
from device_networks import cost_table
from fused_engine import Fuse, FusedEngine

from eengines.devices.cpu import CpuDevice
from eengines.devices.host_engine import HostEngine
from eengines.errors import EngineError
from eerun.device_executor import DeviceChain, DeviceWhole
from eerun.executor import Chain

BUCKETS = (1, 2, 4)
COUNT = 19


def whole_of(network, *, in_flight, seed):
    """The first segment as a network without exits, and its fuse."""
    fuse, (engine, *_) = Fuse(), network.engines()
    chain = Chain(inputs=network.chain.inputs, segments=network.chain.segments[:1])
    loaded = DeviceChain(chain, [HostEngine(FusedEngine(engine, fuse))], CpuDevice(seed=seed))
    return fuse, DeviceWhole(loaded, cost_table(1, BUCKETS), in_flight=in_flight)


@pytest.mark.parametrize("in_flight", [1, 2, 3])
@pytest.mark.parametrize("broken", [1, 2, 4])
def test_after_a_failure_nothing_is_in_flight_and_the_next_call_works(in_flight, broken):
    network = device_networks.random(1)
    samples = network.draw(COUNT, 1)
    for seed in range(6):
        fuse, whole = whole_of(network, in_flight=in_flight, seed=seed)
        expected = whole.infer(samples)
        batches = -(-COUNT // BUCKETS[-1])
        fuse.left = broken
        with pytest.raises(EngineError, match="the engine broke"):
            whole.infer(samples)
        done = len(fuse.done)
        assert np.array_equal(whole.infer(samples), expected)
        assert len(fuse.done) - done == batches, "nothing of the broken call ran any more"


@pytest.mark.parametrize("in_flight", [1, 2])
def test_a_batch_that_cannot_be_given_leaves_nothing_in_flight(in_flight):
    network = device_networks.random(1)
    samples = network.draw(COUNT, 1)
    fuse, whole = whole_of(network, in_flight=in_flight, seed=3)
    expected = whole.infer(samples)
    name = next(iter(samples))
    with pytest.raises(ValueError, match="broadcast"):
        whole.infer({name: samples[name]} | {other: samples[other][: BUCKETS[-1] + 1] for other in [*samples][1:]})
    done = len(fuse.done)
    assert np.array_equal(whole.infer(samples), expected)
    assert len(fuse.done) - done == -(-COUNT // BUCKETS[-1])
