"""Run tests of CUDA without a GPU: the real bindings on an emulated driver, `engines/devices/driver_emulator.c`.

A test file says `EMULATED_CUDA = {...}` (settings of the emulator, empty for the usual GPU), and its folder's
conftest.py imports `pytest_pyfunc_call`. Its tests then run once, in a process of their own that has the emulator as
libcuda.so.1; here each test tells what became of it there. Fixtures are set up here as well, so they must not need it.
"""

import ctypes
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from required import require_module, skip_or_fail

from eengines.devices.cuda import open_cuda_device

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "tests" / "engines" / "devices" / "driver_emulator.c"
INSIDE = "EECOMPILE_EMULATED_CUDA"
CRASH = "the whole file"
MEMORY, PINNED, STREAM, EVENT, GRAPH, EXEC, CONTEXT = range(KINDS := 7)
"""Kinds of objects, as `live` counts them."""


@cache
def _build(source: str) -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory()
    command = ["gcc", "-O1", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-x", "c", "-", "-lpthread"]
    library = Path(folder.name) / "libcuda.so.1"
    subprocess.run([*command, "-o", str(library)], input=source, text=True, check=True)
    return folder


def environment(settings: Mapping[str, str], *, source: str | None = None) -> dict[str, str]:
    """The environment of a process that finds a driver made of C source; None: the emulator."""
    if shutil.which("gcc") is None:
        skip_or_fail("the emulated CUDA driver needs gcc")
    require_module("cuda.bindings.driver", "needs cuda-bindings")
    folder = _build(SOURCE.read_text() if source is None else source).name
    path = os.pathsep.join(filter(None, [folder, os.environ.get("LD_LIBRARY_PATH")]))
    return {**os.environ, "LD_LIBRARY_PATH": path, INSIDE: "1", **settings}


def run_emulated(program: str, *, source: str | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program on the emulator."""
    command = [sys.executable, "-X", "faulthandler", "-c", program]
    folders = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    everything = {**environment(settings, source=source), "PYTHONPATH": folders}
    return subprocess.run(command, env=everything, capture_output=True, text=True, check=False, timeout=60)


@cache
def _outcomes(path: Path, settings: tuple[tuple[str, str], ...]) -> dict[str, tuple[str, str]]:
    """Test → what became of it (`passed`, `failed`, `skipped`), and why."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-X",
            "faulthandler",
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
        ]
        done = subprocess.run(
            [*command, "--basetemp", str(Path(folder) / "tmp"), "--junitxml", str(report), str(path)],
            cwd=ROOT,
            env=environment(dict(settings)),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if not report.is_file():
            return {CRASH: ("failed", f"the process ended with {done.returncode}\n{done.stdout}{done.stderr}")}
        cases = ET.parse(report).iter("testcase")  # noqa: S314 - written by the lines above
        return {case.attrib["name"]: _outcome(case) for case in cases}


def _outcome(case: ET.Element) -> tuple[str, str]:
    for kind, tags in (("failed", ("failure", "error")), ("skipped", ("skipped",))):
        for tag in tags:
            found = case.find(tag)
            if found is not None:
                return kind, found.text or found.attrib.get("message", "")
    return "passed", ""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test of a file with `EMULATED_CUDA` on the emulator, all others here."""
    settings = getattr(pyfuncitem.module, "EMULATED_CUDA", None)
    if settings is None or INSIDE in os.environ:
        return None
    outcomes = _outcomes(pyfuncitem.path, tuple(sorted(settings.items())))
    kind, why = outcomes[CRASH if CRASH in outcomes else pyfuncitem.name]
    if kind == "skipped":
        pytest.skip(why)
    if kind == "failed":
        pytest.fail(why, pytrace=False)
    return True


_KERNELS: list[object] = []
"""Functions that the emulator may call as long as the process lives."""


class Emulator:
    """The emulator's own functions, in a process that runs on it."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")

    def live(self, kind: int) -> int:
        """How many objects of a kind there are, once all enqueued work is done."""
        return int(self._library.emulator_live(kind))

    def depth(self) -> int:
        """How many contexts this thread has on its stack."""
        return int(self._library.emulator_depth())

    def make_context(self, ordinal: int) -> int:
        """Make a context that is not the GPU's primary one, and put it on the thread's stack."""
        context = ctypes.c_void_p()
        assert self._library.cuCtxCreate(ctypes.byref(context), 0, ordinal) == 0
        return int(context.value or 0)

    def priority(self, stream: int) -> int:
        """What a stream was made with."""
        return int(self._library.emulator_priority(ctypes.c_void_p(stream)))

    def fail(self, call: str, code: int, *, after: int = 0) -> None:
        """Let a call fail once, after some good ones; `work`: all work fails from now on."""
        self._library.emulator_fail(call.encode(), code, after)

    def kernel(
        self, name: str, arguments: int, run: Callable[[Sequence[int], Callable[[int, int], None]], None]
    ) -> None:
        """Let kernels of a name be a function of its arguments and the setter of conditional values."""

        @ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_uint64))
        def call(values) -> None:
            run(tuple(values[:arguments]), self._library.emulator_select)

        _KERNELS.append(call)
        self._library.emulator_kernel(name.encode(), arguments, call)


def leaves_nothing(test: Callable[..., None]) -> Callable[..., None]:
    """Check that a test leaves no object behind, nor a context on the thread's stack."""

    @wraps(test)
    def checked(**arguments: object) -> None:
        emulator = Emulator()
        with open_cuda_device().use():
            pass  # opens what stays for the process
        gc.collect()
        before = [*map(emulator.live, range(CONTEXT)), emulator.depth()]
        test(**arguments)
        gc.collect()
        assert [*map(emulator.live, range(CONTEXT)), emulator.depth()] == before

    return checked
