"""What CUDA does to its process: without packages, driver or GPU; in a fork; at the end."""

import subprocess
import sys

import pytest
from emulated_cuda import KINDS, SOURCE, run_emulated
from required import require_module

from eengines.devices.cuda import probe_cuda

PROBE = "from eengines.devices.cuda import probe_cuda\nprint(probe_cuda())"

WITHOUT_PACKAGES = f"""
import sys
sys.modules["cuda"] = None  # what an import finds where the package is missing
{PROBE}
from eengines.device import Program
from eengines.devices.cuda import compile_cubin, open_cuda_device
from eengines.errors import EngineError
program = Program(name="k", source="", defines=(), reference=print)
for call in (open_cuda_device, lambda: compile_cubin(program, "sm_75")):
    try:
        call()
    except EngineError as error:
        print(error)
"""

OPENED = """
import os
from eengines.devices.cuda import open_cuda_device, probe_cuda
from eengines.errors import EngineError
device = open_cuda_device()
with device.use():
    stream, memory, pinned, event = device.stream(), device.memory(64), device.pinned(64), device.event()
    graph = device.capture(lambda builder: device.copy(memory.address, pinned.address, 64, builder.stream))
    graph.launch(stream)
"""

FORK = f"""
{OPENED}
def refused(call):
    try:
        call()
    except EngineError as error:
        print(error, flush=True)

child = os.fork()
if child == 0:
    refused(device.use)
    refused(open_cuda_device)
    print(probe_cuda().ok)
    del stream, memory, pinned, event, graph  # freed by the parent only
    raise SystemExit(0)
assert os.waitpid(child, 0)[1] == 0
with device.use():
    stream.synchronize()
print("parent goes on")
"""

FORK_INSIDE = f"""
{OPENED}
with device.use():
    child = os.fork()
if child == 0:
    raise SystemExit(0)
assert os.waitpid(child, 0)[1] == 0
print("both left the block")
"""

THREAD_AT_EXIT = f"""
{OPENED}
import threading, time
def work():
    while True:
        with device.use():
            device.memory(8)
threading.Thread(target=work, daemon=True).start()
time.sleep(0.05)
print("done")
"""


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout


def test_without_packages_everything_says_what_to_install():
    said = run(WITHOUT_PACKAGES).splitlines()
    assert len(said) == 3
    assert "ok=False" in said[0]
    assert all("pip install 'eecompile[cuda]'" in line for line in said)


def test_nothing_heavy_is_imported_before_it_is_needed():
    program = "import sys, eengines.devices.cuda\nprint([m for m in sys.modules if m.startswith('cuda.')])"
    assert run(program) == "[]\n"


def test_this_machine_is_probed_without_an_exception():
    require_module("cuda.bindings.driver", "cuda-bindings is not installed")
    capability = probe_cuda()
    assert capability.reason
    assert capability.ok == bool(capability.precisions)
    if not capability.ok:
        assert "driver" in capability.reason or "CUDA_ERROR" in capability.reason


def test_a_library_that_is_no_driver_is_told():
    done = run_emulated(PROBE, source="int nothing;\n")
    assert "ok=False" in done.stdout, done.stderr
    assert "the NVIDIA driver cannot be loaded" in done.stdout
    assert done.stdout.count("nstall") == 1, "what to do is said once"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"EMULATOR_DEVICES": "0"}, "starting the driver failed: CUDA_ERROR_NO_DEVICE"),
        ({"EMULATOR_CAPABILITY": "90"}, "Emulated GPU 0, compute capability 9.0, driver "),
    ],
)
def test_the_probe_says_what_there_is(settings, expected):
    done = run_emulated(PROBE, **settings)
    assert expected in done.stdout, done.stderr
    assert done.stderr == ""


def test_the_probe_asks_the_gpu_of_a_number():
    """Two different cards, and a number that neither has."""
    same = 'setting("EMULATOR_CAPABILITY", 75)'
    assert SOURCE.read_text().count(same) == 1
    source = SOURCE.read_text().replace(same, "device ? 89 : 75")
    program = (
        "from eengines.devices.cuda import probe_cuda\n"
        "for ordinal in (0, 1, 7):\n    found = probe_cuda(ordinal)\n"
        "    print(found.ok, 'bfloat16' in found.precisions, found.reason)"
    )
    said = run_emulated(program, source=source, EMULATOR_DEVICES="2").stdout.splitlines()
    assert said[0].startswith("True False Emulated GPU 0, compute capability 7.5")
    assert said[1].startswith("True True Emulated GPU 1, compute capability 8.9")
    assert said[2].startswith("False False got GPU 7, there are 2: 0 to 1: See `nvidia-smi`")


@pytest.mark.parametrize(
    ("capability", "precisions"),
    [
        ("52", {"float32"}),
        ("60", {"float32", "float16"}),
        ("61", {"float32", "float16"}),
        ("75", {"float32", "float16", "int8"}),
        ("87", {"float32", "float16", "bfloat16", "int8"}),
    ],
)
def test_precisions_are_those_of_the_nearest_older_card(capability, precisions):
    program = "from eengines.devices.cuda import probe_cuda\nprint(*sorted(probe_cuda().precisions))"
    assert set(run_emulated(program, EMULATOR_CAPABILITY=capability).stdout.split()) == precisions


def test_a_fork_is_refused_and_frees_nothing(tmp_path):
    report = tmp_path / "live"
    done = run_emulated(FORK, EMULATOR_REPORT=str(report))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len([line for line in lines if "it was started by process" in line]) == 2
    assert all("'spawn'" in line for line in lines[:2])
    assert lines[2:] == ["False", "parent goes on"]
    assert report.read_text().split() == ["0"] * KINDS


def test_a_fork_inside_a_block_leaves_it_quietly():
    done = run_emulated(FORK_INSIDE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "both left the block\n", "")


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "keep = globals()", "1 / 0"])
def test_everything_is_given_back_at_the_end(end, tmp_path):
    report = tmp_path / "live"
    done = run_emulated(f"{OPENED}\n{end}", EMULATOR_REPORT=str(report))
    assert done.returncode == {"raise SystemExit(3)": 3, "1 / 0": 1}.get(end, 0), done.stderr
    assert "Error" not in done.stderr.replace("ZeroDivisionError", "")
    assert report.read_text().split() == ["0"] * KINDS


def test_a_thread_that_still_works_does_not_crash_the_end():
    done = run_emulated(THREAD_AT_EXIT)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
