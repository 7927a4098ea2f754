"""Folded networks in the device executor: images in and out, rows inside, as on the host, bit for bit."""

from types import SimpleNamespace

import numpy as np
import pytest
from device_networks import Network, cost_table, empty_answers
from folded_bundles import FOLD
from folded_device_networks import CLASSES, folded, whole_of
from hypothesis import given, settings
from hypothesis import strategies as st
from required import require_program
from source_device import SourceDevice

import eerun
from eengines.devices.cpu import CpuDevice
from eengines.devices.host_engine import HostEngine
from eengines.errors import EngineError
from eerun.bundle import open_bundle
from eerun.choose_configuration import choose_configuration
from eerun.device_configuration import OnDevice
from eerun.device_executor import DeviceChain, DeviceExecutor, DeviceWhole
from eerun.device_executor.profile import ChainProfiler
from eerun.device_executor.profile_whole import profile_whole
from eerun.device_settings import DeviceSettings
from eerun.executor import HostExecutor, HostWhole, LoadedChain
from eerun.folding import GroupExit, leave_in_groups, rows_of

BUCKETS = (1, 2, 4, 6)


def quantiles(network: Network, costs, inputs, shares):
    """A threshold for each exit but the last, at a quantile of what the exit says; None stays None."""
    executor = HostExecutor(LoadedChain(network.chain, network.engines()), costs)
    scores = executor.record({name: array[: executor.max_batch] for name, array in inputs.items()})[1]
    pairs = enumerate(shares)
    return [None if share is None else float(np.quantile(scores[:, exit_], share)) for exit_, share in pairs]


def check(executor: DeviceExecutor, network: Network, costs, inputs, thresholds):
    """Answers and flow of rows are those of the host, and every image is answered as `leave_in_groups` says."""
    count, fold = len(inputs["x"]), network.chain.fold
    host = HostExecutor(LoadedChain(network.chain, network.engines()), costs)
    expected, found = (empty_answers(count, CLASSES) for _ in range(2))
    wanted, done = (each.infer(inputs, thresholds, a) for each, a in ((host, expected), (executor, found)))
    assert found.exit_index.tolist() == expected.exit_index.tolist()
    assert found.outputs.tobytes() == expected.outputs.tobytes()
    assert found.confidence.tobytes() == expected.confidence.tobytes()
    flow, flow_wanted = (
        [[(step.segment, step.entered, step.left, step.answered) for step in part] for part in steps]
        for steps in (done, wanted)
    )
    assert flow == flow_wanted
    assert sum(step.answers for part in done for step in part) == count
    assert sum(part[0].rows for part in done) == rows_of(count, fold)
    assert all(step.entered <= step.rows <= BUCKETS[-1] for part in done for step in part)


def scores_of(executor, inputs):
    """What every exit says of all images, part by part."""
    count, most = len(inputs["x"]), executor.max_batch
    parts = [{k: v[start : start + most] for k, v in inputs.items()} for start in range(0, count, most)]
    return np.concatenate([executor.record(part)[1] for part in parts])


SHARES = st.one_of(st.none(), st.floats(0, 1))


@settings(max_examples=60, deadline=None)
@given(
    fold=st.sampled_from((2, 3, 4, 8)),
    exits=st.integers(1, 4),
    rule=st.sampled_from(GroupExit),
    costs_seed=st.integers(0, 2**16),
    move_ms=st.sampled_from((0.0, 0.02, 10.0)),
    in_flight=st.integers(1, 3),
    device_exits=st.booleans(),
    seed=st.integers(0, 2**16),
    data=st.data(),
)
def test_it_answers_like_the_host_and_as_groups_leave(
    fold, exits, rule, costs_seed, move_ms, in_flight, device_exits, seed, data
):
    network = folded(fold, exits=exits, group_exit=rule)
    costs = cost_table(exits, BUCKETS, seed=costs_seed, move_ms=move_ms)
    executor = DeviceExecutor(network.on(CpuDevice(seed=seed)), costs, in_flight=in_flight, device_exits=device_exits)
    assert (executor.fold, executor.group_exit, executor.max_batch) == (fold, rule, fold * BUCKETS[-1])
    for count in data.draw(st.lists(st.integers(1, 2 * fold * BUCKETS[-1] + 1), min_size=1, max_size=2)):
        inputs = network.draw(count, count)
        shares = data.draw(st.lists(SHARES, min_size=exits - 1, max_size=exits - 1))
        thresholds = quantiles(network, costs, inputs, shares)
        check(executor, network, costs, inputs, thresholds)
        answers = empty_answers(count, CLASSES)
        executor.infer(inputs, thresholds, answers)
        truth = leave_in_groups(scores_of(executor, inputs), thresholds, fold=fold, rule=rule)
        assert answers.exit_index.tolist() == truth.answered.tolist()


@pytest.mark.parametrize("device_exits", [False, True])
def test_images_are_answered_where_their_row_goes_on(device_exits):
    """What this file is about does happen: under `all` most rows go on with images that have their answer."""
    network, costs = folded(4, seed=2), cost_table(3, (8,))
    executor = DeviceExecutor(network.on(CpuDevice(seed=1)), costs, device_exits=device_exits)
    inputs = network.draw(31, 3)
    (steps,) = executor.infer(inputs, quantiles(network, costs, inputs, (0.5, 0.5)), empty_answers(31, CLASSES))
    assert steps[0].answered > 4 * steps[0].left
    assert [step.rows for step in steps] == [8] * len(steps)


