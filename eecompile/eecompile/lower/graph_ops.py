"""The operations that a policy needs, appended to an ONNX graph held in onnx_ir."""

from itertools import count
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from eengines.errors import BuildError
from eengines.tensors import Array

__all__ = ["IrGraphOps"]

OLDEST_OPSET = 18
"""From this opset on, all reductions take their axes as an input."""


class IrGraphOps:
    """The `GraphOps` that a policy lowers itself with. Handles are `ir.Value`s with the dtype and shape known so far.

    Args:
        graph: the graph that nodes and initialisers are appended to; it stays the caller's.
        prefix: new values and nodes are named `<prefix>/<operator>_<number>`; names in use are skipped.

    Raises:
        BuildError: the graph has no default opset, or one older than 18.
    """

    def __init__(self, graph: ir.Graph, *, prefix: str) -> None:
        opset = graph.opset_imports.get("")
        if opset is None or opset < OLDEST_OPSET:
            raise BuildError(
                f"graph '{graph.name}'",
                f"got default ONNX opset {opset}, expected {OLDEST_OPSET} or newer",
                "Export the network at a newer opset, or convert the graph with onnx.version_converter",
            )
        self._graph = graph
        self._prefix = prefix
        self._opset = opset
        self._used_names = _names_in(graph)
        self._numbers = count()
        self._unnamed: set[ir.Value] = set()

    def op(self, op_type: str, *inputs: Any, **attributes: Any) -> ir.Value:
        """Append one node of the default ONNX domain and return its first output.

        Where the standard demands further outputs, as of TopK, they are made and left unused. `Shape` of dimensions
        that are known becomes an initialiser, so that no engine has to compute with shapes.

        Args:
            op_type: the operator's name.
            inputs: handles, in the operator's order; None leaves an optional one out.
            attributes: the operator's attributes; there are no defaults but those of the standard.

        Raises:
            BuildError: the opset of the graph has no such operator, or the operator does not take these inputs.
        """
        if op_type == "Shape":
            dims = _known_dims(inputs[0], **attributes)
            if dims is not None:
                return self.constant(dims)
        name = self._new_name(op_type)
        schema = self._schema(op_type)
        names = [name, *(self._new_name(f"{op_type}_unused") for _ in range(schema.min_output - 1))]
        outputs = [ir.Value(name=each) for each in names]
        node = ir.node(op_type, list(inputs), attributes, outputs=outputs, name=name)
        self._infer(schema, node)
        self._graph.append(node)
        self._unnamed.add(outputs[0])
        return outputs[0]

    def constant(self, value: Array) -> ir.Value:
        """Add an initialiser that holds a copy of `value`, with its dtype and shape, and return it."""
        name = self._new_name("constant")
        tensor = ir.tensor(np.array(value), name=name)
        made = ir.Value(name=name, shape=ir.Shape(value.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
        self._graph.register_initializer(made)
        return made

    def rank(self, value: ir.Value) -> int:
        """Return the number of axes of a value.

        Raises:
            BuildError: it is not known.
        """
        if value.shape is None:
            raise BuildError(
                f"{self._prefix}, value '{value.name}'", "its shape is unknown", "Run shape inference before"
            )
        return len(value.shape)

    def graph_input(self, name: str, *, dtype: ir.DataType, shape: tuple[int | str, ...]) -> ir.Value:
        """Add a graph input with exactly this name.

        Raises:
            BuildError: the graph already has a value of this name.
        """
        self._reserve(name)
        made = ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype))
        self._graph.inputs.append(made)
        return made

    def graph_output(self, value: ir.Value, name: str, *, dtype: ir.DataType, shape: tuple[int | str, ...]) -> ir.Value:
        """Make a value a graph output with exactly this name, and return that output.

        A value made by `op` is renamed. One that has a name already, or that no node of this object makes, is copied
        by an Identity, because an ONNX output has one name.

        Raises:
            BuildError: the graph already has a value of this name, or the value is of another dtype or rank.
        """
        rank = None if value.shape is None else len(value.shape)
        if value.dtype is not dtype or rank not in {None, len(shape)}:
            raise BuildError(
                f"graph output '{name}'",
                f"got {value.dtype} {value.shape}, expected {dtype} {list(shape)}",
                "Correct the lower() of the policy",
            )
        self._reserve(name)
        output = value if value in self._unnamed else self.op("Identity", value)
        self._unnamed.remove(output)
        output.name = name
        output.shape = ir.Shape(shape)
        self._graph.outputs.append(output)
        return output

    def replace_output(self, output: ir.Value, value: ir.Value, *, aside: str) -> None:
        """Let a value of the same dtype take the name and the place of a graph output.

        Args:
            output: made by a node of the graph; an output no more, but what reads it still does.
            value: as for `graph_output`.
            aside: the name that `output` has from now on.

        Raises:
            BuildError: the graph already has a value called `aside`.
        """
        self._reserve(aside)
        place, name, shape = self._graph.outputs.index(output), output.name, output.shape
        taken = value if value in self._unnamed else self.op("Identity", value)
        self._unnamed.remove(taken)
        output.name = aside
        taken.name, taken.shape = name, shape
        self._graph.outputs[place] = taken

    def _schema(self, op_type: str) -> onnx.defs.OpSchema:
        """Return the standard's definition of an operator at the graph's opset."""
        try:
            return onnx.defs.get_schema(op_type, self._opset)
        except onnx.defs.SchemaError as error:
            raise BuildError(
                f"{self._prefix}, operator {op_type}",
                f"ONNX opset {self._opset} has no such operator",
                "Use an operator that the opset has, or a newer opset",
            ) from error

    def _infer(self, schema: onnx.defs.OpSchema, node: ir.Node) -> None:
        """Set dtype and shape of a node's outputs, as far as ONNX can tell from its inputs."""
        given = [value for value in node.inputs if value is not None]
        types = {str(value.name): ir.serde.serialize_value(value).type for value in given}
        data = {
            str(value.name): ir.serde.serialize_tensor(value.const_value)
            for value in given
            if value.const_value is not None
        }
        opsets = [onnx.helper.make_opsetid("", self._opset)]
        try:
            inferred = onnx.shape_inference.infer_node_outputs(
                schema, ir.serde.serialize_node(node), types, data, opset_imports=opsets
            )
        except onnx.shape_inference.InferenceError as error:
            raise BuildError(
                f"{self._prefix}, operator {node.op_type}",
                f"ONNX opset {self._opset} does not take these inputs and attributes: {error}",
                "Correct the lower() of the policy",
            ) from error
        for value in node.outputs:
            if value.name in inferred:
                value.type = ir.serde.deserialize_type_proto_for_type(inferred[value.name])
                value.shape = ir.serde.deserialize_type_proto_for_shape(inferred[value.name])

    def _new_name(self, stem: str) -> str:
        """Return, and reserve, a name that the graph does not have yet."""
        for number in self._numbers:
            name = f"{self._prefix}/{stem}_{number}"
            if name not in self._used_names:
                break
        self._used_names.add(name)
        return name

    def _reserve(self, name: str) -> None:
        """Reserve a name that must be free."""
        if name in self._used_names:
            raise BuildError(
                f"graph '{self._graph.name}', value '{name}'",
                "the graph already has a value or node of this name, which is expected to be free",
                "Rename that value in the model, and do not give an exit a score twice",
            )
        self._used_names.add(name)


def _names_in(graph: ir.Graph) -> set[str]:
    """Return the names of all values and nodes of a graph and its subgraphs."""
    names: set[str | None] = set()
    for each in (graph, *graph.subgraphs()):
        names.update(value.name for value in each.inputs)
        names.update(each.initializers)
    for node in graph.all_nodes():
        names.add(node.name)
        names.update(value.name for value in node.outputs)
    return {name for name in names if name}


def _known_dims(value: ir.Value, *, start: int = 0, end: int | None = None) -> Array | None:
    """Return dimensions `start` to `end` of a value, `int64`, or None where one of them is not known."""
    if value.shape is None:
        return None
    dims = value.shape.dims[start:end]
    if not all(isinstance(dim, int) for dim in dims):
        return None
    return np.array(dims, np.int64)
