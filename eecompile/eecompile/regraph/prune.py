"""Take out of a graph what its outputs do not need."""

import onnx_ir as ir

__all__ = ["prune"]


def prune(graph: ir.Graph) -> None:
    """Remove nodes, initialisers and inputs that no output needs, in place; all else stays in its order."""
    for node in reversed(list(graph)):
        if not any(value.uses() or value.is_graph_output() for value in node.outputs):
            graph.remove(node, safe=True)
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[name]
    for value in list(graph.inputs):
        if not value.uses() and not value.is_graph_output():
            graph.inputs.remove(value)
