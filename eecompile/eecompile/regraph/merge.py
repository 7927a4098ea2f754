"""Make one segment of two when the exit between them goes."""

from collections.abc import Collection

import onnx_ir as ir

from eecompile.build.lower_graphs import serialize
from eecompile.precision.int8.candidates import is_score_node
from eecompile.regraph.graph_bytes import parse_segment
from eecompile.regraph.join import join
from eengines.errors import BuildError

__all__ = ["merge", "merge_models"]


def merge(first: bytes, second: bytes, *, still_read: Collection[str]) -> bytes:
    """Return one graph that does what both do, without the exit between them: its logits and its head go.

    Where the tensor between them was quantised, it still is; a Transpose there and back goes.

    Args:
        first: a stripped segment, its head inside.
        second: the next one, stripped, too: exits have other numbers afterwards.
        still_read: what segments behind the second read.

    Raises:
        BuildError: a graph has a score, or the graphs have different opsets.
    """
    models = parse_segment(first), parse_segment(second)
    for model in models:
        if any(is_score_node(node) for node in model.graph):
            raise BuildError(
                f"graph '{model.graph.name}'", "it has a score, expected a segment without one", "Use `strip` first"
            )
    return serialize(merge_models(*models, still_read=still_read), None)


def merge_models(first: ir.Model, second: ir.Model, *, still_read: Collection[str]) -> ir.Model:
    """The same for models; both are used up."""
    own = [str(value.name) for value in second.graph.outputs]
    handed_on = [str(value.name) for value in first.graph.outputs if value.name in still_read]
    return join(first, second, [*own, *handed_on])
