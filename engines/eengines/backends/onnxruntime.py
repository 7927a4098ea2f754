"""ONNX Runtime on the CPU: the portable default.

All sessions of a process share one thread pool. With a pool each, the threads of one session keep spinning while the
next one runs, and a chain of sessions is several times slower than the sum of its parts. ONNX Runtime then wants every
later session of the process to use the shared pool: `session_options` makes such options for sessions of one's own.
"""

import atexit
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from eengines.backends.binding import check_binding
from eengines.engine import NO_SIZES, Capability, Engine, Session
from eengines.errors import EngineError
from eengines.tensors import Array, TensorSpec
from eengines.threads import default_threads

__all__ = ["DTYPES", "OnnxRuntimeBackend", "failures", "session_options", "tensor_spec"]

PROVIDERS = ["CPUExecutionProvider"]
EXTERNAL_WEIGHTS = "session.model_external_initializers_file_folder_path"

DTYPES: Mapping[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(uint16)": "uint16",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


class OnnxRuntimeBackend:
    """Loads graphs into ONNX Runtime sessions on the CPU."""

    name = "onnxruntime"

    def probe(self) -> Capability:
        """Say whether onnxruntime is installed."""
        if find_spec("onnxruntime") is None:
            return Capability(ok=False, reason="onnxruntime is not installed: pip install 'eecompile[cpu]'")
        return Capability(
            ok=True, reason="onnxruntime is installed", precisions=frozenset({"float32", "float16", "int8"})
        )

    def load(self, graph: Path | bytes, *, threads: int | None, sizes: Mapping[str, int] = NO_SIZES) -> Engine:
        """Load one graph; see `Backend.load`. The first call in a process fixes the number of threads."""
        import onnxruntime

        options = session_options(threads)
        for name, size in sizes.items():
            options.add_free_dimension_override_by_name(name, size)
        source = graph if isinstance(graph, bytes) else str(graph)
        try:
            session = onnxruntime.InferenceSession(source, options, providers=PROVIDERS)
        except failures() as error:
            where = "segment" if isinstance(graph, bytes) else str(graph)
            raise EngineError(where, f"ONNX Runtime refuses the graph: {error}", "Build the bundle again") from error
        return OnnxRuntimeEngine(session, sizes)


class OnnxRuntimeEngine:
    """One ONNX Runtime session; its bindings to buffers are the `Session`s of the protocol."""

    def __init__(self, session: Any, sizes: Mapping[str, int]) -> None:
        self._session = session
        self._inputs = tuple(tensor_spec(value, sizes=sizes) for value in session.get_inputs())
        self._outputs = tuple(tensor_spec(value, sizes=sizes) for value in session.get_outputs())

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The graph's inputs, in its order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs, in its order."""
        return self._outputs

    def open(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Session:
        """Bind arrays; see `Engine.open`."""
        check_binding((*self._inputs, *self._outputs), {**inputs, **outputs})
        binding = self._session.io_binding()
        for spec in self._inputs:
            array = inputs[spec.name]
            binding.bind_input(spec.name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for spec in self._outputs:
            array = outputs[spec.name]
            binding.bind_output(spec.name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        return OnnxRuntimeSession(self._session, binding, (*inputs.values(), *outputs.values()))


class OnnxRuntimeSession:
    """One IO binding; it keeps the bound arrays alive."""

    def __init__(self, session: Any, binding: Any, arrays: tuple[Array, ...]) -> None:
        self._run = session.run_with_iobinding
        self._binding = binding
        self._arrays = arrays
        self._failures = failures()

    def run(self) -> None:
        """Run on the bound rows; see `Session.run`."""
        try:
            self._run(self._binding)
        except self._failures as error:
            raise EngineError(
                "ONNX Runtime", str(error), "Check the input values, or build the bundle again"
            ) from error


def session_options(threads: int | None) -> Any:
    """Return `onnxruntime.SessionOptions` for a session on the process-wide thread pool, which is made if need be.

    Args:
        threads: size of the pool; None: as it is, or one thread a core.

    Raises:
        EngineError: the pool is there with another size.
    """
    import onnxruntime

    _share_threads(threads or _pool.get("threads") or default_threads())
    options = onnxruntime.SessionOptions()
    options.use_per_session_threads = False
    options.log_severity_level = 3
    options.add_session_config_entry(EXTERNAL_WEIGHTS, _empty_folder())
    return options


@cache
def _empty_folder() -> str:
    """A folder without files: weights outside a graph, which nothing has verified, are then never found."""
    folder = tempfile.mkdtemp(prefix="eengines-")
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: str, process: int) -> None:
    """Remove the folder, but not from a child of the process that made it."""
    if os.getpid() == process:
        os.rmdir(folder)


_pool: dict[str, int] = {}
"""`threads`: the size of the pool that this module has made, if it has."""


def _share_threads(threads: int) -> None:
    """Make the process-wide thread pool, unless it is there already."""
    import onnxruntime

    made = _pool.get("threads")
    if made == threads:
        return
    if made is not None:
        raise EngineError(
            "ONNX Runtime",
            f"got {threads} threads, but this process has its one thread pool already, with {made}",
            "Use the same number everywhere, or another process",
        )
    try:
        onnxruntime.set_global_thread_pool_sizes(threads, 1)
        _pool["threads"] = threads
    except failures() as error:
        if "already been created" not in str(error):
            raise EngineError("ONNX Runtime", f"no shared thread pool: {error}", "Report this with versions") from error


def failures() -> tuple[type[Exception], ...]:
    """Every exception class of ONNX Runtime: they have no common base but `Exception`.

    Running with bound arrays raises a plain `RuntimeError`.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented", "NoModel")
    classes = [getattr(state, name) for name in (*names, "RuntimeException", "EPFail") if hasattr(state, name)]
    return (*classes, RuntimeError)


def tensor_spec(value: Any, dtypes: Mapping[str, str] = DTYPES, *, sizes: Mapping[str, int] = NO_SIZES) -> TensorSpec:
    """The row of an ONNX Runtime input or output: everything behind the symbolic batch axis must be fixed.

    Args:
        value: an `onnxruntime.NodeArg`.
        dtypes: ONNX Runtime's name of each type that can be bound → ours.
        sizes: of axes behind the batch that have a name, as the graph was loaded for.

    Raises:
        EngineError: it has another type or shape.
    """
    dtype = dtypes.get(value.type)
    shape = [*value.shape[:1], *(sizes.get(size, size) for size in value.shape[1:])]
    if dtype is None or not shape or isinstance(shape[0], int) or not all(isinstance(d, int) for d in shape[1:]):
        raise EngineError(
            f"tensor {value.name!r}",
            f"got {value.type} {shape}, expected a symbolic batch axis in front and fixed axes behind",
            "Build the bundle again",
        )
    return TensorSpec(name=value.name, dtype=dtype, shape=tuple(shape[1:]))
