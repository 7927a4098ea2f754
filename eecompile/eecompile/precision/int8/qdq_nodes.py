"""Write QuantizeLinear and DequantizeLinear nodes into a graph."""

from collections.abc import Collection

import numpy as np
import onnx_ir as ir

from eecompile.precision.int8.grid import Grid
from eengines.errors import BuildError
from eengines.tensors import Array

__all__ = ["QdqNodes", "drop_unused"]


class QdqNodes:
    """Adds nodes and their constants to one graph; every name starts with the name of what is rounded.

    Args:
        graph: changed in place.

    Raises:
        BuildError: a name that is needed is taken.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._taken = {v.name for node in graph for v in node.outputs} | set(graph.initializers)
        self._taken |= {v.name for v in graph.inputs}

    def constant(self, name: str, array: Array) -> ir.Value:
        """Add an initialiser."""
        self._reserve(name)
        tensor = ir.tensor(np.ascontiguousarray(array).reshape(array.shape), name=name)
        value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
        self._graph.register_initializer(value)
        return value

    def grid(self, name: str, grid: Grid, dtype: ir.DataType) -> tuple[ir.Value, ir.Value]:
        """Add scale and zero point of one tensor."""
        scale = np.array(grid.scale, dtype.numpy())
        return self.constant(f"{name}/scale", scale), self.constant(f"{name}/zero_point", grid.zero_point)

    def quantise(
        self, value: ir.Value, scale: ir.Value, zero: ir.Value, *, name: str, axis: int | None, before: ir.Node | None
    ) -> ir.Value:
        """Add `QuantizeLinear`, in front of the node `before`, or right behind the node that makes `value`."""
        attributes = {} if axis is None else {"axis": axis}
        node = ir.node("QuantizeLinear", [value, scale, zero], attributes, name=f"{name}/quantise")
        return self._place(node, f"{name}/quantised", ir.TensorType(zero.dtype or ir.DataType.INT8), value, before)

    def dequantise(
        self, value: ir.Value, scale: ir.Value, zero: ir.Value, *, name: str, axis: int | None, before: ir.Node | None
    ) -> ir.Value:
        """Add `DequantizeLinear`; see `quantise`."""
        attributes = {} if axis is None else {"axis": axis}
        node = ir.node("DequantizeLinear", [value, scale, zero], attributes, name=f"{name}/dequantise")
        return self._place(node, f"{name}/dequantised", ir.TensorType(scale.dtype or ir.DataType.FLOAT), value, before)

    def _place(
        self, node: ir.Node, name: str, type_: ir.TensorType, value: ir.Value, before: ir.Node | None
    ) -> ir.Value:
        self._reserve(name)
        output = node.outputs[0]
        output.name, output.type, output.shape = name, type_, value.shape
        producer = value.producer()
        if before is not None:
            self._graph.insert_before(before, node)
        elif producer is not None:
            self._graph.insert_after(producer, node)
        else:
            self._graph.insert_before(next(iter(self._graph)), node)
        return output

    def _reserve(self, name: str) -> None:
        if name in self._taken:
            raise BuildError(
                f"value {name!r}", "the graph has a value of this name, which is expected to be free", "Rename it"
            )
        self._taken.add(name)


def drop_unused(graph: ir.Graph, names: Collection[str]) -> None:
    """Remove the named initialisers that nothing reads any more."""
    for name in names:
        if name in graph.initializers and not graph.initializers[name].uses():
            del graph.initializers[name]
