"""The device executor, on a CPU device, decides and answers like the host executor, bit for bit."""

import threading

import device_networks
import numpy as np
import pytest
from device_networks import Network, cost_table, empty_answers
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_examples import FOR_ROWS
from required import require_program
from source_device import SourceDevice

from eengines.devices.cpu import CpuDevice
from eengines.devices.host_engine import HostEngine
from eerun.bundle import PolicyFile, open_bundle
from eerun.device_executor import DeviceChain, DeviceExecutor
from eerun.executor import Answers, Chain, ChainExecutor, ChainSegment, LoadedChain

BUCKETS = (1, 2, 4, 7)
COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 14, 15, 23)


def host_answers(network: Network, engines, costs, inputs, thresholds):
    """What the host executor says, part by part, and what its segments did."""
    executor = ChainExecutor(LoadedChain(network.chain, engines), costs)
    count, most = len(next(iter(inputs.values()))), costs.max_batch
    answers, steps = empty_answers(count, executor.classes), []
    for start in range(0, count, most):
        rows = slice(start, start + most)
        part = Answers(
            outputs=answers.outputs[rows], exit_index=answers.exit_index[rows], confidence=answers.confidence[rows]
        )
        steps.append(executor.infer({name: array[rows] for name, array in inputs.items()}, thresholds, part))
    return answers, tuple(steps)


def check(executor: DeviceExecutor, inputs, thresholds, expected, steps):
    """The same answers, the same samples through each segment."""
    found = empty_answers(len(expected.exit_index), executor.classes)
    done = executor.infer(inputs, thresholds, found)
    assert np.array_equal(found.exit_index, expected.exit_index)
    assert found.outputs.tobytes() == expected.outputs.tobytes()
    assert found.confidence.tobytes() == expected.confidence.tobytes()
    flow = [[(step.segment, step.entered, step.left) for step in part] for part in done]
    assert flow == [[(step.segment, step.entered, step.left) for step in part] for part in steps]
    assert all(step.entered <= step.rows <= executor.max_batch for part in done for step in part)


def thresholds_of(network: Network, costs, inputs, kinds):
    """A threshold for each exit but the last: None, a number, or a quantile of what the exit says."""
    executor = ChainExecutor(LoadedChain(network.chain, network.engines()), costs)
    most = costs.max_batch
    _, scores = executor.record({name: array[:most] for name, array in inputs.items()})
    return [
        float(np.quantile(scores[:, exit_], kind[1])) if isinstance(kind, tuple) else kind
        for exit_, kind in enumerate(kinds)
    ]


def test_a_row_s_numbers_depend_on_the_row_alone():
    """Both executors put a row where they like: what they are compared by must not see where it lies."""
    offsets = (0, 4, 8, 12, 24)
    for network in map(device_networks.random, range(5)):
        values = dict(network.draw(4, 1))
        for engine in network.engines():
            found = []
            for offset in offsets:
                inputs = {spec.name: at_offset(values[spec.name], offset) for spec in engine.inputs}
                outputs = {
                    spec.name: at_offset(np.zeros((4, *spec.shape), spec.dtype), offset) for spec in engine.outputs
                }
                engine.open(inputs, outputs).run()
                found.append({name: array.tobytes() for name, array in outputs.items()})
            assert found[1:] == found[:1] * (len(offsets) - 1)
            values |= outputs


