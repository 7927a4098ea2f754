"""OpenVINO on the CPU: the fastest where the processor has AMX, AVX512 or VNNI.

A graph is compiled once for each batch size that is bound, because kernels for one fixed shape are the fast ones.
Left alone, OpenVINO computes in bfloat16 on processors that have it, whatever the graph says. The hint `f32` switches
that off, so that the types in the graph decide: a bfloat16 graph runs in bfloat16 all the same.
"""

import io
import threading
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from eengines.backends.binding import check_binding
from eengines.backends.external_weights import refuse_external_weights
from eengines.backends.named_axes import declared_sizes
from eengines.engine import NO_SIZES, Capability, Engine, Session
from eengines.errors import EngineError
from eengines.tensors import Array, TensorSpec
from eengines.threads import default_threads

__all__ = ["OpenVinoBackend"]

DEVICE = "CPU"

DTYPES: Mapping[str, str] = {
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "f64": "float64",
    "u8": "uint8",
    "i8": "int8",
    "u16": "uint16",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "boolean": "bool",
}

Sizes = Mapping[str, Mapping[int, int]]
"""Input or output → axis → size."""

SINK = "/sink_port_0"
"""What the ONNX frontend appends to the name of an output."""

OPTIONAL_PRECISIONS: Mapping[str, str] = {"BF16": "bfloat16", "INT8": "int8"}
"""OpenVINO's name of a capability → ours."""


class OpenVinoBackend:
    """Loads graphs into OpenVINO's CPU plugin."""

    name = "openvino"

    def probe(self) -> Capability:
        """Say whether openvino is installed, and what this processor computes in."""
        if find_spec("openvino") is None:
            return Capability(ok=False, reason="openvino is not installed: pip install 'eecompile[cpu]'")
        try:
            found = _core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
        except (ImportError, OSError, RuntimeError) as error:
            return Capability(ok=False, reason=f"openvino is installed but does not start: {error}")
        optional = {ours for theirs, ours in OPTIONAL_PRECISIONS.items() if theirs in found}
        return Capability(
            ok=True, reason="openvino is installed", precisions=frozenset({"float32", "float16", *optional})
        )

    def load(self, graph: Path | bytes, *, threads: int | None, sizes: Mapping[str, int] = NO_SIZES) -> Engine:
        """Load one graph; see `Backend.load`."""
        where = "segment" if isinstance(graph, bytes) else str(graph)
        try:
            content = graph if isinstance(graph, bytes) else graph.read_bytes()
        except OSError as error:
            raise EngineError(where, f"cannot be read: {error}", "Build the bundle again") from error
        refuse_external_weights(content, where)
        frontend, declared = _frontend(), declared_sizes(content, sizes, where)
        try:
            model = frontend.convert(frontend.load(io.BytesIO(content)))
            if sizes:
                _fix(model, declared)
        except _refusals() as error:
            raise EngineError(where, f"OpenVINO refuses the graph: {error}", "Build the bundle again") from error
        return OpenVinoEngine(model, declared, threads or default_threads())


