"""Watch a model while it answers: some samples also go to the final exit, and too many other answers are an alarm."""

import logging
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eerun.executor import Answers, Shadowed
from eerun.folding import rows_of
from eerun.shadow.interval import interval
from eerun.shadow.ladder import Ladder
from eerun.shadow.martingale import DisagreementTest
from eerun.shadow.metrics import Metrics
from eerun.shadow.settings import ShadowSettings

__all__ = ["Shadow", "Turn"]

_log = logging.getLogger("eerun")


@dataclass(frozen=True, kw_only=True, eq=False)
class Turn:
    """How one call runs.

    Attributes:
        step: see `Metrics.step`.
        thresholds: of that step.
        watched: which samples are watched; None: none of them.
    """

    step: int
    thresholds: tuple[float | None, ...]
    watched: Shadowed | None


class Shadow:
    """Chooses the samples, compares, and steps down after an alarm. Safe to use from any thread.

    Of a folded network it chooses groups: images of one group depend on each other, so that a group is one observation,
    the mean over its images. A share of the groups runs to the final exit, and as many of the images are watched; from
    as many images there are fewer observations, so that an alarm comes later than with as many single samples. A group
    that is not full counts like a full one.

    Args:
        ladder: the thresholds, and their limits.
        settings: how many samples are watched.
        exits: names of the exits.
        where: the bundle, for messages.
        fold: images a group; 1: every sample is one of its own.
    """

    def __init__(
        self,
        ladder: Ladder,
        settings: ShadowSettings,
        *,
        exits: tuple[str, ...],
        where: str,
        fold: int = 1,
    ) -> None:
        self._fold = fold
        self._ladder, self._share, self._exits = ladder, settings.share, exits
        self._where = where
        self._random = np.random.default_rng(settings.seed)
        self._lock = threading.Lock()
        self._step = 0
        self._left = np.zeros(len(exits), np.int64)
        self._shadowed, self._disagreements = 0, 0.0
        self._test: DisagreementTest | None = self._new_test()

    def start(self, samples: int, output_shape: tuple[int, ...]) -> Turn:
        """Choose who is watched of so many samples, before they run.

        Args:
            samples: how many run.
            output_shape: shape of one sample's logits.
        """
        with self._lock:
            if self._test is None:
                return Turn(step=self._step, thresholds=(None,) * (len(self._exits) - 1), watched=None)
            drawn = self._random.random(rows_of(samples, self._fold)) < self._share
            chosen = np.repeat(drawn, self._fold)[:samples]
            step, thresholds = self._step, self._ladder.rungs[self._step].thresholds
        watched = Shadowed.of(chosen, output_shape, fold=self._fold) if chosen.any() else None
        return Turn(step=step, thresholds=thresholds, watched=watched)

    def finish(self, turn: Turn, answers: Answers) -> NDArray[np.intp]:
        """Take note of the answers of a call; return the rows that were watched `[rows] intp`."""
        left = np.bincount(answers.exit_index, minlength=len(self._exits))
        rows = np.zeros(0, np.intp) if turn.watched is None else turn.watched.chosen.nonzero()[0]
        differing = np.zeros(0) if turn.watched is None else disagreement(answers, turn.watched)[rows]
        observed = differing
        if turn.watched is not None and self._fold > 1:
            observed = by_group(differing, turn.watched.group[rows])
        alarm: str | None = None
        with self._lock:
            self._left += left
            self._shadowed += len(rows)
            self._disagreements += float(differing.sum())
            if self._test is not None and turn.step == self._step:
                self._test.add(observed.tolist())
                if self._test.alarmed:
                    alarm = self._step_down(self._test)
        if alarm is not None:  # said without the lock: who listens may ask for the metrics
            _log.warning("%s: shadow: %s", self._where, alarm)
        return rows

    def metrics(self) -> Metrics:
        """Return what was seen so far."""
        with self._lock:
            test, step = self._test, self._step
            samples, total = (0, 0.0) if test is None else (test.samples, test.total)
            wealth = 0.0 if test is None else test.log_wealth
            left, shadowed, disagreements = tuple(self._left.tolist()), self._shadowed, self._disagreements
        low, high = interval(total, samples, self._ladder.confidence) if test is not None else (0.0, 0.0)
        return Metrics(
            exits=self._exits,
            samples=sum(left),
            left=left,
            shadowed=shadowed,
            disagreements=disagreements,
            step=step,
            last_step=len(self._ladder.rungs),
            alarms=step,
            watched=samples,
            estimate=total / samples if samples else None,
            low=low,
            high=high,
            limit=None if test is None else test.limit,
            confidence=self._ladder.confidence,
            log_martingale=wealth,
        )

    def _new_test(self) -> DisagreementTest | None:
        """The test of this step; None: exits are off, and all answers are the final exit's."""
        if self._step == len(self._ladder.rungs):
            return None
        return DisagreementTest(self._ladder.rungs[self._step].limit, self._ladder.confidence)

    def _step_down(self, test: DisagreementTest) -> str:
        """Take the next thresholds; return what there is to say."""
        self._step += 1
        self._test = self._new_test()
        what = "samples" if self._fold == 1 else "groups"
        now = f"thresholds fall back to step {self._step} of {len(self._ladder.rungs)}"
        return (
            f"more than {100 * test.limit:.3g} % of the answers differ from the final exit's: "
            f"{100 * test.total / test.samples:.3g} % of {test.samples} watched {what}; "
            f"{now if self._test is not None else 'exits are off from here on'}"
        )


def disagreement(answers: Answers, watched: Shadowed) -> NDArray[np.float64]:
    """Return for each sample whether its early answer differs from the final exit's, `[samples] float64`.

    0 for samples that were not watched, or that the final exit answered; of maps the share of pixels that differ.
    """
    found = np.zeros(len(watched.early))
    early = watched.early.nonzero()[0]
    differs = answers.outputs[early].argmax(axis=1) != watched.outputs[early].argmax(axis=1)
    found[early] = differs.reshape(len(early), -1).mean(axis=1) if len(early) else 0.0
    return found


def by_group(values: NDArray[np.float64], group: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean of each group's values, `[groups] float64`, in the order of the groups.

    Args:
        values: `[samples] float64`.
        group: `[samples] intp`, which group each is in.
    """
    _, index, counts = np.unique(group, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(index, weights=values, minlength=len(counts)) / counts)
