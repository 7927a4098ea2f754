"""Run an ONNX model once in ONNX Runtime: for measuring and checking, not for speed."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from eengines.backends.onnxruntime import failures, session_options
from eengines.errors import SplitError
from eengines.tensors import Array

__all__ = ["WatchedModel", "run_all", "run_model"]


def run_model(model: ir.Model, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Run a model and return its outputs by name."""
    return _run(model.graph, ir.to_proto(model), inputs)


def run_all(model: ir.Model, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Run a model and return every value but initialisers by name, the inputs too.

    Raises:
        SplitError: ONNX Runtime refuses the graph or fails on these inputs.
    """
    import onnx

    proto = ir.to_proto(model)
    known = {output.name for output in proto.graph.output}
    for node in model.graph:
        for value in node.outputs:
            if value.name and value.name not in known and value.uses():
                proto.graph.output.append(onnx.ValueInfoProto(name=value.name))
                known.add(value.name)
    return {**inputs, **_run(model.graph, proto, inputs)}


class WatchedModel:
    """A float32 model that is loaded once, run often, and gives values from inside as well.

    Attributes:
        outputs: names of the model's own outputs.
    """

    def __init__(self, model: ir.Model, watch: Collection[str]) -> None:
        """Load a model.

        Args:
            model: it is not changed.
            watch: names of values to give besides the outputs.

        Raises:
            SplitError: ONNX Runtime refuses the graph.
        """
        proto = ir.to_proto(model)
        self.outputs = tuple(output.name for output in proto.graph.output)
        self._given = frozenset(value.name for value in proto.graph.input)
        self._session = _load(proto, watched=set(watch) - self._given - set(self.outputs))

    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return outputs and watched values by name; the inputs are among `values`, and in the result, too."""
        given = {name: values[name] for name in self._given}
        return {**given, **_call(self._session, given)}


def _run(graph: ir.Graph, proto: Any, inputs: Mapping[str, Array]) -> dict[str, Array]:
    used = {value.name for value in graph.inputs}
    return _call(_load(proto, watched=frozenset()), {name: a for name, a in inputs.items() if name in used})


def _load(proto: Any, *, watched: Collection[str]) -> Any:
    """A session that does not optimise, with further outputs."""
    import onnx
    import onnxruntime

    for name in sorted(watched):
        proto.graph.output.append(onnx.ValueInfoProto(name=name))
    options = session_options(None)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    refused: tuple[type[Exception], ...] = (*failures(), RuntimeError, ValueError)
    try:
        return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except refused as error:
        raise SplitError("ONNX Runtime", str(error).strip(), "Check the exported graph") from error


def _call(session: Any, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Run a session once."""
    refused: tuple[type[Exception], ...] = (*failures(), RuntimeError, ValueError)
    names = [output.name for output in session.get_outputs()]
    try:
        results = session.run(names, {name: np.ascontiguousarray(array) for name, array in inputs.items()})
    except refused as error:
        raise SplitError("ONNX Runtime", str(error).strip(), "Check the exported graph") from error
    return dict(zip(names, results, strict=True))
