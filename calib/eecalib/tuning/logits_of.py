"""The logits of a recording, for tuners that look at more than scores."""

from eecalib.trace import ExitTrace
from eecalib.tuning.data import TuningData
from eengines.errors import UserError

__all__ = ["logits_of"]


def logits_of(data: TuningData, tuner: str) -> ExitTrace:
    """Return the trace with logits.

    Raises:
        UserError: the recording is of maps, whose logits are not kept.
    """
    if not isinstance(data.trace, ExitTrace):
        raise UserError(
            f"policy {tuner}",
            "got a recording of maps, expected logits with one class a sample",
            "Choose --policy max-probability, margin, entropy or pixel-count",
        )
    return data.trace
