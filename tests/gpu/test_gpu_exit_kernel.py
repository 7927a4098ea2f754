"""The exit kernel on the card does what its numpy reference does, byte for byte."""

from dataclasses import replace

import numpy as np
import pytest
from exit_problems import (
    ExitMemory,
    ExitProblem,
    differences,
    exit_problems,
    folded_problems,
    large_problem,
    run_reference,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eengines.device import Device
from eerun.device_executor.exit_table import EXIT_TABLE, MOVED
from eerun.device_executor.leave_and_compact import exit_program
from eerun.device_executor.upload import upload

THREADS = 128
ADDRESSES = [name for name in EXIT_TABLE.names or () if EXIT_TABLE[name] == np.dtype("<u8")]


def run_on_device(device: Device, problem: ExitProblem, memory: ExitMemory, *, parts: int) -> None:
    """Run a launch on a copy of the problem's memory, and copy it back."""
    if problem.rows == 0:
        return
    with device.use():
        stream, block = device.stream(), memory.block
        pinned, there = device.pinned(block.nbytes), device.memory(block.nbytes)
        pinned.array[:] = block
        device.copy(there.address, pinned.address, block.nbytes, stream)
        shift = np.uint64((there.address - int(block.ctypes.data)) % 2**64)
        moved = np.array(memory._moved, MOVED)
        moved["rows"] += shift
        uploaded = upload(device, moved, stream) if len(moved) else None
        table = memory.table.copy()
        for name in ADDRESSES:
            if name != "moved" and table[name][0]:
                table[name] += shift
        table["moved"] = 0 if uploaded is None else uploaded.address
        argument = upload(device, table, stream)
        kernel = device.kernel(exit_program(with_selector=False, fold=problem.fold))
        kernel.launch(stream, grid=(parts, problem.rows), threads=THREADS, arguments=(argument.address, 0))
        device.copy(pinned.address, there.address, block.nbytes, stream)
        stream.synchronize()
        block[:] = pinned.array


def check(device: Device, problem: ExitProblem, parts: int) -> None:
    here, there = ExitMemory(problem), ExitMemory(problem)
    if problem.rows:
        run_reference(here)
    run_on_device(device, problem, there, parts=parts)
    assert not differences(here, there)


@given(problem=exit_problems())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_batch(device, problem):
    check(device, problem, parts=1 + problem.seed % 3)


@pytest.mark.parametrize("fold", [2, 4, 32])
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_batch_of_groups(device, fold, data):
    problem = data.draw(folded_problems(fold=fold))
    check(device, problem, parts=1 + problem.seed % 3)


@pytest.mark.parametrize("rows", [127, 128, 129, 300, 1024])
@pytest.mark.parametrize("is_last", [False, True])
def test_large_batches(device, rows, is_last):
    for seed in range(5):
        check(device, replace(large_problem(rows, seed), is_last=is_last), parts=4)