def at_offset(array, offset):
    """A copy that begins `offset` bytes behind a multiple of 64."""
    space = np.zeros(array.nbytes + 128, np.uint8)
    start = -space.ctypes.data % 64 + offset
    copy = space[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[:] = array
    return copy


KINDS = st.one_of(
    st.sampled_from((None, 0.0, float("inf"), float("-inf"), 1.0, 2.0)),
    st.tuples(st.just("quantile"), st.floats(0, 1)),
)


@settings(max_examples=100, deadline=None)
@given(
    network_seed=st.integers(0, 30),
    exits=st.integers(1, 4),
    policy=st.sampled_from(sorted(FOR_ROWS)),
    costs_seed=st.integers(0, 2**16),
    move_ms=st.sampled_from((0.0, 0.02, 10.0)),
    in_flight=st.integers(1, 4),
    device_exits=st.booleans(),
    seed=st.integers(0, 2**16),
    data=st.data(),
)
def test_random_networks(network_seed, exits, policy, costs_seed, move_ms, in_flight, device_exits, seed, data):
    network = device_networks.random(network_seed, exits=exits, policy=policy)
    costs = cost_table(exits, BUCKETS, seed=costs_seed, move_ms=move_ms)
    executor = DeviceExecutor(network.on(CpuDevice(seed=seed)), costs, in_flight=in_flight, device_exits=device_exits)
    assert executor.device_exits == device_exits
    for count in data.draw(st.lists(st.sampled_from(COUNTS), min_size=1, max_size=3)):
        inputs = network.draw(count, count)
        kinds = data.draw(st.lists(KINDS, min_size=exits - 1, max_size=exits - 1))
        thresholds = thresholds_of(network, costs, inputs, kinds)
        check(executor, inputs, thresholds, *host_answers(network, network.engines(), costs, inputs, thresholds))


@pytest.mark.parametrize("name", ["branchy", "fitted"])
@pytest.mark.parametrize("policy", FOR_ROWS)
@pytest.mark.parametrize("device_exits", [False, True])
def test_image_networks(name, policy, device_exits):
    network = getattr(device_networks, name)(policy)
    costs = cost_table(3, (2, 4, 8), seed=3)
    inputs = network.draw(19, 2)
    for seed in range(3):
        executor = DeviceExecutor(
            network.on(CpuDevice(seed=seed)), costs, in_flight=1 + seed, device_exits=device_exits
        )
        for kinds in ((("quantile", 0.5), ("quantile", 0.3)), (None, ("quantile", 0.5)), (None, None), (0.0, 0.0)):
            thresholds = thresholds_of(network, costs, inputs, kinds)
            check(executor, inputs, thresholds, *host_answers(network, network.engines(), costs, inputs, thresholds))


@pytest.mark.parametrize("name", ["branchy", "fitted"])
def test_all_rows_of_a_bucket_at_once(name):
    """As it runs for users. With one bucket both executors give ONNX Runtime the same rows in the same places."""
    network = getattr(device_networks, name)("max-probability")
    costs, inputs = cost_table(3, (8,)), network.draw(24, 5)
    thresholds = thresholds_of(network, costs, inputs, (("quantile", 0.6), ("quantile", 0.4)))
    chain = DeviceChain(network.chain, [HostEngine(e) for e in network.batched_engines()], CpuDevice(seed=1))
    expected, steps = host_answers(network, network.batched_engines(), costs, inputs, thresholds)
    assert set(expected.exit_index.tolist()) == {0, 1, 2}
    check(DeviceExecutor(chain, costs), inputs, thresholds, expected, steps)


@pytest.mark.parametrize("device_exits", [False, True])
def test_the_digits_bundle(digits_bundle, device_exits):
    bundle = open_bundle(digits_bundle)
    entry = next(each for each in bundle.manifest.configurations if each.name == "onnxruntime-float32")
    heads = zip(entry.segments, bundle.manifest.segments, strict=True)
    chain = Chain(
        inputs=tuple(each.spec for each in bundle.manifest.inputs),
        segments=tuple(ChainSegment(graph=bundle.read(f), logits=h.logits, score=h.score) for f, h in heads),
    )
    data = np.load(digits_bundle.parent / "model.npz")
    images = next(data[key] for key in ("x_test", "x") if key in data)[:100]
    network = Network(chain=chain, draw=lambda count, _: {chain.inputs[0].name: images[:count]})
    costs, thresholds = bundle.costs(entry), bundle.read_json(entry.policy, PolicyFile).thresholds
    expected, steps = host_answers(network, network.engines(), costs, network.draw(100, 0), thresholds)
    assert len(set(expected.exit_index.tolist())) > 1
    executor = DeviceExecutor(network.on(CpuDevice(seed=7)), costs, in_flight=3, device_exits=device_exits)
    check(executor, network.draw(100, 0), thresholds, expected, steps)


@pytest.mark.parametrize("device_exits", [False, True])
@pytest.mark.parametrize("in_flight", [1, 3])
def test_several_threads_at_once(device_exits, in_flight):
    network = device_networks.random(2)
    costs = cost_table(3, BUCKETS)
    executor = DeviceExecutor(network.on(CpuDevice(seed=11)), costs, in_flight=in_flight, device_exits=device_exits)
    calls = []
    for number in range(6):
        inputs = network.draw(COUNTS[-1 - number], 100 + number)
        thresholds = thresholds_of(network, costs, inputs, (("quantile", 0.2 * number), ("quantile", 0.5)))
        calls.append((inputs, thresholds, *host_answers(network, network.engines(), costs, inputs, thresholds)))
    errors = []

    def work(call):
        try:
            for _ in range(5):
                check(executor, *call)
        except AssertionError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert not errors


@pytest.mark.parametrize("device_exits", [False, True])
def test_with_the_cuda_source_as_it_is_launched(tmp_path, device_exits):
    """Grid, threads and arguments are enough for the real kernel, also where rows are cut into parts."""
    require_program("g++")
    network = device_networks.random(4, policy="patience")
    wide = device_networks.wide()
    for each, counts in ((network, (1, 7, 16)), (wide, (5, 9))):
        costs = cost_table(each.exits, BUCKETS, move_ms=0.0)
        executor = DeviceExecutor(
            each.on(SourceDevice(tmp_path, seed=2)), costs, in_flight=2, device_exits=device_exits
        )
        for count in counts:
            inputs = each.draw(count, count)
            thresholds = thresholds_of(each, costs, inputs, [("quantile", 0.5)] * (each.exits - 1))
            check(executor, inputs, thresholds, *host_answers(each, each.engines(), costs, inputs, thresholds))
