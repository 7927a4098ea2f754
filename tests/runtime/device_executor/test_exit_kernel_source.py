"""The real CUDA source of the exit kernel, run on the CPU with real threads, equals its numpy reference bit for bit."""

import subprocess

import numpy as np
import pytest
from exit_problems import ExitMemory, differences, exit_problems, large_problem, run_reference
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_on_cpu import COMPILE, CPU_FOLDER, KERNEL_FOLDER, KernelOnCpu
from required import require_program

from eerun.device_executor.exit_table import EXIT_TABLE, MOVED
from eerun.device_executor.leave_and_compact import MAX_THREADS

require_program("g++")

SANITIZERS = ("thread", "address,undefined")
TINY = "int main() { return 0; }"


@pytest.fixture(scope="module")
def kernels(tmp_path_factory) -> dict[bool, KernelOnCpu]:
    """The kernel by whether it sets selectors."""
    folder = tmp_path_factory.mktemp("kernel")
    return {flag: KernelOnCpu(folder, with_selector=flag) for flag in (False, True)}


def check(kernel, problem, *, with_selector, selector=0, spare=0, **how):
    """Both leave the same bytes, outputs and guards included, and set the same conditional values."""
    expected, found = ExitMemory(problem), ExitMemory(problem)
    chosen = run_reference(expected, with_selector=with_selector, selector=selector)
    grid = (how.pop("parts"), max(1, problem.rows + spare))
    assert kernel.launch((found.table.ctypes.data, selector), grid=grid, **how) == chosen
    assert differences(expected, found) == {}


@given(
    problem=exit_problems(most=24),
    parts=st.integers(1, 5),
    threads=st.sampled_from((8, 12, 32)),
    spare=st.integers(0, 5),
    at_once=st.sampled_from((1, 4)),
    selector=st.sampled_from((None, 0, 9)),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=200, deadline=None)
def test_any_batch(kernels, problem, parts, threads, spare, at_once, selector, seed):
    flag = selector is not None
    check(
        kernels[flag],
        problem,
        with_selector=flag,
        selector=selector or 0,
        parts=parts,
        threads=threads,
        spare=spare,
        at_once=at_once,
        seed=seed,
    )


@pytest.mark.parametrize(
    ("rows", "threads", "at_once"), [(300, 8, 4), (100, 32, 1), (300, 128, 4), (129, 128, 1), (128, 128, 4)]
)
def test_more_rows_than_threads(kernels, rows, threads, at_once):
    problem = large_problem(rows, seed=rows + threads)
    check(kernels[False], problem, with_selector=False, parts=2, threads=threads, at_once=at_once, seed=at_once)


def test_as_many_threads_as_there_may_be(kernels):
    check(
        kernels[False],
        large_problem(257, seed=1, scores=(1.0,) * 254 + (0.0,) * 3, extra=1),
        with_selector=False,
        parts=1,
        threads=MAX_THREADS,
        at_once=1,
        seed=0,
    )


def test_rows_that_are_gibibytes_apart(kernels):
    """Row 39 of 64 MiB each begins beyond what an int of bytes can count."""
    row_bytes, rows = 2**26, 40
    problem = large_problem(rows, seed=1, sample=None, scores=(1.0,) * (rows - 1) + (0.0,), extra=0)
    memory, buffer = ExitMemory(problem), np.zeros(rows * row_bytes, np.uint8)  # only what is touched takes memory
    row = buffer[-row_bytes:]
    row[:: 2**12] = np.arange(row_bytes // 2**12) % 251
    moved = np.array([(buffer.ctypes.data, row_bytes)], MOVED)
    memory.table["moved"], memory.table["moved_count"], memory.table["moved_with_answer"] = moved.ctypes.data, 1, 0
    kernels[False].launch((memory.table.ctypes.data, 0), grid=(2, rows), threads=8, at_once=4, seed=0)
    assert memory.of("after", "int32")[:2].tolist() == [1, rows - 1]
    assert np.array_equal(buffer[:row_bytes], row)
    assert row.any()


def test_a_wrong_launch_is_seen(kernels):
    """The comparison can fail: a grid with too few rows leaves survivors where they are."""
    problem = large_problem(40, seed=1, extra=0)
    expected, found = ExitMemory(problem), ExitMemory(problem)
    run_reference(expected)
    kernels[False].launch((found.table.ctypes.data, 0), grid=(1, 3), threads=8, at_once=1, seed=0)
    assert {"outputs", "after"} <= set(differences(expected, found))


def test_tables_have_the_layout_of_the_source(tmp_path):
    names = {"Table": EXIT_TABLE, "Moved": MOVED}
    lines = [
        f'std::printf("{struct} {name} %zu\\n", offsetof({struct}, {name}));'
        for struct, dtype in names.items()
        for name in dtype.names
    ]
    lines += [f'std::printf("{struct} size %zu\\n", sizeof({struct}));' for struct in names]
    includes = ('"cuda_on_cpu.h"', "<cstddef>", "<cstdio>", '"leave_and_compact.cu"')
    source = "\n".join([*(f"#include {name}" for name in includes), "int main() {", *lines, "}"])
    (tmp_path / "layout.cpp").write_text(source)
    flags = ["-Wno-unused-function", f"-I{KERNEL_FOLDER}", f"-I{CPU_FOLDER}"]
    subprocess.run([*COMPILE, *flags, "layout.cpp", "-o", "layout"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "layout"], capture_output=True, text=True, check=True)

    found = {tuple(line.split()[:2]): int(line.split()[2]) for line in done.stdout.splitlines()}
    expected = {(struct, name): dtype.fields[name][1] for struct, dtype in names.items() for name in dtype.names}
    expected |= {(struct, "size"): dtype.itemsize for struct, dtype in names.items()}
    assert found == expected


def test_most_threads_are_those_of_the_source():
    assert f"#define MAX_THREADS {MAX_THREADS}\n" in (KERNEL_FOLDER / "leave_and_compact.cu").read_text()


@pytest.mark.parametrize("sanitizer", SANITIZERS)
@pytest.mark.parametrize("defines", [(), ("-DFOLD=3",)])
def test_blocks_and_threads_do_not_race(tmp_path, sanitizer, defines):
    """Neither races nor reads or writes outside of buffers, nor misaligned ones; and the sanitizer sees a race."""
    flags = [f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", *defines]
    (tmp_path / "tiny.cpp").write_text(TINY)
    tiny = subprocess.run([*COMPILE, *flags, "tiny.cpp", "-o", "tiny"], cwd=tmp_path, capture_output=True, check=False)
    if tiny.returncode or subprocess.run([tmp_path / "tiny"], capture_output=True, check=False).returncode:
        pytest.skip(f"g++ -fsanitize={sanitizer} does not work on this machine")
    source = CPU_FOLDER / "leave_and_compact_on_cpu.cpp"
    subprocess.run(
        [*COMPILE, *flags, "-DWITH_MAIN", f"-I{KERNEL_FOLDER}", source, "-o", "batches"], cwd=tmp_path, check=True
    )
    done = subprocess.run([tmp_path / "batches"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if sanitizer == "thread":
        careless = subprocess.run([tmp_path / "batches", "careless"], capture_output=True, text=True, check=False)
        assert "data race" in careless.stderr