@pytest.mark.parametrize("count", [1, 3, 4, 13, 24])
def test_records_are_those_of_the_host(count):
    network, costs = folded(4), cost_table(3, BUCKETS)
    executor = DeviceExecutor(network.on(CpuDevice(seed=count)), costs, in_flight=1)
    inputs = network.draw(count, 1)
    executor.infer(network.draw(24, 2), [0.0, 0.0], empty_answers(24, CLASSES))
    expected = HostExecutor(LoadedChain(network.chain, network.engines()), costs).record(inputs)
    for found, wanted, shape in zip(executor.record(inputs), expected, ((count, 3, CLASSES), (count, 3)), strict=True):
        assert found.shape == shape
        assert found.tobytes() == wanted.tobytes()


def put(device, array):
    """An array on the device, and nothing behind it."""
    memory = device.memory(array.nbytes)
    memory.array[:] = array.reshape(-1).view(np.uint8)
    interface = {"shape": array.shape, "typestr": array.dtype.str, "data": (memory.address, False), "version": 3}
    return SimpleNamespace(memory=memory, __cuda_array_interface__=interface)


@pytest.mark.parametrize("device_exits", [False, True])
@pytest.mark.parametrize("count", [1, 6, 24, 29, 50])
def test_images_on_the_device_fill_rows_up_themselves(device_exits, count):
    network, costs = folded(4), cost_table(3, BUCKETS)
    device = CpuDevice(seed=count)
    executor = DeviceExecutor(network.on(device), costs, device_exits=device_exits)
    inputs = network.draw(count, 5)
    thresholds = quantiles(network, costs, inputs, (0.6, 0.5))
    expected, found = (empty_answers(count, CLASSES) for _ in range(2))
    executor.infer(network.draw(24, 9), thresholds, empty_answers(24, CLASSES))
    executor.infer(inputs, thresholds, expected)
    view = executor.view(put(device, inputs["x"]))
    executor.infer({"x": view, "mask": inputs["mask"]}, thresholds, found)
    assert found.outputs.tobytes() == expected.outputs.tobytes()
    assert found.exit_index.tolist() == expected.exit_index.tolist()


@pytest.mark.parametrize("in_flight", [1, 3])
def test_the_whole_network_answers_images(in_flight):
    network, costs = folded(3), cost_table(1, BUCKETS)
    chain, engines = whole_of(network), network.engines()[:1]
    whole = DeviceWhole(DeviceChain(chain, [HostEngine(engines[0])], CpuDevice(seed=4)), costs, in_flight=in_flight)
    host = HostWhole(LoadedChain(chain, engines), costs, output="logits_0")
    whole.warm_up(100)
    for count in (1, 2, 17, 18, 19, 40):
        inputs = network.draw(count, count)
        found = whole.infer(inputs)
        assert found.shape == (count, CLASSES)
        assert found.tobytes() == host.infer(inputs).tobytes()


def test_more_images_a_row_than_a_word_has_bits_are_refused():
    network = folded(33, exits=1)
    with pytest.raises(EngineError, match=r"folded by 33, a device takes at most 32 images a row\. Choose --engine"):
        network.on(CpuDevice())


@pytest.mark.parametrize("device_exits", [False, True])
def test_with_the_cuda_source_as_it_is_launched(tmp_path, device_exits):
    require_program("g++")
    network, costs = folded(5, group_exit=GroupExit.MAJORITY), cost_table(3, BUCKETS, move_ms=0.0)
    device = SourceDevice(tmp_path, seed=2)
    executor = DeviceExecutor(network.on(device), costs, in_flight=2, device_exits=device_exits)
    for count in (1, 28, 51):
        inputs = network.draw(count, count)
        check(executor, network, costs, inputs, quantiles(network, costs, inputs, (0.7, 0.6)))


@pytest.fixture(scope="module")
def way(folded_bundle) -> OnDevice:
    """The folded bundle on a CPU device."""
    found = choose_configuration(
        open_bundle(folded_bundle.path), engine="onnxruntime", device=DeviceSettings(device=CpuDevice(seed=3))
    )
    assert isinstance(found, OnDevice)
    return found


@pytest.mark.parametrize("exits", [True, False])
def test_a_bundle_answers_as_on_the_host(folded_bundle, exits):
    x = folded_bundle.x[:47]
    host, there = (eerun.load(folded_bundle.path, engine="onnxruntime", **way) for way in ({}, {"device": CpuDevice()}))
    expected, found = (model.infer(x, exits=exits) for model in (host, there))
    assert found.exit_index.tolist() == expected.exit_index.tolist()
    assert np.allclose(found.outputs, expected.outputs, rtol=1e-4, atol=1e-5)
    assert set(found.exit_index.tolist()) == ({0, 1} if exits else {1})


def test_a_batch_of_images_taken_apart(way, folded_bundle):
    """Rows are groups: 13 images are 4 of them, the last filled up; the whole network runs in the same bucket."""
    x = folded_bundle.x[:13]
    with way.device.use():
        profiler = ChainProfiler(way.load(way.chain(), "segment {}"), way.costs(), {"x": x}, rows=13, rounds=2)
        scores = way.open_chain().record({"x": x})[1]
        threshold = float(np.sort([part.min() for part in np.split(scores[:12, 0], 3)])[1])
        found = profiler.profile([threshold])
        loaded = way.load(way.whole(), "whole network")
        whole = profile_whole(loaded, way.costs().of_whole(), {"x": x}, rows=13, rounds=2)
    left = leave_in_groups(scores, [threshold], fold=FOLD, rule=way.chain().group_exit).left
    assert [step.survivors for step in found.steps] == [int((left > 0).sum()), 0]
    assert (found.samples, found.steps[0].rows, whole.samples) == (13, 4, 13)
