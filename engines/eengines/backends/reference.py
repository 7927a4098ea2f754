"""The ONNX reference evaluator: slow and exact, for checking the other backends."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from eengines.backends.binding import check_binding
from eengines.backends.external_weights import refuse_external_weights
from eengines.engine import NO_SIZES, Capability, Engine, Session
from eengines.errors import EngineError
from eengines.tensors import Array, TensorSpec

__all__ = ["ReferenceBackend"]


class ReferenceBackend:
    """Loads graphs into `onnx.reference`."""

    name = "reference"

    def probe(self) -> Capability:
        """Say whether onnx is installed."""
        if find_spec("onnx") is None:
            return Capability(ok=False, reason="onnx is not installed: pip install 'eecompile[compile]'")
        return Capability(ok=True, reason="onnx is installed", precisions=frozenset({"float32", "float16", "int8"}))

    def load(self, graph: Path | bytes, *, threads: int | None, sizes: Mapping[str, int] = NO_SIZES) -> Engine:  # noqa: ARG002 - one thread is all it has
        """Load one graph; see `Backend.load`."""
        import onnx
        from google.protobuf.message import DecodeError
        from onnx.reference import ReferenceEvaluator

        where = "segment" if isinstance(graph, bytes) else str(graph)
        try:
            content = graph if isinstance(graph, bytes) else graph.read_bytes()
        except OSError as error:
            raise EngineError(where, f"cannot be read: {error}", "Build the bundle again") from error
        refuse_external_weights(content, where)
        try:
            proto = onnx.load_model_from_string(content)
            evaluator = ReferenceEvaluator(proto)
        except DecodeError as error:
            raise EngineError(where, f"not an ONNX graph: {error}", "Build the bundle again") from error
        except (RuntimeError, ValueError, TypeError, KeyError) as error:
            raise EngineError(where, f"onnx.reference refuses the graph: {error}", "Build the bundle again") from error
        return ReferenceEngine(evaluator, proto, sizes)


class ReferenceEngine:
    """One graph in the reference evaluator."""

    def __init__(self, evaluator: Any, proto: Any, sizes: Mapping[str, int]) -> None:
        self._evaluator = evaluator
        self._inputs = tuple(_spec(value, sizes) for value in proto.graph.input)
        self._outputs = tuple(_spec(value, sizes) for value in proto.graph.output)

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
        return ReferenceSession(self._evaluator, dict(inputs), [outputs[spec.name] for spec in self._outputs])


class ReferenceSession:
    """Fixed arrays for one reference evaluator."""

    def __init__(self, evaluator: Any, inputs: dict[str, Array], outputs: list[Array]) -> None:
        self._evaluator = evaluator
        self._inputs = inputs
        self._outputs = outputs

    def run(self) -> None:
        """Run on the bound rows; see `Session.run`."""
        try:
            results = self._evaluator.run(None, self._inputs)
        except (ValueError, IndexError, RuntimeError, TypeError) as error:
            raise EngineError(
                "onnx.reference", str(error), "Check the input values, or build the bundle again"
            ) from error
        for target, result in zip(self._outputs, results, strict=True):
            np.copyto(target, result, casting="no")


def _spec(value: Any, sizes: Mapping[str, int]) -> TensorSpec:
    """The row of a graph input or output; `sizes` are those of axes with a name."""
    import onnx

    tensor = value.type.tensor_type
    dims = tensor.shape.dim
    shape = [d.dim_value if d.HasField("dim_value") else sizes.get(d.dim_param) for d in dims[1:]]
    if not dims or dims[0].HasField("dim_value") or None in shape:
        raise EngineError(
            f"tensor {value.name!r}",
            "expected a symbolic batch axis in front and fixed axes behind",
            "Build the bundle again",
        )
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    return TensorSpec(name=value.name, dtype=dtype, shape=tuple(size for size in shape if size is not None))
