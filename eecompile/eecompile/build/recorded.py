"""What the exits of one configuration say about *tune* and *test*."""

from dataclasses import dataclass

from eecalib.exit_table import ExitTable
from eecalib.record import Recorder, record_exits
from eecompile.build.prepare import Prepared
from eecompile.stages import Stages

__all__ = ["Recorded", "record_splits"]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Scores and answers of every exit, with exits off."""

    tune: ExitTable
    test: ExitTable


def record_splits(executor: Recorder, prepared: Prepared, stages: Stages) -> Recorded | None:
    """Run *tune* and *test* with exits off; None without data.

    Raises:
        DataError: a folded network, and a split that does not fill one group.
    """
    if not prepared.splits:
        return None
    tune, test = prepared.recordable("tune"), prepared.recordable("test")
    share = len(tune) / (len(tune) + len(test))
    return Recorded(
        tune=record_exits(executor, tune, lambda done: stages.progress(share * done)),
        test=record_exits(executor, test, lambda done: stages.progress(share + (1 - share) * done)),
    )