class OpenVinoEngine:
    """One graph, compiled for every batch size that was asked for so far."""

    def __init__(self, model: Any, declared: Sizes, threads: int) -> None:
        self._model = model
        self._inputs = tuple(_spec(port, declared) for port in model.inputs)
        self._outputs = tuple(_spec(port, declared) for port in model.outputs)
        self._options = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._compiled: dict[int, Any] = {}
        self._lock = threading.Lock()

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The graph's inputs, in its order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs, in its order."""
        return self._outputs

    def open(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Session:
        """Bind arrays; see `Engine.open`. The first call for a batch size compiles the graph for it."""
        arrays = {**inputs, **outputs}
        rows = check_binding((*self._inputs, *self._outputs), arrays)
        compiled = self._compile(rows)
        request = compiled.create_infer_request()
        ports = [*compiled.inputs, *compiled.outputs]
        for spec, port in zip((*self._inputs, *self._outputs), ports, strict=True):
            request.set_tensor(port, _tensor(arrays[spec.name], port.element_type))
        return OpenVinoSession(request, tuple(arrays.values()))

    def _compile(self, rows: int) -> Any:
        """The graph compiled for a batch of `rows`."""
        with self._lock:
            if rows not in self._compiled:
                model = self._model.clone()
                try:
                    model.reshape(
                        {port: [rows, *spec.shape] for port, spec in zip(model.inputs, self._inputs, strict=True)}
                    )
                    self._compiled[rows] = _core().compile_model(model, DEVICE, self._options)
                except RuntimeError as error:
                    raise EngineError(
                        "OpenVINO",
                        f"it cannot compile the graph for a batch of {rows}: {error}",
                        "Choose --engine onnxruntime",
                    ) from error
            return self._compiled[rows]


class OpenVinoSession:
    """One inference request with tensors of its own; it keeps the bound arrays alive."""

    def __init__(self, request: Any, arrays: tuple[Array, ...]) -> None:
        self._request = request
        self._arrays = arrays

    def run(self) -> None:
        """Run on the bound rows; see `Session.run`."""
        try:
            self._request.infer(share_outputs=True)  # without it every output is copied once more
        except RuntimeError as error:
            raise EngineError("OpenVINO", str(error), "Check the input values, or build the bundle again") from error


@cache
def _core() -> Any:
    """One core a process: it owns the plugin, and the plugin owns the threads."""
    import openvino

    return openvino.Core()


@cache
def _frontend() -> Any:
    """Reads ONNX and nothing else: left to guess, OpenVINO would take its own format, which may name other files."""
    from openvino.frontend import FrontEndManager

    return FrontEndManager().load_by_framework("onnx")


@cache
def _refusals() -> tuple[type[Exception], ...]:
    """Every exception class of OpenVINO's front ends: they have no common base but `Exception`."""
    from openvino import frontend

    names = ("GeneralFailure", "InitializationFailure", "NotImplementedFailure", "OpConversionFailure")
    return (RuntimeError, *(getattr(frontend, name) for name in (*names, "OpValidationFailure")))


def _fix(model: Any, declared: Sizes) -> None:
    """Give axes of the inputs their declared size, in place; shapes behind them follow."""
    import openvino

    shapes = {}
    for port in model.inputs:
        shape = list(port.partial_shape)
        for axis, size in declared.get(_name(port), {}).items():
            shape[axis] = openvino.Dimension(size)
        shapes[port] = openvino.PartialShape(shape)
    model.reshape(shapes)


def _tensor(array: Array, element_type: Any) -> Any:
    """Wrap an array without a copy."""
    import openvino

    if DTYPES[element_type.to_string()] == array.dtype.name:
        return openvino.Tensor(array, shared_memory=True)
    return openvino.Tensor(array, openvino.Shape(list(array.shape)), element_type)


def _spec(port: Any, declared: Sizes) -> TensorSpec:
    """The row of an input or output: everything behind the symbolic batch axis must be fixed.

    A size that OpenVINO cannot tell before it knows the batch is the declared one.
    """
    shape, kind = list(port.partial_shape), port.element_type.to_string()
    known = declared.get(_name(port), {})
    row = [size.get_length() if size.is_static else known.get(axis) for axis, size in enumerate(shape)][1:]
    if kind not in DTYPES or not shape or shape[0].is_static or None in row:
        raise EngineError(
            f"tensor {port.any_name!r}",
            f"got {kind} {port.partial_shape}, expected a symbolic batch axis in front and fixed axes behind",
            "Build the bundle again",
        )
    return TensorSpec(name=_name(port), dtype=DTYPES[kind], shape=tuple(size for size in row if size is not None))


def _name(port: Any) -> str:
    """The name in the ONNX graph. A tensor may have several names here, where OpenVINO has merged nodes."""
    name = str(port.get_node().get_friendly_name()).removesuffix(SINK)
    return name if name in port.get_names() else str(port.any_name)
