"""Give values that integers pass between unchanged one range: inputs and output of a Concat, a max pool, a reshape.

With one scale such a node moves bytes. With several, an engine would have to rescale each input, and TensorRT refuses.
"""

from collections.abc import Collection, Iterable, Mapping

import onnx_ir as ir

from eecalib.int8.ranges import TensorRange
from eecompile.precision.int8.candidates import MOVING, candidates
from eecompile.precision.int8.find_range import canonical_name

__all__ = ["share_ranges"]


def share_ranges(
    models: Iterable[ir.Model], ranges: Mapping[str, TensorRange], *, keep_float: Collection[str]
) -> dict[str, TensorRange]:
    """Return ranges where all values of a group have the union of their ranges.

    Args:
        models: all segments of a network, because a group may span several; or one model on its own.
        ranges: canonical ranges by value; values without one are passed over.
        keep_float: names of nodes that stay in float, and so tie nothing together.
    """
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for model in models:
        for candidate in candidates(model.graph, keep_float=keep_float):
            if candidate.node.op_type in MOVING:
                for value in candidate.data:
                    leader[find(canonical_name(ranges, value))] = find(canonical_name(ranges, candidate.output))
    merged: dict[str, TensorRange] = {}
    for name, limits in ranges.items():
        group = find(name)
        known = merged.get(group, limits)
        merged[group] = TensorRange(low=min(known.low, limits.low), high=max(known.high, limits.high))
    shared = {name: merged[find(name)] for name in ranges}
    return shared | {name: merged[find(name)] for name in leader if find(name) in merged}
