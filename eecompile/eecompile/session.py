"""Run an ONNX model once in ONNX Runtime: for measuring and checking, not for speed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from eengines.backends.onnxruntime import failures, session_options
from eengines.errors import SplitError
from eengines.tensors import Array

__all__ = ["run_all", "run_model"]


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


def _run(graph: ir.Graph, proto: Any, inputs: Mapping[str, Array]) -> dict[str, Array]:
    import onnxruntime

    options = session_options(None)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    used = {value.name for value in graph.inputs}
    refused: tuple[type[Exception], ...] = (*failures(), RuntimeError, ValueError)
    try:
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        results = session.run(names, {name: np.ascontiguousarray(a) for name, a in inputs.items() if name in used})
    except refused as error:
        raise SplitError("ONNX Runtime", str(error).strip(), "Check the exported graph") from error
    return dict(zip(names, results, strict=True))
