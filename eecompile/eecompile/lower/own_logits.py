"""The logits of a head whose exit answers with the state of the policy in their place.

Such an exit's output, which is called like the logits, holds the policy's answer, so that executors, bundles and
reports need not know of it. The head's own logits stay in the graph under another name; a later segment that reads
them, as the next head of a cascade does, reads them under that name.
"""

from collections.abc import Sequence

import onnx_ir as ir

__all__ = ["own_logits_name", "read_own_logits"]


def own_logits_name(exit_index: int) -> str:
    """Return what the head's own logits are called where the exit answers with something else."""
    return f"score_{exit_index}/logits"


def read_own_logits(graph: ir.Graph, exits: Sequence[str]) -> None:
    """Let a segment read the heads' own logits where it reads those of exits before.

    Args:
        graph: the segment; its inputs are renamed.
        exits: names of the logits of the exits before, first to last.
    """
    for exit_index, name in enumerate(exits):
        for value in graph.inputs:
            if value.name == name:
                value.name = own_logits_name(exit_index)
