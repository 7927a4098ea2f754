"""Take the policy out of segments: its nodes, the score, and the state that it reads and makes."""

from collections.abc import Sequence

import onnx_ir as ir

from eecompile.build.lower_graphs import serialize
from eecompile.lower import own_logits_name
from eecompile.precision.int8.candidates import is_score_node
from eecompile.regraph.exit_names import ExitNames
from eecompile.regraph.graph_bytes import own_output, parse_segment
from eengines.errors import BuildError

__all__ = ["strip", "strip_models"]


def strip(segments: Sequence[bytes], names: Sequence[ExitNames]) -> tuple[bytes, ...]:
    """Return the segments without a policy; those that have none stay as they are.

    Args:
        segments: all segments of a chain, heads inside.
        names: of the exit at the end of each.

    Raises:
        BuildError: a segment does not have these logits.
    """
    return tuple(serialize(model, index) for index, model in enumerate(strip_models(segments, names)))


def strip_models(segments: Sequence[bytes], names: Sequence[ExitNames]) -> list[ir.Model]:
    """The same, as models. Nodes and weights of the network stay as they are, in their order.

    Where the policy answers with its state, the exits' own logits become outputs again, and later segments read them.
    """
    models = [parse_segment(graph) for graph in segments]
    own = {own_logits_name(index): each.logits for index, each in enumerate(names)}
    for model, each in zip(models, names, strict=True):
        for value in model.graph.inputs:
            value.name = own.get(str(value.name), value.name)
        _strip_score(model.graph, each)
    return models


def _strip_score(graph: ir.Graph, names: ExitNames) -> None:
    """Strip one segment."""
    answer = own_output(graph, names.logits)
    nodes = [node for node in graph if is_score_node(node)]
    if not nodes:
        return
    made = {value for node in nodes for value in node.outputs}
    carried = _state_inputs(graph, nodes)
    constants = {value.name for node in nodes for value in node.inputs if value is not None and value.is_initializer()}
    own = _own_logits(graph, nodes, made, carried) if answer in made else answer
    position = graph.outputs.index(answer)
    for value in [value for value in graph.outputs if value in made or (value is own and own is not answer)]:
        graph.outputs.remove(value)
    graph.remove(nodes, safe=True)
    for value in carried:
        graph.inputs.remove(value)
    for name in constants:
        if name is not None and not graph.initializers[name].uses():
            del graph.initializers[name]
    if own is not answer:
        graph.outputs.insert(position, _as_logits(graph, own, answer))


def _state_inputs(graph: ir.Graph, nodes: Sequence[ir.Node]) -> list[ir.Value]:
    """The inputs that the policy of this exit is handed by the exit before."""
    exit_index = int((nodes[0].name or "").partition("/")[0].removeprefix("score_"))
    ours = set(nodes)
    return [
        value
        for value in graph.inputs
        if (value.name or "").startswith(f"state_{exit_index - 1}_") and ours.issuperset(value.consumers())
    ]


def _own_logits(
    graph: ir.Graph, nodes: Sequence[ir.Node], made: set[ir.Value], carried: Sequence[ir.Value]
) -> ir.Value:
    """The value that the policy scores: the only one that its nodes read and do not make."""
    read = {value for node in nodes for value in node.inputs if value is not None and not value.is_initializer()}
    found = list(read - made - set(carried))
    if len(found) != 1:
        raise BuildError(
            f"graph '{graph.name}'",
            f"its score reads {sorted(str(value.name) for value in found)}, expected the exit's logits alone",
            "Build the bundle again",
        )
    return found[0]


def _as_logits(graph: ir.Graph, own: ir.Value, answer: ir.Value) -> ir.Value:
    """Give the exit's own logits the name and type of the answer that stood for them."""
    name = answer.name
    answer.name = f"{name}/answer"
    if own.dtype is answer.dtype:
        own.name = name
        return own
    own.name = f"{name}/{own.dtype.name.lower() if own.dtype else 'own'}"
    cast = ir.node("Cast", [own], {"to": int(answer.dtype or ir.DataType.FLOAT)}, name=f"{own.name}/cast")
    output = cast.outputs[0]
    output.name, output.type, output.shape = name, answer.type, own.shape
    graph.append(cast)
    return output
