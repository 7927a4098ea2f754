"""CUDA's driver API through cuda-bindings: loaded when it is first used, with errors that say what to do.

Every function of the bindings returns a tuple with a `CUresult` in front; `check` takes it off.
"""

import os
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from eengines.errors import EngineError

__all__ = ["INSTALL", "bindings", "check", "check_process", "newest", "started_driver"]

INSTALL = "pip install 'eecompile[cuda]'"

OLDEST_DRIVER = (
    "Install NVIDIA's driver, R525 or later; start a container with its GPUs, such as `docker run --gpus all`"
)

RESTART = "The CUDA context is lost: restart the process, and search the cause with `compute-sanitizer`"

CAPTURE = "Enqueue only on the stream that is captured; make memory, streams and events, and wait, before or after"

REMEDIES: Mapping[str, str] = {
    "CUDA_ERROR_OUT_OF_MEMORY": "Free memory on the GPU (`nvidia-smi` shows who has it), or use smaller buckets",
    "CUDA_ERROR_NO_DEVICE": "Check `nvidia-smi` and CUDA_VISIBLE_DEVICES; start a container with its GPUs",
    "CUDA_ERROR_NOT_INITIALIZED": "Load the model in the process that runs it; if that was forked, use 'spawn'",
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": "The driver was updated while it ran: restart the machine",
    "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE": "Take CUDA's compatibility libraries out of LD_LIBRARY_PATH",
    "CUDA_ERROR_INVALID_CONTEXT": "Call inside `with device.use():`",
    "CUDA_ERROR_NO_BINARY_FOR_GPU": "This GPU is older or newer than the kernel was compiled for: update eecompile",
    "CUDA_ERROR_NOT_SUPPORTED": "The driver is too old, or the GPU cannot do it: update the driver",
    "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES": "Launch fewer threads a block",
    "CUDA_ERROR_ILLEGAL_ADDRESS": RESTART,
    "CUDA_ERROR_MISALIGNED_ADDRESS": RESTART,
    "CUDA_ERROR_LAUNCH_FAILED": RESTART,
    "CUDA_ERROR_ILLEGAL_INSTRUCTION": RESTART,
    "CUDA_ERROR_ECC_UNCORRECTABLE": "The GPU's memory is defective: reset the GPU, and see `nvidia-smi -q -d ECC`",
    "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED": CAPTURE,
    "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED": CAPTURE,
    "CUDA_ERROR_STREAM_CAPTURE_UNJOINED": "Let the captured stream wait for every stream that waited for it",
    "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT": CAPTURE,
    "CUDA_ERROR_CAPTURED_EVENT": "Record the event again outside the capture",
}
"""What to do about each error that a user may meet."""

OTHERWISE = "Check that `nvidia-smi` works, update the driver, and restart the process"


@cache
def bindings() -> Any:
    """The module `cuda.bindings.driver`; importing it needs no driver.

    Raises:
        EngineError: the package is missing.
    """
    try:
        return import_module("cuda.bindings.driver")
    except ImportError as error:
        raise EngineError("CUDA", f"cuda-bindings is not installed ({error})", INSTALL) from error


@cache
def _started_in() -> int:
    """Start the driver, and return the process that has it now."""
    try:
        result = bindings().cuInit(0)
    except RuntimeError as error:  # what cuda-bindings raises where libcuda.so.1 is missing or too old
        why = str(error).partition(" Ensure ")[0].rstrip(".")  # what to do about it, we say ourselves
        raise EngineError("CUDA", f"the NVIDIA driver cannot be loaded: {why}", OLDEST_DRIVER) from error
    check(result, "starting the driver")
    return os.getpid()


def started_driver() -> Any:
    """The bindings of a driver that has been started.

    Raises:
        EngineError: the package or the driver is missing, there is no GPU, or this process is a fork of the one that
            started it.
    """
    check_process(_started_in())
    return bindings()


def check_process(started_in: int) -> None:
    """Refuse to use what a parent process has opened: CUDA does not survive a fork.

    Raises:
        EngineError: this is not the process `started_in`.
    """
    if os.getpid() != started_in:
        raise EngineError(
            "CUDA",
            f"it was started by process {started_in}, and this is its fork {os.getpid()}",
            "Load the model in the child, before CUDA is used in its parent, or take the 'spawn' start method",
        )


def check(result: tuple[Any, ...], doing: str) -> Any:
    """Return what a call of the bindings returned: None, one value, or a tuple of them.

    Args:
        result: the `CUresult`, then the values.
        doing: the operation, for the message.

    Raises:
        EngineError: the call failed.
    """
    if result[0]:
        raise EngineError("CUDA", f"{doing} failed: {_words(result[0])}", _remedy(result[0]))
    return result[1] if len(result) == 2 else result[1:] or None


def newest(name: str, suffix: str) -> Any:
    """The form of a function that takes edge data: `name` since bindings 13, `name` with a suffix in 12.9."""
    return getattr(bindings(), name + suffix, None) or getattr(bindings(), name)


def _words(error: Any) -> str:
    """Name and text of an error."""
    name, text = bindings().cuGetErrorName(error)[1], bindings().cuGetErrorString(error)[1]
    return f"CUDA error {int(error)}" if name is None else f"{name.decode()}: {(text or b'').decode()}"


def _remedy(error: Any) -> str:
    return REMEDIES.get(getattr(error, "name", ""), OTHERWISE)
