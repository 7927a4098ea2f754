"""The summary at the end of `eecompile fold`, and what a build says of the training, as text."""

from collections.abc import Sequence

from eecompile.fold_training.earlier_training import EarlierTraining
from eecompile.fold_training.report import FoldedExit, FoldReport

__all__ = ["fold_summary", "training_text"]

MUCH = 0.05
"""Loss of accuracy at an exit that is pointed out."""


def fold_summary(report: FoldReport) -> str:
    """Every exit before and after folding, the training, and what to do next."""
    more = report.parameters / report.parameters_unfolded
    lines = [
        f"=== {report.output} from {report.model}, folded by {report.fold} ({report.fold_widths}) ===",
        *_exits(report.exits),
        f"Measured on the {report.calib_samples} calib samples, which chose epoch {report.best_epoch} of "
        f"{report.epochs}, with random partners; tune, certify and test were not looked at",
        *_notes(report),
        *_losses(report.exits, epochs="--epochs", separate="--separate 0"),
        f"{report.parameters:,} weights, {more:.1f} times as many; "
        f"trained on {report.samples} samples for {report.seconds:.1f} s; {report.device}",
        f"Next: {report.next_command}",
        f"{'INTERRUPTED' if report.interrupted else 'PASSED'} | {report.output}",
    ]
    return "\n".join(lines)


def training_text(training: EarlierTraining, *, fold: int, place: str) -> str:
    """How the network of a build was trained.

    Args:
        training: what the checkpoint says.
        fold: images that share one pass.
        place: of the checkpoint.
    """
    lines = [
        f"=== {place}, folded by {fold}, as it was trained ===",
        *_exits(training.exits),
        f"Measured on calib, which chose epoch {training.best_epoch} of {training.epochs}, with random partners",
        *([_apart(fold)] if training.apart else []),
        *(["! The training was interrupted"] if training.interrupted else []),
        *_losses(training.exits, epochs="--fold-epochs", separate="`eecompile fold --separate 0`"),
    ]
    return "\n".join(lines)


def _exits(exits: Sequence[FoldedExit]) -> list[str]:
    width = max(len("exit"), *(len(one.name) for one in exits))
    return [f"{'exit':<{width}}  unfolded    folded  difference  same answer", *(_line(one, width) for one in exits)]


def _notes(report: FoldReport) -> list[str]:
    notes = []
    if report.calib_from_train:
        notes.append(
            "They were cut from train: a network that learned all of train looks better on them before folding"
        )
    if report.apart:
        notes.append(_apart(report.fold))
    return notes


def _apart(fold: int) -> str:
    return (
        "Images stay apart in these weights: no answer depends on partners. A network without folding, of "
        f"1/{fold} of the folded widths, could answer the same"
    )


def _losses(exits: Sequence[FoldedExit], *, epochs: str, separate: str) -> list[str]:
    """Point out exits that lost much, and what to try."""
    lost = {
        one.name: one.accuracy_unfolded - one.accuracy
        for one in exits
        if one.accuracy is not None and one.accuracy_unfolded is not None
    }
    much = ", ".join(f"{name} {100 * share:.1f} points" for name, share in lost.items() if share > MUCH)
    return (
        [f"! Folding costs much accuracy: {much}. Try more {epochs}, {separate}, or a smaller --fold"] if much else []
    )


def _line(one: FoldedExit, width: int) -> str:
    if one.accuracy is None or one.accuracy_unfolded is None:
        shares = f"{'-':>8}  {'-':>8}  {'-':>10}"
    else:
        points = 100 * (one.accuracy - one.accuracy_unfolded)
        shares = f"{one.accuracy_unfolded:>8.2%}  {one.accuracy:>8.2%}  {points:>+7.2f} pt"
    return f"{one.name:<{width}}  {shares}  {one.agreement:>11.2%}"
