"""What is inside an ONNX graph, as text: enough to name nodes for `--keep-float`."""

from collections import Counter
from pathlib import Path

import onnx_ir as ir

from eecompile.inspect.weighted import precision_of, weighted_nodes
from eecompile.inspect.wrapped import listed
from eengines.errors import IngestError

__all__ = ["graph_text", "node_lines"]

FEW_NODES = 40
"""That many are listed without being asked for."""


def graph_text(path: Path, *, nodes: bool) -> str:
    """Describe an ONNX file.

    Raises:
        IngestError: it is not an ONNX file.
    """
    from google.protobuf.message import DecodeError

    try:
        graph = ir.load(path).graph
    except (DecodeError, ValueError) as error:
        raise IngestError(str(path), f"not an ONNX file: {error}", "Export it again") from error
    counts = Counter(node.op_type for node in graph)
    precisions = Counter(weighted_nodes(graph).values())
    lines = [
        f"==== ONNX graph {path} ====",
        *listed("Opset:", (f"{name or 'ai.onnx'} {version}" for name, version in graph.opset_imports.items())),
        *(f"Input: {_value(value)}" for value in graph.inputs),
        *(f"Output: {_value(value)}" for value in graph.outputs),
        *listed(f"Nodes: {counts.total()}:", (f"{name} {count}" for name, count in counts.most_common())),
        *listed("With weights:", (f"{count} {name}" for name, count in precisions.items()) if precisions else ["none"]),
    ]
    if nodes or counts.total() <= FEW_NODES:
        lines += ["", "---- Nodes; --keep-float takes these names ----", *node_lines(graph)]
    else:
        lines.append("Names of the nodes, for --keep-float: add --nodes")
    return "\n".join(lines)


def node_lines(graph: ir.Graph) -> list[str]:
    """One line for each node but those that only convert to and from INT8, which nobody can keep in float."""
    nodes = [node for node in graph if node.op_type not in ("QuantizeLinear", "DequantizeLinear")]
    return [f"{node.op_type:<20}{precision_of(node) or '':<10}{node.name}" for node in nodes]


def _value(value: ir.Value) -> str:
    """Name, type and shape."""
    dtype = "unknown" if value.dtype is None else value.dtype.name.lower()
    shape = ", ".join(str(dim) for dim in value.shape) if value.shape is not None else "?"
    return f"{value.name} {'float32' if dtype == 'float' else dtype} [{shape}]"
