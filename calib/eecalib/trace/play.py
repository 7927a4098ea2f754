"""Let a policy score a trace: what the exits of a bundle with this policy would say."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_table import ExitTable
from eecalib.trace.exit_trace import ExitTrace
from eecalib.trace.map_trace import MapTrace
from eerun.policies import F32, NOT_TESTED, ExitPolicy, State

__all__ = ["Played", "Trace", "play"]

Trace = ExitTrace | MapTrace

CHUNK_BYTES = 1 << 26
"""Logits that are looked at together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """Scores and answers of all exits under a policy.

    Attributes:
        table: scores and answers; an exit that answers with the state of the policy answers so here.
        tested: `[samples, exits] bool`, whether the policy tests a sample at an exit that it has not left before. True
            everywhere unless the policy skips exits; True at the final exit.
    """

    table: ExitTable
    tested: NDArray[np.bool_]

    @property
    def tested_rows(self) -> NDArray[np.bool_]:
        """The same by row of the network, `[rows, exits] bool`: a group is tested where one of its images is."""
        return np.asarray(self.tested.reshape(self.table.groups, self.table.fold, -1).any(axis=1))


def play(policy: ExitPolicy, trace: Trace) -> Played:
    """Return what the exits say under a policy.

    Raises:
        UserError: the policy cannot score such logits, or was not there when maps were recorded.
        DataError: a score is not a number.
    """
    if isinstance(trace, MapTrace):
        table = trace.table(policy)
        return Played(table=table, tested=np.ones(table.scores.shape, np.bool_))
    scores = np.empty((trace.samples, trace.exits), np.float32)
    answers = np.empty((trace.samples, trace.exits), np.int64)
    step = max(1, CHUNK_BYTES // (trace.exits * trace.classes * trace.logits.itemsize))
    for start in range(0, trace.samples, step):
        rows = slice(start, start + step)
        _play_rows(policy, np.asarray(trace.logits[rows]), scores[rows], answers[rows])
    tested = np.ones(scores.shape, np.bool_)
    if policy.skips_by is not None:
        tested[:, :-1] = scores[:, :-1] != NOT_TESTED
    table = ExitTable(scores=scores, answers=answers, labels=trace.labels, fold=trace.fold, rule=trace.rule)
    return Played(table=table, tested=tested)


def _play_rows(policy: ExitPolicy, logits: F32, scores: F32, answers: NDArray[np.int64]) -> None:
    """Fill in some rows, exit after exit."""
    state: State | None = None
    exits = logits.shape[1]
    for exit_ in range(exits):
        scores[:, exit_], state = policy.score(np.ascontiguousarray(logits[:, exit_]), state, exit_index=exit_)
        said = logits[:, exit_] if exit_ == exits - 1 else policy.answer(logits[:, exit_], state)
        answers[:, exit_] = said.argmax(axis=1)
