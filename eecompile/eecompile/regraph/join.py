"""Make one graph of two that follow each other: values that both know are one value by name."""

from collections.abc import Collection, Iterator, Sequence

import onnx_ir as ir

from eecompile.regraph.prune import prune
from eecompile.regraph.seam import tidy_seam
from eengines.errors import BuildError

__all__ = ["join"]


def join(first: ir.Model, second: ir.Model, outputs: Sequence[str]) -> ir.Model:
    """Return one model that makes `outputs` from the inputs of both; the given ones are used up.

    A value inside one graph whose name the other uses for something else gets a new name; a weight that both have is
    there once.

    Args:
        first: runs first.
        second: its inputs are outputs or inputs of `first`, or given to it alone.
        outputs: outputs of either, in the order that they shall have.

    Raises:
        BuildError: the graphs have different opsets.
    """
    if dict(first.opset_imports) != dict(second.opset_imports):
        raise BuildError(
            f"graphs '{first.graph.name}' and '{second.graph.name}'",
            f"got opsets {dict(first.opset_imports)} and {dict(second.opset_imports)}, expected the same",
            "Build the bundle again",
        )
    _rename_apart(first.graph, second.graph)
    known = {str(value.name): value for value in (*first.graph.outputs, *first.graph.inputs)}
    wanted = {str(value.name): value for value in (*first.graph.outputs, *second.graph.outputs)}
    seam = [known[str(value.name)] for value in second.graph.inputs if value.name in known]
    _append(first.graph, second.graph, known)
    first.graph.outputs.clear()
    first.graph.outputs.extend(wanted[name] for name in outputs)
    tidy_seam(first.graph, seam)
    prune(first.graph)
    return first


def _append(graph: ir.Graph, other: ir.Graph, known: dict[str, ir.Value]) -> None:
    """Move inputs, initialisers and nodes of another graph behind those of this one."""
    replaced: dict[ir.Value, ir.Value] = {
        value: known[str(value.name)] for value in other.inputs if value.name in known
    }
    inputs = list(other.inputs)
    other.outputs.clear()
    other.inputs.clear()
    graph.inputs.extend(value for value in inputs if value not in replaced)
    for name in list(other.initializers):
        value = other.initializers.pop(name)
        if name in graph.initializers:
            replaced[value] = graph.initializers[name]
        else:
            graph.register_initializer(value)
    nodes = list(other)
    for node in nodes:
        for index, read in enumerate(node.inputs):
            if read is not None and read in replaced:
                node.replace_input_with(index, replaced[read])
    other.remove(nodes)
    graph.extend(nodes)


def _rename_apart(first: ir.Graph, second: ir.Graph) -> None:
    """Give new names to values and nodes inside the graphs that clash; equal initialisers may share theirs."""
    shared = {value.name for graph in (first, second) for value in (*graph.inputs, *graph.outputs)}
    used: set[str | None] = set(shared)
    for graph in (first, second):
        for name, value in [*graph.initializers.items()]:
            if name in shared or (graph is second and name in used and not _same(first.initializers.get(name), value)):
                graph.initializers.pop(name)
                value.name = _free(name, used)
                if value.const_value is not None:
                    value.const_value.name = value.name
                graph.initializers.add(value)
        for value in _inner(graph):
            if value.name in used:
                value.name = _free(str(value.name), used)
            used.add(value.name)
        used |= set(graph.initializers)
    nodes = {node.name for node in first}
    for node in second:
        if node.name in nodes:
            node.name = _free(str(node.name), nodes)
        nodes.add(node.name)


def _inner(graph: ir.Graph) -> Iterator[ir.Value]:
    """Values that nodes make and that are no outputs."""
    return (value for node in graph for value in node.outputs if value.name and not value.is_graph_output())


def _same(one: ir.Value | None, other: ir.Value) -> bool:
    """Whether two initialisers hold the same."""
    if one is None or one.const_value is None or other.const_value is None:
        return False
    a, b = one.const_value, other.const_value
    return a.dtype is b.dtype and list(a.shape) == list(b.shape) and a.tobytes() == b.tobytes()


def _free(name: str, used: Collection[str | None]) -> str:
    """A name that is not used yet, made from this one."""
    number = 2
    while f"{name}_{number}" in used:
        number += 1
    return f"{name}_{number}"
