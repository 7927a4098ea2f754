"""Which node goes into which segment: nested minimal cuts of a data-flow graph.

For exit `k`, let `A_k` be the nodes that exits up to `k` need. They run up to segment `k`. A boundary is a set `S_k`
of nodes that contains `A_k` and everything its members need. What crosses it are the values (graph inputs among them)
that are made inside and read outside, each counted once, with its bytes a sample. `S_k` is chosen so that these bytes
are fewest: a minimum s-t cut. Two things may not move before exit `k`: nodes that multiply and accumulate but that no
exit up to `k` needs (they would be computed for samples that leave), and the nodes that make later exits. Among cuts
of equal bytes the one with the fewest nodes inside is taken. Such cuts are nested, `S_1 ⊆ S_2 ⊆ …`, because each
problem only adds sources and removes sinks; so each node runs in exactly one segment and nothing is computed twice.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx

from eengines.errors import SplitError

__all__ = ["DataFlow", "Operation", "SegmentPlan", "SplitPlan", "ancestors", "plan_split"]

SOURCE, SINK = ("source",), ("sink",)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One node of a data-flow graph.

    Attributes:
        name: unique name.
        inputs: values read; weights are left out.
        outputs: values made.
        heavy: whether it may not run before an exit that does not need it.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    heavy: bool


@dataclass(frozen=True, kw_only=True)
class DataFlow:
    """A graph in topological order, as the cut sees it.

    Attributes:
        operations: in topological order.
        inputs: graph inputs.
        exits: the tensor of each exit, shallow to deep.
        value_bytes: bytes a sample of every value; None for a value that cannot cross a boundary.
    """

    operations: tuple[Operation, ...]
    inputs: tuple[str, ...]
    exits: tuple[str, ...]
    value_bytes: Mapping[str, int | None]


@dataclass(frozen=True, kw_only=True)
class SegmentPlan:
    """One segment: its operations in order, and what crosses the boundary behind it."""

    operations: tuple[str, ...]
    crossing: tuple[str, ...]
    crossing_bytes: int
    frontier_bytes: int
    """Bytes that would cross if the cut were right behind what the exits up to here need."""


@dataclass(frozen=True, kw_only=True)
class SplitPlan:
    """All segments, shallow to deep."""

    segments: tuple[SegmentPlan, ...]


def plan_split(flow: DataFlow) -> SplitPlan:
    """Assign every operation to a segment.

    Raises:
        SplitError: no boundary can be cut behind an exit, because a value that must cross has no batch axis in front.
    """
    inside: set[str] = set()
    segments = []
    for index in range(len(flow.exits)):
        needed = set().union(*(ancestors(flow, name) for name in flow.exits[: index + 1]))
        last = index == len(flow.exits) - 1
        chosen = {operation.name for operation in flow.operations} if last else _cheapest_side(flow, needed, index)
        segments.append(
            SegmentPlan(
                operations=tuple(o.name for o in flow.operations if o.name in chosen - inside),
                crossing=() if last else crossing_values(flow, chosen),
                crossing_bytes=0 if last else _bytes(flow, chosen),
                frontier_bytes=0 if last else _bytes(flow, needed),
            )
        )
        inside = chosen
    return SplitPlan(segments=tuple(segments))


def ancestors(flow: DataFlow, value: str) -> set[str]:
    """Names of the operations that a value needs."""
    needed = {value}
    found = set()
    for operation in reversed(flow.operations):
        if needed.intersection(operation.outputs):
            found.add(operation.name)
            needed.update(operation.inputs)
    return found


def crossing_values(flow: DataFlow, inside: set[str]) -> tuple[str, ...]:
    """Values made inside (or given) and read outside, in graph order."""
    made = list(flow.inputs)
    made += [name for operation in flow.operations if operation.name in inside for name in operation.outputs]
    read = {name for operation in flow.operations if operation.name not in inside for name in operation.inputs}
    return tuple(name for name in made if name in read)


def _bytes(flow: DataFlow, inside: set[str]) -> int:
    return sum(flow.value_bytes[name] or 0 for name in crossing_values(flow, inside))


def _cheapest_side(flow: DataFlow, needed: set[str], index: int) -> set[str]:
    """The smallest set of operations that contains `needed` and whose crossing values have the fewest bytes."""
    graph = _cut_graph(flow, needed, index)
    _check_bounded(graph, flow.exits[index])
    residual = nx.algorithms.flow.preflow_push(graph, SOURCE, SINK)
    reached = _reachable(residual)
    return {operation.name for operation in flow.operations if ("op", operation.name) in reached}


def _cut_graph(flow: DataFlow, needed: set[str], index: int) -> Any:
    """The flow network; an edge without a capacity is unbounded."""
    graph = nx.DiGraph()
    graph.add_nodes_from([SOURCE, SINK])
    made_by: dict[str, Hashable] = dict.fromkeys(flow.inputs, SOURCE)
    for operation in flow.operations:
        made_by.update(dict.fromkeys(operation.outputs, ("op", operation.name)))
    read = {name for operation in flow.operations for name in operation.inputs}
    for name in sorted(read):
        size = flow.value_bytes[name]
        graph.add_edge(made_by[name], ("value", name), **({} if size is None else {"capacity": size}))
    later_exits = set(flow.exits[index + 1 :])
    for operation in flow.operations:
        node = ("op", operation.name)
        for name in operation.inputs:
            graph.add_edge(("value", name), node)
            graph.add_edge(node, made_by[name])
        if operation.name in needed:
            graph.add_edge(SOURCE, node)
        elif operation.heavy or later_exits.intersection(operation.outputs):
            graph.add_edge(node, SINK)
    return graph


def _check_bounded(graph: Any, exit_name: str) -> None:
    """Refuse a graph in which only values that cannot cross lead from one side to the other."""
    unbounded = nx.DiGraph((u, v) for u, v, capacity in graph.edges(data="capacity") if capacity is None)
    if SOURCE in unbounded and SINK in unbounded and nx.has_path(unbounded, SOURCE, SINK):
        path = nx.shortest_path(unbounded, SOURCE, SINK)
        values = [node[1] for node in path if node[0] == "value"]
        raise SplitError(
            f"boundary behind exit {exit_name!r}",
            f"value {values[0] if values else '?'!r} must cross it, but is not the batch in axis 0 on its own with "
            "fixed sizes or the sequence length behind it",
            "Move the batch to axis 0 before the exit, or put the exit elsewhere",
        )


def _reachable(residual: Any) -> set[Hashable]:
    """Nodes that the source still reaches: the smallest source side of all minimum cuts."""
    reached: set[Hashable] = {SOURCE}
    waiting: list[Hashable] = [SOURCE]
    while waiting:
        node = waiting.pop()
        for successor, edge in residual[node].items():
            if edge["flow"] < edge["capacity"] and successor not in reached:
                reached.add(successor)
                waiting.append(successor)
    return reached
