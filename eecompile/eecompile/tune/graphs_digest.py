"""A digest of what the exits of a configuration compute, whatever its policy is."""

import hashlib
from collections.abc import Mapping

import onnx_ir as ir

from eecompile.regraph import ExitNames
from eecompile.regraph.strip import strip_models
from eecompile.tune.variant import fused_segments
from eerun.configuration import Configuration

__all__ = ["graphs_digest"]


def graphs_digest(way: Configuration) -> str:
    """Return the SHA-256 of the logits of all exits, as the graphs make them: operators, weights, INT8 ranges.

    A value is digested by the node that makes it and by what this node reads, down to the inputs of the network. So the
    policy, the names and the order of nodes, and whether heads are graphs of their own do not matter.

    Args:
        way: the configuration.

    Raises:
        BundleError: a file is damaged.
    """
    names = tuple(ExitNames(logits=each.logits, score=each.score) for each in way.bundle.manifest.segments)
    known: dict[str, bytes] = {}
    for model in strip_models(fused_segments(way.bundle, way.entry.segments, way.entry.heads), names):
        known |= _outputs(model.graph, known)
    return hashlib.sha256(b"".join(known[each.logits] for each in names)).hexdigest()


def _outputs(graph: ir.Graph, known: Mapping[str, bytes]) -> dict[str, bytes]:
    """Digests of what a segment hands on, by name.

    Args:
        graph: the segment.
        known: digests of what segments before hand on; everything else that it reads is an input of the network.
    """
    made: dict[ir.Value | None, bytes] = {None: b""}
    for value in graph.inputs:
        name = str(value.name)
        made[value] = known.get(name) or hashlib.sha256(name.encode()).digest()
    for value in graph.initializers.values():
        made[value] = _constant(value)
    for node in graph:
        same = _operator(node) + b"".join(made[value] for value in node.inputs)
        for index, value in enumerate(node.outputs):
            made[value] = hashlib.sha256(same + bytes([index])).digest()
    return {str(value.name): made[value] for value in graph.outputs}


def _constant(value: ir.Value) -> bytes:
    tensor = value.const_value
    assert tensor is not None  # noqa: S101 - segments have their weights inside
    return hashlib.sha256(f"{tensor.dtype} {tensor.shape} ".encode() + tensor.tobytes()).digest()


def _operator(node: ir.Node) -> bytes:
    """What a node does to its inputs, and how many it has."""
    attributes = (ir.to_proto(node.attributes[name]) for name in sorted(node.attributes))
    parts = [f"{node.domain} {node.op_type} {len(node.inputs)}".encode()]
    parts += [each.SerializeToString(deterministic=True) for each in attributes]
    return hashlib.sha256(b"\0".join(parts)).digest()
