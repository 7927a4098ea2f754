"""What thresholds were tuned for that a refresh leaves as they are."""

from eecompile.refresh.report import RefreshReport
from eecompile.tune.report import TuneReport
from eerun.bundle import REFRESH_NAME, TUNE_NAME, Bundle

__all__ = ["tuned_for"]


def tuned_for(bundle: Bundle) -> str | None:
    """Return it as words; None: nothing tells, so thresholds were given by hand.

    A refresh that writes takes the report of the tuning away, and says in its own what thresholds are for.

    Args:
        bundle: one whose build report has no allowed drop: it was tuned for a budget, or not at all.
    """
    files = bundle.manifest.files
    if TUNE_NAME in files:
        return f"a budget, {bundle.read_json(TUNE_NAME, TuneReport).goal}"
    if REFRESH_NAME not in files:
        return None
    last = bundle.read_json(REFRESH_NAME, RefreshReport)
    return last.tuned_for if last.max_drop is None else f"--max-drop {last.max_drop:.2%} by the last refresh"
