"""The device executor on CUDA's real bindings: streams, graphs, switches and pinned memory of an emulated driver.

Segments are kernels there: the emulator runs, in the order of the stream, what a session of ONNX Runtime computes.
"""

import device_networks
import numpy as np
import pytest
from device_networks import cost_table, empty_answers
from emulated_cuda import EVENT, STREAM, Emulator

from eengines.device import Program
from eengines.devices.cuda import open_cuda_device
from eengines.devices.host_engine import HostEngine
from eengines.errors import EngineError
from eerun.device_executor import DeviceChain, DeviceExecutor, DeviceWhole
from eerun.device_executor.leave_and_compact import exit_program
from eerun.executor import Answers, ChainExecutor, LoadedChain

EMULATED_CUDA = {"EMULATOR_CAPABILITY": "75"}

BUCKETS = (1, 2, 4, 7)
SOURCE = 'extern "C" __global__ void run_session(unsigned long long number) {}'
SESSIONS: list = []


def run_session(arguments, _):
    SESSIONS[arguments[0]]()


class KernelSession:
    """A session of the host, as a kernel of the emulated GPU."""

    capturable = True

    def __init__(self, kernel, run):
        self._kernel, self._number = kernel, len(SESSIONS)
        SESSIONS.append(run)

    def enqueue(self, stream):
        self._kernel.launch(stream, grid=(1, 1), threads=1, arguments=(self._number,))


class KernelEngine(HostEngine):
    """A `DeviceEngine` on the emulated GPU, whose memory is the host's."""

    def __init__(self, engine, device):
        super().__init__(engine)
        self._kernel = device.kernel(Program(name="run_session", source=SOURCE, defines=(), reference=run_session))

    def workspace_bytes(self, bucket):
        return 64 * bucket

    def open(self, bucket, addresses, *, workspace, stream):
        assert workspace % 256 == 0
        session = super().open(bucket, addresses, workspace=workspace, stream=stream).session
        return KernelSession(self._kernel, session.run)


@pytest.fixture
def network():
    return device_networks.fitted()


def loaded(network, *, device_exits=False):
    """The network on the emulated GPU."""
    emulator = Emulator()
    emulator.kernel("run_session", 1, run_session)
    emulator.kernel("leave_and_compact", 2, exit_program(with_selector=device_exits).reference)
    device = open_cuda_device()
    with device.use():
        engines = [KernelEngine(engine, device) for engine in network.engines()]
        return DeviceChain(network.chain, engines, device)


def expected_of(network, costs, inputs, thresholds):
    """What the host says, part by part."""
    executor = ChainExecutor(LoadedChain(network.chain, network.engines()), costs)
    answers = empty_answers(len(inputs["x"]), executor.classes)
    for start in range(0, len(inputs["x"]), costs.max_batch):
        rows = slice(start, start + costs.max_batch)
        part = Answers(
            outputs=answers.outputs[rows], exit_index=answers.exit_index[rows], confidence=answers.confidence[rows]
        )
        executor.infer({"x": inputs["x"][rows]}, thresholds, part)
    return answers


@pytest.mark.parametrize("in_flight", [1, 3])
@pytest.mark.parametrize("device_exits", [False, True])
def test_it_decides_and_answers_like_the_host(network, in_flight, device_exits):
    costs, inputs, thresholds = cost_table(3, BUCKETS), network.draw(46, 8), (0.45, 0.6)
    expected = expected_of(network, costs, inputs, thresholds)
    assert set(expected.exit_index) == {0, 1, 2}
    executor = DeviceExecutor(
        loaded(network, device_exits=device_exits), costs, in_flight=in_flight, device_exits=device_exits
    )
    assert executor.device_exits == device_exits
    for _ in range(2):
        found = empty_answers(46, executor.classes)
        executor.infer(inputs, thresholds, found)
        assert np.array_equal(found.exit_index, expected.exit_index)
        assert found.outputs.tobytes() == expected.outputs.tobytes()
        assert found.confidence.tobytes() == expected.confidence.tobytes()


def test_nothing_is_made_while_it_answers_and_no_context_stays(network):
    costs, inputs = cost_table(3, BUCKETS), network.draw(20, 9)
    emulator, executor = Emulator(), DeviceExecutor(loaded(network), costs)
    answers = empty_answers(20, executor.classes)
    before = [emulator.live(kind) for kind in range(EVENT + 1)]
    assert before[STREAM] >= 2
    executor.infer(inputs, (0.45, 0.6), answers)
    assert [emulator.live(kind) for kind in range(EVENT + 1)] == before
    assert emulator.depth() == 0


def test_a_failing_gpu_is_an_engine_error_and_leaves_no_context(network):
    executor = DeviceExecutor(loaded(network), cost_table(3, BUCKETS))
    answers = empty_answers(5, executor.classes)
    Emulator().fail("cuGraphLaunch", 2)
    with pytest.raises(EngineError, match="CUDA_ERROR_OUT_OF_MEMORY"):
        executor.infer(network.draw(5, 1), (0.45, 0.6), answers)
    assert Emulator().depth() == 0
    executor.infer(network.draw(5, 1), (0.45, 0.6), answers)
    assert (answers.exit_index >= 0).all()


def test_the_whole_network(network):
    costs, inputs = cost_table(1, BUCKETS), network.draw(17, 3)
    last = network.chain.segments[0]
    chain = loaded(network)
    first = DeviceChain(
        type(network.chain)(inputs=network.chain.inputs, segments=(last,)), chain.engines[:1], chain.device
    )
    whole = DeviceWhole(first, costs, in_flight=2)
    whole.warm_up(7)
    expected = expected_of(network, cost_table(3, BUCKETS), inputs, (0.0, 0.0))
    assert whole.infer(inputs).tobytes() == expected.outputs.tobytes()
