"""The device executor on the card decides as the host executor does, bit for bit, whoever takes the decision."""

from functools import cache

import numpy as np
import pytest
from device_backends import backend_that_runs, load_graph
from recorded_chain import (
    BUCKETS,
    CLASSES,
    EXITS,
    THRESHOLDS,
    recorded_chain,
    recorded_costs,
    recorded_samples,
)

from eengines.backends import DEVICE_BACKENDS, load_backend
from eerun.device_executor import DeviceChain, DeviceExecutor
from eerun.device_executor.profile import ChainProfiler
from eerun.executor import Answers, HostExecutor, load_chain


@pytest.fixture(scope="module", params=[*DEVICE_BACKENDS])
def chain(request, device) -> DeviceChain:
    backend, recorded = backend_that_runs(request.param), recorded_chain()
    engines = [load_graph(backend, segment.graph, device, BUCKETS) for segment in recorded.segments]
    return DeviceChain(recorded, engines, device)


def answers(count: int) -> Answers:
    return Answers(
        outputs=np.empty((count, CLASSES), np.float32),
        exit_index=np.empty(count, np.int32),
        confidence=np.empty(count, np.float32),
    )


@cache
def host() -> HostExecutor:
    return HostExecutor(load_chain(recorded_chain(), load_backend("onnxruntime"), threads=1), recorded_costs())


def check(executor: DeviceExecutor, count: int, seed: int, thresholds) -> None:
    samples, here, there = {"x": recorded_samples(count, seed)}, answers(count), answers(count)
    host().infer(samples, thresholds, here)
    executor.infer(samples, thresholds, there)
    assert np.array_equal(here.exit_index, there.exit_index)
    assert here.outputs.tobytes() == there.outputs.tobytes()
    assert here.confidence.tobytes() == there.confidence.tobytes()


def made(chain: DeviceChain, *, in_flight: int, device_exits: bool) -> DeviceExecutor:
    executor = DeviceExecutor(chain, recorded_costs(), in_flight=in_flight, device_exits=device_exits)
    if device_exits and not executor.device_exits:
        pytest.skip("--device-exits cannot be here: " + chain.device.probe_switch().reason)
    return executor


@pytest.mark.parametrize("device_exits", [False, True])
@pytest.mark.parametrize("in_flight", [1, 3])
def test_decisions_and_answers_are_the_hosts(chain, in_flight, device_exits):
    executor = made(chain, in_flight=in_flight, device_exits=device_exits)
    for seed, count in enumerate((1, 2, 3, 5, 8, 15, 16, 17, 50, 100)):
        check(executor, count, seed, THRESHOLDS)


@pytest.mark.parametrize("device_exits", [False, True])
@pytest.mark.parametrize(
    "thresholds", [(None, None, None), (float("inf"),) * 3, (0.0, 0.0, 0.0), (2.0, 0.0, 0.0), (None, 1.0, None)]
)
def test_thresholds_change_without_a_new_graph(chain, device_exits, thresholds):
    executor = made(chain, in_flight=2, device_exits=device_exits)
    for changed in (THRESHOLDS, thresholds, THRESHOLDS):
        check(executor, 40, 7, changed)


def test_many_threads(chain):
    from concurrent.futures import ThreadPoolExecutor

    executor = made(chain, in_flight=3, device_exits=False)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(check, executor, 30, seed, THRESHOLDS) for seed in range(40)]:
            done.result()


def test_recording_says_what_was_given(chain):
    samples = recorded_samples(16, 3)
    logits, scores = made(chain, in_flight=1, device_exits=False).record({"x": samples})
    assert np.array_equal(logits.reshape(16, -1), samples[:, : EXITS * CLASSES])
    assert np.array_equal(scores, samples[:, EXITS * CLASSES :])


@pytest.mark.parametrize("library", ["torch", "cupy", "pycuda"])
def test_arrays_on_the_card_enter_by_their_address(chain, library):
    samples = recorded_samples(20, 5)
    executor = made(chain, in_flight=2, device_exits=False)
    array, address = array_on_card(library, samples, executor)
    view = executor.view(array)
    assert view is not None
    assert (view.address, view.shape, view.dtype) == (address, samples.shape, "float32")
    here, there = answers(20), answers(20)
    host().infer({"x": samples}, THRESHOLDS, here)
    executor.infer({"x": view}, THRESHOLDS, there)
    assert np.array_equal(here.exit_index, there.exit_index)
    assert np.array_equal(here.outputs, there.outputs)


def array_on_card(library: str, samples: np.ndarray, executor: DeviceExecutor):
    """The samples as another library's array, and where they lie."""
    if library == "torch":
        torch = pytest.importorskip("torch", reason="needs torch")
        if not torch.cuda.is_available():
            pytest.skip(f"torch {torch.__version__} has no CUDA here")
        tensor = torch.from_numpy(samples).cuda()
        return tensor, tensor.data_ptr()
    if library == "cupy":
        cupy = pytest.importorskip("cupy", reason="needs cupy")
        array = cupy.asarray(samples)
        return array, array.data.ptr
    pytest.importorskip("pycuda", reason="needs pycuda")
    from pycuda import gpuarray

    with executor.device.use():
        array = gpuarray.to_gpu(samples)
    return array, int(array.gpudata)


def test_a_profile_goes_the_executors_way(chain):
    samples, found = recorded_samples(16, 9), answers(16)
    executor = made(chain, in_flight=1, device_exits=False)
    (steps,) = executor.infer({"x": samples}, THRESHOLDS, found)
    with chain.device.use():
        profiler = ChainProfiler(chain, recorded_costs(), {"x": samples}, rows=16, rounds=3)
        profile = profiler.profile(THRESHOLDS)
    assert [step.survivors for step in profile.steps] == [step.entered - step.left for step in steps]
    assert all(step.segment_ms > 0 for step in profile.steps)
