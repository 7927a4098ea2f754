"""What the exit kernel is told about each exit: buffers, what crosses, and which bucket comes next."""

import ctypes
from dataclasses import dataclass

import device_networks
import numpy as np
import pytest
from device_networks import empty_answers

from eengines.devices.cpu import CpuDevice
from eengines.devices.host_engine import HostEngine
from eerun.costs import CostTable
from eerun.device_executor import DeviceChain, DeviceExecutor
from eerun.device_executor.exit_kernels import Decisions, ExitKernels
from eerun.device_executor.exit_table import EXIT_TABLE, MOVED
from eerun.device_executor.next_rows import bucket_of_rows
from eerun.device_executor.slot_memory import SlotMemory


def costs_by_segment(*rows: tuple[float, ...], buckets: tuple[int, ...]) -> CostTable:
    return CostTable(
        engine="onnxruntime",
        precision="float32",
        device="test",
        buckets=buckets,
        segment_ms=rows,
        whole_ms=(1.0,) * len(buckets),
        move_ms=(0.0,) * (len(rows) - 1),
    )


@dataclass
class Launched:
    """A kernel that keeps the arguments it is launched with."""

    launches: list

    def launch(self, _, *, grid, threads, arguments):
        self.launches.append((grid, threads, arguments))


def at(address, dtype, count):
    size = np.dtype(dtype).itemsize * count
    return np.frombuffer((ctypes.c_uint8 * size).from_address(int(address)), dtype).copy()


def launched(chain, costs):
    """Memory of a slot, and the launch of every exit: grid, table and what it moves."""
    memory, stream, kernel = SlotMemory(chain, buckets=costs.buckets), chain.device.stream(), Launched([])
    kernels = ExitKernels(kernel, chain, memory, Decisions(costs, chain, stream), stream)
    ((grid, _, (address, _)),) = kernel.launches
    assert grid == (1, 1), "the last exit has run once, uncaptured, on a batch of no rows"
    assert at(address, EXIT_TABLE, 1)[0]["is_last"]
    found = []
    for exit_index in range(len(chain.engines)):
        kernels.launch(exit_index, rows=costs.buckets[0], stream=stream, selector=9)
        grid, threads, (address, selector) = kernel.launches[-1]
        table = at(address, EXIT_TABLE, 1)[0]
        assert selector == 9
        assert threads % 32 == 0
        found.append((grid, table, at(table["moved"], MOVED, table["moved_count"]) if table["moved_count"] else []))
    return memory, found, kernels


def test_logits_that_cross_go_first_and_with_the_answers():
    """A later segment reads them: the block that answers from a row must also be the one that overwrites it."""
    chain = device_networks.wide().on(CpuDevice())
    memory, ((grid, first, moved), (_, last, none)), kernels = launched(
        chain, costs_by_segment((1.0, 2.0), (1.0, 2.0), buckets=(2, 4))
    )

    assert moved.tolist() == [(memory.address("logits_0"), 12), (memory.address("trunk"), 40_000)]
    assert (first["moved_with_answer"], first["is_last"], first["classes"], first["max_rows"]) == (1, 0, 3, 4)
    assert grid == (3, 2), "40,012 bytes a row are cut into parts of 16 KiB"
    assert (first["before"], last["before"]) == (0, first["after"])
    assert (last["is_last"], last["moved_with_answer"], len(none)) == (1, 0, 0)
    assert kernels is not None, "it owns the tables"


def test_logits_that_do_not_cross_stay():
    chain = device_networks.branchy("patience").on(CpuDevice())
    costs = costs_by_segment(*[(1.0, 2.0)] * 3, buckets=(2, 4))
    memory, exits, kernels = launched(chain, costs)
    for (_, table, moved), names in zip(exits, (*chain.layout.crossing, ()), strict=True):
        assert table["moved_with_answer"] == 0
        expected = {(memory.address(name), chain.layout.specs[name].row_bytes) for name in names}
        assert {tuple(each) for each in np.asarray(moved).tolist()} == expected
    assert kernels is not None, "it owns the tables"


class WatchedEngine(HostEngine):
    """Notes the buckets that run."""

    def __init__(self, engine, segment, runs):
        super().__init__(engine)
        self.segment, self.runs = segment, runs

    def open(self, bucket, addresses, *, workspace, stream):
        session = super().open(bucket, addresses, workspace=workspace, stream=stream)
        note, run = (self.segment, bucket), session.session.run

        class Watched:
            def run(inner):  # noqa: N805 - `self` is the engine
                self.runs.append(note)
                run()

        return type(session)(session=Watched())


@pytest.mark.parametrize("device_exits", [False, True])
def test_each_segment_runs_in_its_own_cheapest_bucket(device_exits):
    """The second segment is as fast in 8 as in 2, the third is slow in 4."""
    network, buckets, runs = device_networks.fitted(), (2, 4, 8), []
    rows = ((1.0, 2.0, 4.0), (3.0, 2.5, 2.0), (1.0, 9.0, 3.0))
    costs = costs_by_segment(*rows, buckets=buckets)
    engines = [WatchedEngine(engine, k, runs) for k, engine in enumerate(network.engines())]
    chain = DeviceChain(network.chain, engines, CpuDevice(seed=5))
    executor = DeviceExecutor(chain, costs, device_exits=device_exits)
    inputs = network.draw(8, 3)
    scores = np.sort(executor.record(inputs)[1], axis=0)
    seen = set()
    for leaving in range(1, 8):
        runs.clear()
        thresholds = [float(scores[8 - leaving, 0]), None]
        (steps,) = executor.infer(inputs, thresholds, empty_answers(8, executor.classes))
        expected = [(s.segment, buckets[bucket_of_rows(buckets, rows[s.segment])[s.rows]]) for s in steps]
        assert runs == expected
        seen |= set(runs)
    assert {bucket for segment, bucket in seen if segment == 1} == {8}
    assert {bucket for segment, bucket in seen if segment == 2} == {2, 8}
