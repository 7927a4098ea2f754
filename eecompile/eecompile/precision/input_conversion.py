"""Find the nodes that turn raw user inputs into what the network sees.

`prepend_input_conversion` puts some of them in front of the graph; many networks normalise once more themselves. Raw
values are large and their differences matter, so all of this stays float32, whatever the network behind it computes in.
"""

from collections.abc import Collection

import onnx_ir as ir

__all__ = ["conversion_nodes"]

ELEMENTWISE = frozenset({"Add", "Cast", "Div", "Mul", "Sub"})
MOVING = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


def conversion_nodes(graph: ir.Graph, raw: Collection[ir.Value]) -> frozenset[ir.Node]:
    """Return the nodes between the raw inputs and the first operator that is not elementwise arithmetic with constants.

    Args:
        graph: in topological order.
        raw: the graph's inputs that hold what the user gave.
    """
    known, found = set(raw), set()
    for node in graph:
        values = [value for value in node.inputs if value is not None and value.const_value is None]
        if node.op_type in ELEMENTWISE | MOVING and values and known.issuperset(values):
            found.add(node)
            known.update(node.outputs)
    return frozenset(found)
