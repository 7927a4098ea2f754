"""Write the chosen types into a graph: value types, constants and Casts."""

from collections.abc import Mapping

import onnx_ir as ir

from eecompile.precision.half_constants import HalfConstant
from eecompile.precision.node_types import NodeTypes

__all__ = ["HalfRewriter"]


class HalfRewriter:
    """Changes one graph, once.

    Args:
        graph: float32; changed by `rewrite`.
        dtype: FLOAT16 or BFLOAT16.
        types: of every node.
        constants: every float32 initialiser in that type.
    """

    def __init__(
        self,
        graph: ir.Graph,
        dtype: ir.DataType,
        types: Mapping[ir.Node, NodeTypes],
        constants: Mapping[ir.Value, HalfConstant],
    ) -> None:
        self._graph = graph
        self._dtype = dtype
        self._types = types
        self._constants = constants
        self._casts: dict[tuple[ir.Value, ir.DataType], ir.Value] = {}
        self._copies: dict[ir.Value, ir.Value] = {}
        self._float_readers = self._find_float_readers()
        nodes = [node.name or "" for node in graph]
        values = [value.name or "" for node in graph for value in node.outputs]
        self._names = {*nodes, *values, *graph.initializers, *(value.name or "" for value in graph.inputs)}

    def rewrite(self, crossing: frozenset[str]) -> int:
        """Change the graph; return the number of Casts added."""
        wanted = [self._boundary_type(value, crossing) for value in self._graph.outputs]
        for value in self._graph.inputs:
            boundary = self._boundary_type(value, crossing)
            if boundary is not None:
                value.type = ir.TensorType(boundary)
        for node, types in self._types.items():
            for made, dtype in zip(node.outputs, types.outputs, strict=True):
                if dtype is not None:
                    made.type = ir.TensorType(dtype)
        for index, output_type in enumerate(wanted):
            self._set_output(index, output_type)
        for node, types in self._types.items():
            for index, (read, dtype) in enumerate(zip(node.inputs, types.inputs, strict=True)):
                if read is not None and dtype is not None:
                    node.replace_input_with(index, self._typed(read, dtype))
        return len(self._casts)

    def _boundary_type(self, value: ir.Value, crossing: frozenset[str]) -> ir.DataType | None:
        """The float type of a graph input or output; None: it is not float32 and stays as it is."""
        if value.dtype is not ir.DataType.FLOAT:
            return None
        return self._dtype if value.name in crossing else ir.DataType.FLOAT

    def _set_output(self, index: int, dtype: ir.DataType | None) -> None:
        """Give a graph output its type; the name goes to the Cast where one is needed."""
        value = self._graph.outputs[index]
        if dtype is None or value.dtype is dtype or value in self._constants:
            return
        name, inner = value.name or "", value.dtype or ir.DataType.FLOAT
        cast = self._cast(value, dtype)
        if not value.is_graph_input():
            value.name = self._new_name(f"{name}/{inner.name.lower()}")
            cast.name = name
        self._graph.outputs[index] = cast

    def _typed(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        """The value in a type: itself, a converted constant, or a Cast."""
        if value in self._constants:
            return self._constant(value) if dtype is self._dtype else value
        return value if value.dtype is dtype else self._cast(value, dtype)

    def _cast(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        """The one Cast of a value to a type, right behind the value."""
        key = (value, dtype)
        if key not in self._casts:
            name = self._new_name(f"{value.name}/{dtype.name.lower()}")
            made = ir.Value(name=name, type=ir.TensorType(dtype), shape=value.shape)
            node = ir.node("Cast", [value], {"to": int(dtype)}, outputs=[made], name=self._new_name(f"{name}/cast"))
            producer = value.producer()
            if producer is None:
                self._graph.insert_before(next(iter(self._graph)), node)
            else:
                self._graph.insert_after(producer, node)
            self._casts[key] = made
        return self._casts[key]

    def _constant(self, value: ir.Value) -> ir.Value:
        """A constant in half: in place of the float32 one, or beside it where something still reads that."""
        if value not in self._copies:
            half = self._constants[value]
            copy = value
            if value in self._float_readers:
                copy = ir.Value(name=self._new_name(f"{value.name}/{self._dtype.name.lower()}"), shape=value.shape)
                copy.const_value = ir.tensor(half.values, dtype=self._dtype, name=copy.name)
                self._graph.register_initializer(copy)
            else:
                copy.const_value = ir.tensor(half.values, dtype=self._dtype, name=copy.name)
            copy.type = ir.TensorType(self._dtype)
            self._copies[value] = copy
        return self._copies[value]

    def _find_float_readers(self) -> set[ir.Value]:
        """The constants that some node, or the graph's outputs, read as they are."""
        read = {value for value in self._graph.outputs if value in self._constants}
        for node, types in self._types.items():
            for value, dtype in zip(node.inputs, types.inputs, strict=True):
                if value is not None and value in self._constants and dtype is not self._dtype:
                    read.add(value)
        return read

    def _new_name(self, name: str) -> str:
        """Reserve a name that the graph does not have; a taken one gets a number."""
        number, made = 1, name
        while made in self._names:
            number, made = number + 1, f"{name}_{number + 1}"
        self._names.add(made)
        return made
