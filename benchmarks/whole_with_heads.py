"""The whole network with its exit heads as one graph: a configuration's segments, put together again.

The bundle has no such graph in half or quantised types. Joined, a boundary is an inner value, and the engine may fuse
what it had to write out between two segments: that is the network that was never cut.
"""

from collections.abc import Sequence

import onnx

__all__ = ["whole_with_heads"]


def whole_with_heads(segments: Sequence[bytes], heads: Sequence[str]) -> bytes:
    """Join segments where the names of outputs and inputs are equal.

    Args:
        segments: serialized graphs, first to last.
        heads: names of the outputs to keep: logits and scores.
    """
    models = [onnx.load_from_string(segment) for segment in segments]
    merged = onnx.ModelProto()
    merged.CopyFrom(models[0])
    merged.ClearField("graph")
    merged.graph.name = "whole_with_heads"
    made: set[str] = set()
    for index, model in enumerate(models):
        assert not model.functions, "a segment has local functions"
        assert {(o.domain, o.version) for o in model.opset_import} == {
            (o.domain, o.version) for o in merged.opset_import
        }
        _rename_inner(model.graph, f"segment_{index}/")
        merged.graph.node.extend(model.graph.node)
        merged.graph.initializer.extend(model.graph.initializer)
        merged.graph.input.extend(value for value in model.graph.input if value.name not in made)
        merged.graph.output.extend(value for value in model.graph.output if value.name in heads)
        made |= {value.name for value in (*model.graph.input, *model.graph.output)}
    onnx.checker.check_model(merged)
    return bytes(merged.SerializeToString())


def _rename_inner(graph: onnx.GraphProto, prefix: str) -> None:
    """Put a prefix before every name that does not cross the graph's edge, for segments may use the same names."""
    crossing = {value.name for value in (*graph.input, *graph.output)} | {""}

    def renamed(name: str) -> str:
        return name if name in crossing else prefix + name

    for node in graph.node:
        node.name = prefix + node.name
        for names in (node.input, node.output):
            names[:] = [renamed(name) for name in names]
    for tensor in graph.initializer:
        tensor.name = renamed(tensor.name)
    graph.ClearField("value_info")
