"""What a training run tells, from its learners."""

from collections.abc import Sequence

from eecompile.attach.attachment import FINAL
from eecompile.train.epochs import Epochs
from eecompile.train.learner import Best, Learner
from eecompile.train.report import HeadReport

__all__ = ["final_accuracy", "head_reports"]


def head_reports(names: Sequence[str], learners: Sequence[Learner], epochs: Epochs) -> tuple[HeadReport, ...]:
    """One report for each of the named heads, in that order."""
    learner_of = {name: learner for learner in learners for name in learner.names}
    return tuple(_one(name, learner_of[name], epochs) for name in names)


def final_accuracy(learners: Sequence[Learner]) -> float | None:
    """Accuracy of the final exit with the weights that were kept; None without labels."""
    return _best(learners[0]).scores[FINAL].accuracy


def _one(name: str, learner: Learner, epochs: Epochs) -> HeadReport:
    best = _best(learner)
    score = best.scores[name]
    problem = None
    if learner.given_up:
        problem = (
            f"given up: its loss stopped being finite, last at peak learning rate {learner.peak:.2g}; "
            f"it has the weights of epoch {best.epoch}"
        )
    return HeadReport(
        name=name,
        agreement=score.agreement,
        accuracy=score.accuracy,
        best_epoch=best.epoch,
        losses=tuple(epochs.history[name]),
        problem=problem,
    )


def _best(learner: Learner) -> Best:
    assert learner.best is not None  # noqa: S101 - epoch 0 is kept before the first step
    return learner.best
