"""The network as graphs to measure: the trunk cut behind each tap, and every head as a graph of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from eecompile.attach.attachment import FINAL, Attachment
from eecompile.build.cut_network import CHECK_SAMPLES, PROBE_SAMPLES
from eecompile.build.lower_graphs import Lowering, lower_graphs, serialize
from eecompile.compose.subject import Subject
from eecompile.ingest import check_against_torch
from eecompile.ingest.export_module import export_module
from eecompile.ingest.graph_contract import BATCH, finish_graph
from eecompile.ingest.network import example_inputs, make_reference
from eecompile.network_values import network_values
from eecompile.passes import prepend_input_conversion
from eecompile.regraph import ExitNames, split_heads
from eecompile.split import Split, split_model
from eengines.tensors import Array
from eerun.executor import Chain, ChainSegment
from eerun.policies import MaxProbabilityPolicy

__all__ = ["HeadLayer", "chains_of", "export_heads", "idle_graph", "layers_of", "split_layer"]


@dataclass(frozen=True, kw_only=True)
class HeadLayer:
    """The network with one head at each of some taps.

    Attributes:
        heads: their indices, ascending.
        split: segments that end in them.
    """

    heads: tuple[int, ...]
    split: Split


def layers_of(attachment: Attachment) -> tuple[tuple[int, ...], ...]:
    """Deal heads into layers with at most one of each tap; the first has one of every tap."""
    layers: list[list[int]] = []
    seen: dict[str, int] = {}
    for index, head in enumerate(attachment.heads):
        depth = seen.get(head.tap, 0)
        seen[head.tap] = depth + 1
        if depth == len(layers):
            layers.append([])
        layers[depth].append(index)
    return tuple(map(tuple, layers))


def export_heads(subject: Subject, samples: Mapping[str, Array]) -> ir.Model:
    """Return one graph that takes raw samples and makes the logits of all heads, and of the final exit last.

    Args:
        subject: the network.
        samples: raw, to compare the graph with torch.

    Raises:
        IngestError: the network does not export, or the graph answers otherwise.
    """
    infos, where, exits = subject.checkpoint.inputs, str(subject.path), subject.attachment.exits
    names = [info.name for info in infos]
    arguments = example_inputs(infos, [info.network_dtype for info in infos])
    model = export_module(subject.module, arguments, inputs=names, exits=exits, where=where)
    finish_graph(model, exits=exits, where=where)
    prepend_input_conversion(model, infos)
    reference = make_reference(subject.module, names, range(len(exits)))
    check_against_torch(
        model,
        lambda raw: reference({info.name: network_values(info, raw[info.name]) for info in infos}),
        {name: array[:CHECK_SAMPLES] for name, array in samples.items()},
    )
    return model


def split_layer(
    model: ir.Model, attachment: Attachment, layer: Sequence[int], samples: Mapping[str, Array]
) -> HeadLayer:
    """Cut the network behind some heads.

    Args:
        model: what `export_heads` returned; it is not changed.
        attachment: all heads.
        layer: indices of the heads.
        samples: raw, three or more.

    Raises:
        SplitError: the graph cannot be cut.
    """
    exits = [*(attachment.heads[index].name for index in layer), FINAL]
    few = model.clone()
    outputs = {value.name: value for value in few.graph.outputs}
    few.graph.outputs[:] = [outputs[name] for name in exits]
    RemoveUnusedNodesPass()(few)
    probe = {name: array[:PROBE_SAMPLES] for name, array in samples.items()}
    return HeadLayer(heads=tuple(layer), split=split_model(few, exits, probe, MaxProbabilityPolicy()))


def chains_of(layer: HeadLayer, subject: Subject, *, engine: str, precision: str) -> tuple[Chain, Chain]:
    """Return the segments with their heads apart, and the network without heads as a chain of one segment.

    Raises:
        BuildError: a head cannot be taken apart, or a graph is too large.
    """
    source = Lowering(split=layer.split, ranges=None, keep_float=frozenset())
    graphs = lower_graphs(source, family=engine, precision=precision)
    names = [ExitNames(logits=segment.logits, score=segment.score) for segment in layer.split.segments]
    trunks, heads = split_heads(graphs.segments, names)
    inputs = tuple(entry.spec for entry in subject.inputs)
    segments = tuple(
        ChainSegment(graph=graph, logits=each.logits, score=each.score, head=head)
        for graph, each, head in zip(trunks, names, (*heads, None), strict=True)
    )
    output = names[-1].logits
    whole = ChainSegment(graph=graphs.whole, logits=output, score=output)
    return Chain(inputs=inputs, segments=segments), Chain(inputs=inputs, segments=(whole,))


def idle_graph(model: ir.Model, classes: int) -> bytes:
    """A graph with one node on `x` `[batch, classes] float32`: what it takes is what it takes to start a graph."""
    kind, shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape([BATCH, classes])
    given = ir.Value(name="x", type=kind, shape=shape)
    node = ir.node("Relu", [given])
    made = node.outputs[0]
    made.name, made.type, made.shape = "logits", kind, shape
    graph = ir.Graph([given], [made], nodes=[node], opset_imports=model.opset_imports, name="idle")
    return serialize(ir.Model(graph, ir_version=model.ir_version), None)
