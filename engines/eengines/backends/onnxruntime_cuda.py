"""ONNX Runtime on an NVIDIA GPU: its CUDA provider, bound to addresses, enqueued on our stream.

There are no plans: the graph is loaded as it is. float32 is computed as float32 (no TF32), since precision lives in the
graph; Q/DQ nodes run as written, around kernels of floating point. The weights are on the GPU once for each stream.
"""

import contextlib
import io
import logging
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec

from eengines.backends.external_weights import refuse_external_weights
from eengines.backends.onnxruntime_stream import Provider, StreamEngine
from eengines.device import Device
from eengines.device_engine import Plan, PlanOptions
from eengines.engine import Capability
from eengines.errors import EngineError

__all__ = ["OnnxRuntimeCudaBackend", "cuda_provider"]

_log = logging.getLogger("eengines")

CUDA = "CUDAExecutionProvider"
PACKAGE = "onnxruntime-gpu[cuda,cudnn]"

CUDA_13_OLDEST = (7, 5)
"""CUDA 13 compiles for sm_75 and later only: its nvcc lists no earlier one."""

WHERE = "ONNX Runtime (CUDA)"


def cuda_provider(ordinal: int) -> Provider:
    """Return the provider of a GPU. Its arena grows by what is asked for, not by doubling."""

    def options(stream: int) -> Mapping[str, str]:
        return {
            "device_id": str(ordinal),
            "user_compute_stream": str(stream),
            "arena_extend_strategy": "kSameAsRequested",
            "use_tf32": "0",
        }

    return Provider(name=CUDA, memory="cuda", ordinal=ordinal, options=options, exclusive=True, package=PACKAGE)


class OnnxRuntimeCudaBackend:
    """See `DeviceBackend`.

    Args:
        ordinal: of the GPU, as the driver counts.
    """

    name = "onnxruntime-cuda"
    has_plans = False

    def __init__(self, *, ordinal: int = 0) -> None:
        self._ordinal = ordinal

    def probe(self) -> Capability:
        """Say whether ONNX Runtime's build for CUDA is installed, and whether a GPU for it is here."""
        if find_spec("onnxruntime") is None:
            return Capability(ok=False, reason=f"onnxruntime-gpu is not installed: pip install '{PACKAGE}'")
        import onnxruntime

        if CUDA not in onnxruntime.get_available_providers():
            reason = f"onnxruntime {onnxruntime.__version__} is a build without CUDA"
            return Capability(ok=False, reason=f"{reason}: pip install '{PACKAGE}' in place of onnxruntime")
        from eengines.devices.cuda import open_cuda_device, probe_cuda

        found = probe_cuda(self._ordinal)
        too_old = _too_old(open_cuda_device(self._ordinal).compute_capability) if found.ok else found.reason
        if too_old:
            return Capability(ok=False, reason=too_old)
        return Capability(ok=True, reason=found.reason, precisions=found.precisions - {"int8"})

    def probe_build(self, compute_capability: tuple[int, int] | None) -> Capability:  # noqa: ARG002 - the same for all
        """Say that there is nothing to build."""
        return Capability(ok=True, reason="ONNX Runtime loads the graph itself")

    def identity(self, options: PlanOptions) -> Mapping[str, str]:  # noqa: ARG002 - the same for all
        """Name nothing: a plan, being the graph, depends on nothing else."""
        return {}

    def build(self, graph: bytes, options: PlanOptions, progress: Callable[[float], None]) -> Plan:  # noqa: ARG002 - any bucket and card
        """See `DeviceBackend.build`: the plan is the graph."""
        progress(0.0)
        refuse_external_weights(graph, "segment")
        progress(1.0)
        return Plan(content=graph)

    def load(self, plan: Plan, device: Device) -> StreamEngine:
        """See `DeviceBackend.load`. Operators are only refused by `StreamEngine.open`, where the stream is known."""
        from eengines.devices.cuda import CudaDevice

        capability = self.probe()
        if not capability.ok:
            raise EngineError(WHERE, capability.reason, "Install what is named, or choose another with --engine")
        if not isinstance(device, CudaDevice):
            raise EngineError(WHERE, f"got the device {device.name}, expected an NVIDIA GPU", "Choose another engine")
        _preload_libraries()
        return StreamEngine(plan.content, cuda_provider(device.ordinal))


def _too_old(compute_capability: tuple[int, int] | None) -> str:
    """Say why the installed build has no kernels for a GPU; empty: it has some."""
    import onnxruntime

    built_for = str(onnxruntime.cuda_version)
    if int(built_for.partition(".")[0]) < 13 or compute_capability is None or compute_capability >= CUDA_13_OLDEST:
        return ""
    here = "compute capability {}.{}".format(*compute_capability)
    return f"onnxruntime-gpu is built for CUDA {built_for}, which has no {here}: install a build for CUDA 12"


@cache
def _preload_libraries() -> None:
    """Load CUDA and cuDNN from where pip puts them; the linker does not look there."""
    import onnxruntime

    # it prints what it does not find, which may well be somewhere else
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        onnxruntime.preload_dlls()
    _log.debug("onnxruntime.preload_dlls: %s", printed.getvalue().strip())
