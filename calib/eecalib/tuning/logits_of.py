"""The logits of a recording, for tuners that look at more than scores."""

from eecalib.trace import ExitTrace, Trace
from eengines.errors import UserError

__all__ = ["logits_of"]


def logits_of(trace: Trace, tuner: str) -> ExitTrace:
    """Return the trace with logits.

    Raises:
        UserError: the recording is of maps, whose logits are not kept.
    """
    if not isinstance(trace, ExitTrace):
        raise UserError(
            f"policy {tuner}",
            "got a recording of maps, expected logits with one class a sample",
            "Choose --policy max-probability, margin, entropy or pixel-count",
        )
    return trace
