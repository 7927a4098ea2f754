"""Segments as bytes and as graphs."""

import onnx
import onnx_ir as ir

from eengines.errors import BuildError

__all__ = ["own_output", "parse_segment"]


def parse_segment(graph: bytes) -> ir.Model:
    """Return the model that the bytes hold; its names, order and weights are theirs."""
    return ir.from_proto(onnx.load_model_from_string(graph))


def own_output(graph: ir.Graph, name: str) -> ir.Value:
    """Return the graph output of this name.

    Raises:
        BuildError: there is none.
    """
    for value in graph.outputs:
        if value.name == name:
            return value
    raise BuildError(
        f"graph '{graph.name}'",
        f"it has no output '{name}', got {[value.name for value in graph.outputs]}",
        "Pass the names that the manifest has for this segment",
    )
