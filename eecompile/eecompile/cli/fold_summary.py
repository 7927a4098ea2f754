"""The summary at the end of `eecompile fold`, as text."""

from eecompile.fold_training.report import FoldedExit, FoldReport

__all__ = ["fold_summary"]


def fold_summary(report: FoldReport) -> str:
    """Every exit before and after folding, the training, and what to do next."""
    width = max(len("exit"), *(len(one.name) for one in report.exits))
    more = report.parameters / report.parameters_unfolded
    lines = [
        f"=== {report.output} from {report.model}, folded by {report.fold} ({report.fold_widths}) ===",
        f"{'exit':<{width}}  unfolded    folded  difference  same answer",
        *(_line(one, width) for one in report.exits),
        f"Measured on the {report.calib_samples} calib samples, which chose epoch {report.best_epoch} of "
        f"{report.epochs}, with random partners; tune, certify and test were not looked at",
        *_notes(report),
        f"{report.parameters:,} weights, {more:.1f} times as many; "
        f"trained on {report.samples} samples for {report.seconds:.1f} s; {report.device}",
        f"Next: {report.next_command}",
        f"{'INTERRUPTED' if report.interrupted else 'PASSED'} | {report.output}",
    ]
    return "\n".join(lines)


def _notes(report: FoldReport) -> list[str]:
    notes = []
    if report.calib_from_train:
        notes.append(
            "They were cut from train: a network that learned all of train looks better on them before folding"
        )
    if report.apart:
        notes.append(
            "The best weights are of an epoch in which images stay apart: no answer depends on partners. A network "
            f"without folding, of 1/{report.fold} of the folded widths, could answer the same"
        )
    return notes


def _line(one: FoldedExit, width: int) -> str:
    if one.accuracy is None or one.accuracy_unfolded is None:
        shares = f"{'-':>8}  {'-':>8}  {'-':>10}"
    else:
        points = 100 * (one.accuracy - one.accuracy_unfolded)
        shares = f"{one.accuracy_unfolded:>8.2%}  {one.accuracy:>8.2%}  {points:>+7.2f} pt"
    return f"{one.name:<{width}}  {shares}  {one.agreement:>11.2%}"
