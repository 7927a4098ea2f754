"""Take an early exit's head out of its segment, as a graph of its own, and put it back."""

from collections.abc import Collection, Mapping, Sequence

import onnx_ir as ir

from eecompile.build.lower_graphs import serialize
from eecompile.precision.int8.candidates import is_score_node
from eecompile.regraph.entrance import Entrance, find_entrances, reads_batch
from eecompile.regraph.exit_names import ExitNames
from eecompile.regraph.graph_bytes import own_output, parse_segment
from eecompile.regraph.join import join
from eecompile.regraph.prune import prune
from eengines.errors import BuildError

__all__ = ["fuse_head", "split_head", "split_heads"]

FOLDED_RANK = 3
"""Axes of the logits of a folded network, `[batch, images, classes]`."""


def split_heads(segments: Sequence[bytes], names: Sequence[ExitNames]) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return the segments of a chain without the heads of early exits, and these heads; see `split_head`."""
    inputs = [{str(value.name) for value in parse_segment(graph).graph.inputs} for graph in segments]
    found = [
        split_head(graph, each, read_later=set().union(*inputs[index + 1 :]))
        for index, (graph, each) in enumerate(zip(segments[:-1], names, strict=False))
    ]
    return (*(trunk for trunk, _ in found), segments[-1]), tuple(head for _, head in found)


def split_head(segment: bytes, names: ExitNames, *, read_later: Collection[str]) -> tuple[bytes, bytes]:
    """Return the segment of an early exit as trunk and head.

    The trunk makes what crosses the boundary, and what the head needs of it. The head makes logits, score and state.
    Between them goes what crosses the boundary anyway, if the head can do with it; else further outputs of the trunk,
    `head_<k>/<name>`. Logits that a later segment reads are made by the trunk.

    Args:
        segment: with its score.
        names: of its exit.
        read_later: what segments behind this one read.

    Raises:
        BuildError: the segment has no such logits or no score, nothing but the head is in it, a value between trunk and
            head does not have the batch in front, or the network is folded.
    """
    model = parse_segment(segment)
    graph, index = model.graph, _exit_index(names)
    logits, score = own_output(graph, names.logits), own_output(graph, names.score)
    _refuse_folded(graph, logits)
    scored = {value for value in graph.outputs if (maker := value.producer()) is not None and is_score_node(maker)}
    if score not in scored or (logits in scored and names.logits in read_later):
        raise BuildError(
            f"segment '{graph.name}'",
            f"got the score '{names.score}' and logits '{names.logits}', expected a score that a policy made of logits "
            "that no later segment reads, if it answers in their place",
            "Keep the heads in their segments",
        )
    trunk = [v for v in graph.outputs if v not in scored and (v is not logits or names.logits in read_later)]
    if not trunk:
        raise BuildError(
            f"segment '{graph.name}'",
            "nothing that it makes is read by later segments, expected a trunk beside the head",
            "Keep the heads in their segments, or drop this exit",
        )
    own = [v for v in graph.outputs if v not in trunk]
    entrances = find_entrances(model, index, trunk=trunk, head=own)
    if any(entrance.value == names.logits for entrance in entrances):  # the trunk needs them, and so makes them
        trunk, own = [v for v in graph.outputs if v not in scored], [v for v in graph.outputs if v in scored]
        entrances = find_entrances(model, index, trunk=trunk, head=own)
    return (
        serialize(_trunk(model, trunk, entrances), index),
        serialize(_head(model, index, own, entrances), index),
    )


def _refuse_folded(graph: ir.Graph, logits: ir.Value) -> None:
    """A head runs for the samples that are tested; of a folded network that would be parts of groups."""
    if logits.shape is not None and len(logits.shape) == FOLDED_RANK:
        raise BuildError(
            f"segment '{graph.name}'",
            f"got logits {logits.shape}: the network is folded, and the images of a group share their head",
            "Keep the heads in their segments",
        )


def _trunk(model: ir.Model, outputs: Sequence[ir.Value], entrances: Sequence[Entrance]) -> ir.Model:
    """The segment without what only the head needs."""
    result = model.clone()
    values = _values(result.graph)
    kept = [values[str(value.name)] for value in outputs]
    result.graph.outputs.clear()
    result.graph.outputs.extend(kept)
    for entrance in entrances:
        value = values[entrance.value]
        if entrance.back is None and value not in kept:
            value.name = entrance.given
            result.graph.outputs.append(value)
    prune(result.graph)
    return result


def _head(model: ir.Model, index: int, outputs: Sequence[ir.Value], entrances: Sequence[Entrance]) -> ir.Model:
    """What only the head needs, on what the trunk hands it."""
    result = model.clone()
    graph, values = result.graph, _values(result.graph)
    graph.outputs.clear()
    graph.outputs.extend(values[str(value.name)] for value in outputs)
    given: dict[str, ir.Value] = {}
    for entrance in entrances:
        _enter(graph, values, entrance, given)
    graph.inputs.extend(given.values())
    anchor = next(iter(given.values()), graph.inputs[0])
    for node in graph:
        if reads_batch(node):
            node.replace_input_with(0, anchor)
    graph.name = f"head_{index}"
    prune(graph)
    return result


def _enter(graph: ir.Graph, values: Mapping[str, ir.Value], entrance: Entrance, given: dict[str, ir.Value]) -> None:
    """Let all readers of a value take what is given in its place, turned back where it is turned."""
    value = values[entrance.value]
    shape = value.shape
    if entrance.back is not None and shape is not None:
        shape = ir.Shape([shape[entrance.back.index(axis)] for axis in range(len(entrance.back))])
    if entrance.given not in given:
        given[entrance.given] = ir.Value(name=entrance.given, type=value.type, shape=shape)
    made = given[entrance.given]
    if entrance.back is not None:
        node = ir.node("Transpose", [made], {"perm": entrance.back}, name=f"head/{entrance.value}/back")
        graph.insert_before(graph[0], node)
        made = node.outputs[0]
        made.name, made.type, made.shape = f"head/{entrance.value}", value.type, value.shape
    value.replace_all_uses_with(made)


def _values(graph: ir.Graph) -> dict[str, ir.Value]:
    """Every value that is given or made, by name."""
    return {str(v.name): v for v in (*graph.inputs, *(o for node in graph for o in node.outputs))}


def _exit_index(names: ExitNames) -> int:
    """The number of an exit, which its score's name has."""
    number = names.score.removeprefix("score_")
    if not number.isdecimal():
        raise BuildError(f"score '{names.score}'", "expected score_<k> for exit k", "Build the bundle again")
    return int(number)


def fuse_head(trunk: bytes, head: bytes) -> bytes:
    """Return the segment that `split_head` took apart: it answers the same.

    Raises:
        BuildError: the two have different opsets.
    """
    first, second = parse_segment(trunk), parse_segment(head)
    number = (second.graph.name or "").removeprefix("head_")
    prefix = f"head_{number}/"
    names = [[str(value.name) for value in model.graph.outputs] for model in (first, second)]
    handed_on = [name for name in names[0] if not name.startswith(prefix)]
    scored = [name for name in names[1] if name == f"score_{number}" or name.startswith(f"state_{number}_")]
    logits = [name for name in names[1] if name not in scored]
    result = join(first, second, [*logits, *handed_on, *scored])
    taken = {value.name for node in result.graph for value in node.outputs}
    for value in [value for node in result.graph for value in node.outputs]:
        plain = (value.name or "").removeprefix(prefix)
        if plain != value.name and plain not in taken:
            value.name = plain
    return serialize(result, None)
