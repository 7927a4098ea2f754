"""The files beside an ONNX graph that hold its large weights."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from onnx.external_data_helper import uses_external_data

from eengines.errors import IngestError

__all__ = ["external_files"]


def external_files(model: onnx.ModelProto, path: Path) -> list[Path]:
    """Return the external data files of a graph, sorted.

    Args:
        model: the graph, read without its external data.
        path: the file it was read from.

    Raises:
        IngestError: a file that is missing, or does not lie in the folder of the graph: reading it could leak any
            file of this machine into the bundle.
    """
    folder = path.parent.resolve()
    found = set()
    for tensor in _tensors(model):
        if not uses_external_data(tensor):
            continue
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        file = folder / location
        if not location or not file.resolve().is_relative_to(folder):
            problem = f"tensor '{tensor.name}' has its data in '{location}', expected a file in the model's folder"
            raise IngestError(str(path), problem, "Save the graph again with its data beside it")
        if not file.is_file():
            problem = f"tensor '{tensor.name}' needs the file '{location}', which is not there"
            raise IngestError(str(path), problem, "Copy it beside the graph")
        found.add(file)
    return sorted(found)


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(function.node)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors)
            for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graph_tensors(graph)
