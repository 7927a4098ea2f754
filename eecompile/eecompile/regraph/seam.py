"""What is done and undone, or done twice, where two graphs were joined."""

from collections.abc import Iterable

import onnx_ir as ir

__all__ = ["tidy_seam"]

REPEATABLE = frozenset({"Cast", "DequantizeLinear", "Transpose"})


def tidy_seam(graph: ir.Graph, seam: Iterable[ir.Value]) -> None:
    """Let readers behind the seam take what is there in front of it, in place; values stay bit for bit the same.

    1. A Transpose that undoes the Transpose that made the value gives what was there before.
    2. Of nodes that make the same from the value (Cast, DequantizeLinear, Transpose) the first serves all. Of two
       DequantizeLinear behind one QuantizeLinear, engines fuse none.

    Nodes that nothing reads afterwards are left to `prune`.
    """
    for value in seam:
        before = _undo_transposes(value)
        for each in (value, *before):
            _share(graph, each)


def _undo_transposes(value: ir.Value) -> list[ir.Value]:
    """Replace Transpose(Transpose(u)) by u where nothing is left turned; return u if it was."""
    maker = value.producer()
    if maker is None or maker.op_type != "Transpose" or maker.inputs[0] is None:
        return []
    found, turned = [], maker.attributes.get_ints("perm", [])
    for reader in list(value.consumers()):
        if reader.op_type == "Transpose" and not reader.outputs[0].is_graph_output():
            back = reader.attributes.get_ints("perm", [])
            if [turned[axis] for axis in back] == list(range(len(turned))) and turned:
                reader.outputs[0].replace_all_uses_with(maker.inputs[0])
                found.append(maker.inputs[0])
    return found[:1]


def _share(graph: ir.Graph, value: ir.Value) -> None:
    """Let one node do what several do to a value."""
    readers = [node for node in dict.fromkeys(value.consumers()) if node.op_type in REPEATABLE]
    if len(readers) < 2:
        return
    ours = set(readers)
    first: dict[object, ir.Node] = {}
    for node in (node for node in graph if node in ours):
        key = (node.domain, node.op_type, tuple(node.inputs), str(sorted(node.attributes.items())))
        kept = first.setdefault(key, node)
        if kept is not node and not node.outputs[0].is_graph_output():
            node.outputs[0].replace_all_uses_with(kept.outputs[0])
