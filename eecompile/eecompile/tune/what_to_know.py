"""What a user should know of the policy that was chosen: that it saves nothing, or loses more than was allowed."""

from eecalib.tuning import evaluate
from eecompile.tune.report import RunReport
from eecompile.tune.settings import TuneSettings
from eecompile.tune.try_policies import ROUNDING, TriedPolicy

__all__ = ["what_to_know"]


def what_to_know(runs: RunReport, first: TriedPolicy, settings: TuneSettings) -> list[str]:
    """Return a line for each thing.

    Args:
        runs: what the bundle runs.
        first: what was found for the configuration that comes first.
        settings: what the user chose.
    """
    found, max_drop, bench = [], settings.goal.max_drop, first.bench
    used = any(threshold is not None for threshold in runs.thresholds)
    if not used and max_drop is not None and _saves_on_tune(first, max_drop):
        found.append(
            f"no early exit is used: thresholds that save time lose more than {max_drop:.2%} on new samples, "
            f"{_as_held_out_tell(first)}"
        )
    elif runs.tune.batch_ms >= bench.whole_ms:
        found.append(
            f"exits do not pay here: expected {runs.tune.batch_ms:.2f} ms a batch of {bench.batch * bench.fold}, the "
            f"whole network takes {bench.whole_ms:.2f} ms"
        )
    expected = first.tried.held_out_drop
    sure = max_drop is None or expected is None or expected <= max_drop + ROUNDING
    if used and settings.certify is None and not sure:
        found.append(
            f"no thresholds were found that keep a drop of {max_drop:.2%} on new samples: these lose about "
            f"{expected:.2%}, {_as_held_out_tell(first)}"
        )
    if max_drop is not None and runs.test is not None and runs.test.drop > max_drop:
        promise = "" if settings.certify is not None else "; only a certificate (--certify) promises something about it"
        found.append(f"on test the drop is {runs.test.drop:.2%}, more than the {max_drop:.2%} asked for{promise}")
    return found


def _saves_on_tune(first: TriedPolicy, max_drop: float) -> bool:
    """Whether thresholds were found that keep the drop on *tune* and are faster than the whole network there."""
    data = first.bench.data("tune")
    outcomes = [evaluate(each, data) for each in first.tried.frontier]
    return any(each.correct >= data.required(max_drop) and each.expected_ms < first.bench.whole_ms for each in outcomes)


def _as_held_out_tell(first: TriedPolicy) -> str:
    data = first.bench.data("tune")
    count = f"{data.groups} groups" if data.fold > 1 else f"{data.samples} samples"
    return f"as parts of the {count} of tune tell that were held out; more tune samples may help"
