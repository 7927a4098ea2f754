"""The manifest's segments after exits were dropped."""

from dataclasses import replace

import onnx_ir as ir

from eecompile.regraph import ExitNames
from eecompile.split.macs import node_macs
from eecompile.split.value_facts import ValueFacts
from eecompile.tune.variant import ExitGraphs
from eerun.bundle import Manifest, SegmentEntry

__all__ = ["segment_entries"]


def segment_entries(manifest: Manifest, kept: tuple[int, ...], float32: ExitGraphs) -> tuple[SegmentEntry, ...]:
    """Return one entry for each exit that stays.

    Args:
        manifest: as it is.
        kept: indices of the early exits that stay, ascending.
        float32: the float32 graphs in their new shape.
    """
    last = len(manifest.segments) - 1
    entries = []
    for index, (old, names) in enumerate(zip((*kept, last), float32.names, strict=True)):
        graphs = [float32.segments[index], *float32.heads[index : index + 1]]
        counts = [_counts(graph) for graph in graphs]
        nodes, macs, parameters = (sum(column) for column in zip(*counts, strict=True))
        entries.append(_entry(manifest, index, old, names, (nodes, macs, parameters)))
    return tuple(entries)


def _entry(manifest: Manifest, index: int, old: int, names: ExitNames, counts: tuple[int, int, int]) -> SegmentEntry:
    """The entry of one exit; what goes on behind it is what went on before."""
    nodes, macs, parameters = counts
    return replace(
        manifest.segments[old],
        file=manifest.segments[index].file,
        logits=names.logits,
        score=names.score,
        nodes=nodes,
        macs=macs,
        parameters=parameters,
    )


def _counts(graph: bytes) -> tuple[int, int, int]:
    """Nodes, multiply-accumulates a sample, and weights of a graph."""
    import onnx

    model = ir.from_proto(onnx.load_model_from_string(graph))
    values = [*model.graph.inputs, *(value for node in model.graph for value in node.outputs)]
    facts = {value.name or "": _facts(value) for value in values}
    macs = sum(node_macs(node, facts) for node in model.graph)
    tensors = [v.const_value for v in model.graph.initializers.values() if v.const_value is not None]
    parameters = sum(int(t.size) for t in tensors if t.dtype.is_floating_point() and t.size > 1)
    return len(model.graph), macs, parameters


def _facts(value: ir.Value) -> ValueFacts:
    """The shape of a value, 1 for what is not fixed."""
    sizes = () if value.shape is None else tuple(size if isinstance(size, int) else 1 for size in value.shape)
    return ValueFacts(dtype="float32", shape=sizes, batch_axes=(0,))
