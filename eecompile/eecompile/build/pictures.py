"""Draw what the build measured into the bundle."""

from collections.abc import Sequence

from eecalib.int8.ranges import Ranges
from eecompile.build.candidates import PORTABLE
from eecompile.build.report import BuildReport, TrialReport
from eecompile.draw.accuracy import accuracy_picture, agreement_picture
from eecompile.draw.picture import missing_reason
from eecompile.draw.ranges import RangeBar, ranges_picture
from eecompile.split import Split
from eecompile.stages import Stages
from eecompile.value_order import value_order
from eerun.answer_unit import answer_unit
from eerun.bundle import BundleWriter

__all__ = ["add_pictures"]

RANGES, ACCURACY = "report/ranges.png", "report/accuracy.png"


def add_pictures(
    writer: BundleWriter, split: Split, ranges: Ranges | None, report: BuildReport, stages: Stages
) -> None:
    """Add `report/ranges.png` and `report/accuracy.png`; without matplotlib, or with nothing to show, say so."""
    reason = missing_reason()
    if reason is not None:
        stages.detail(f"no pictures were drawn: {reason}")
        return
    bars = [] if ranges is None else _bars(split, ranges)
    if ranges is None or not bars:
        stages.detail("no picture of ranges: nothing was calibrated")
    else:
        writer.add(
            RANGES,
            ranges_picture(bars, samples=ranges.samples, method=ranges.method, calibrate_on=ranges.calibrate_on),
        )
    accuracy = _accuracy(report)
    if accuracy is None:
        stages.detail("no picture of accuracy: there are no data, or float32 is all that was kept")
    else:
        writer.add(ACCURACY, accuracy)


def _bars(split: Split, ranges: Ranges) -> list[RangeBar]:
    """One for each value that has a range, in the order of the network."""
    order = value_order([segment.model.graph for segment in split.segments], ranges.tensors)
    bars = []
    for name, segment in order.items():
        own, whole = ranges.tensors[name], ranges.whole.get(name)
        every = None if whole is None or ranges.calibrate_on == "all" else (whole.low, whole.high)
        bars.append(RangeBar(name=name, segment=segment, low=own.low, high=own.high, every=every))
    return bars


def _accuracy(report: BuildReport) -> bytes | None:
    """Accuracy on *test*; without labels agreement on *tune*; without data, or anything to compare, None."""
    portable = (PORTABLE.engine, PORTABLE.precision)
    float32 = next((t for t in report.trials if (t.engine, t.precision) == portable), None)
    others = {f"{t.engine} {t.precision}": t for t in report.trials if t.kept and t is not float32}
    if float32 is None or not others:
        return None
    exits = [segment.exit for segment in report.segments]
    base, values = _shares(float32), {name: _shares(trial) for name, trial in others.items()}
    if base is not None and float32.test is not None:
        known = {name: shares for name, shares in values.items() if shares is not None}
        pixels = float32.test.units if answer_unit(report.task) == "pixel" else None
        return accuracy_picture([*exits, "exits on"], base, known, samples=float32.test.samples, pixels=pixels)
    agreement = {name: trial.agreement for name, trial in others.items() if trial.agreement is not None}
    if agreement and float32.tune is not None:
        return agreement_picture(exits, agreement, samples=float32.tune.samples)
    return None


def _shares(trial: TrialReport) -> Sequence[float] | None:
    """Accuracy of each exit on *test* if all leave there, then with thresholds; None without labels."""
    test = trial.test
    if test is None or test.exit_accuracy_all is None or test.accuracy is None:
        return None
    return (*test.exit_accuracy_all, test.accuracy)
