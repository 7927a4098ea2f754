"""One run of the loop over the epochs: from the start or from a state, until its end or Ctrl-C."""

from collections.abc import Mapping, Sequence
from typing import Any

from eecompile.stages import Stages
from eecompile.train.epochs import Epochs
from eecompile.train.learner import Learner
from eecompile.train.state_file import StateFile
from eengines.errors import UserError

__all__ = ["earlier_state", "run_epochs"]


def earlier_state(file: StateFile | None, stages: Stages) -> Mapping[str, Any] | None:
    """What an interrupted run left; None where it did not finish an epoch.

    Raises:
        UserError: there is no name of a state file, or it is of another run.
    """
    if file is None:
        raise UserError("--resume", "got no state file, expected one", "Name the file that the first run wrote")
    content = file.read()
    if content is None:
        stages.warn(f"{file}: no state yet, the training starts from the beginning")
    return content


def run_epochs(epochs: Epochs, learners: Sequence[Learner], content: Mapping[str, Any] | None) -> bool:
    """Train from the start or from a state, then put the best weights in place; returns whether Ctrl-C stopped it."""
    if content is None:
        epochs.start()
    else:
        epochs.resume(content)
    interrupted = False
    try:
        epochs.run()
    except KeyboardInterrupt:
        interrupted = True
    for learner in learners:
        learner.put_best()
    return interrupted
