"""Which input of a residual Add an engine fuses the Add with: the result of a weighted node, read by nothing else.

The other input is the identity branch. Where both are results of weighted nodes, as in a block with a projection, the
identity branch is the one behind fewer of them.
"""

from collections.abc import Collection, Mapping, Sequence

import onnx_ir as ir

from eecompile.precision.int8.candidates import ACTIVATIONS, Candidate

__all__ = ["fused_operands"]


def fused_operands(found: Sequence[Candidate]) -> dict[ir.Node, ir.Value]:
    """Return the fused input of each Add that has one."""
    depths = _weighted_depths(found)
    weighted = {c.output for c in found if c.weight is not None}
    fused = {}
    for candidate in found:
        if candidate.node.op_type == "Add" and candidate.weight is None:
            operand = _fused_operand(candidate, weighted, depths)
            if operand is not None:
                fused[candidate.node] = operand
    return fused


def _fused_operand(
    candidate: Candidate, weighted: Collection[ir.Value], depths: Mapping[ir.Value, int]
) -> ir.Value | None:
    first, second = candidate.data
    plain = [value for value in (first, second) if _is_plain(value, weighted)]
    if first is second or not plain:
        return None
    return second if len(plain) == 2 and depths[first] < depths[second] else plain[0]


def _is_plain(value: ir.Value, weighted: Collection[ir.Value]) -> bool:
    """Whether the Add can be fused into the weighted node that makes the value: nothing between, no other reader."""
    return value in weighted and len(value.uses()) == 1 and getattr(value.producer(), "op_type", "") not in ACTIVATIONS


def _weighted_depths(found: Sequence[Candidate]) -> dict[ir.Value, int]:
    """For each candidate's result, the largest number of weighted nodes on a way to it."""
    depths: dict[ir.Value, int] = {}
    for candidate in found:
        before = max((depths.get(value, 0) for value in candidate.data), default=0)
        depths[candidate.output] = before + (candidate.weight is not None)
    return depths
