"""Answers of an exit, those of each call one behind the other."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.scheduler.lanes.calls import Calls
from eerun.scheduler.lanes.row_facts import CALL, CHOSEN, SAMPLE, STATE, RowFacts
from eerun.scheduler.request import Answered

__all__ = ["Gathered", "gather"]


class Gathered(NamedTuple):
    """Answers with what the lane has to know of them.

    Attributes:
        answered: the answers.
        calls: numbers of their calls.
        leave: how many samples of each of these calls do not go on: all that were answered, but those that are watched.
    """

    answered: Answered
    calls: list[int]
    leave: list[int]


def gather(
    facts: RowFacts,
    index: NDArray[np.intp],
    calls: Calls,
    said: tuple[Array, Array],
    exit_index: int,
    *,
    late: bool,
) -> Gathered:
    """Return copies of the answers to some samples, by call.

    Args:
        facts: of the rows.
        index: `[answered] intp`, which samples: `row · fold + image`; at least one.
        calls: whose they are.
        said: logits `[rows · fold, *output_shape]` and scores `[rows · fold]` of the exit.
        exit_index: of the exit.
        late: see `Answered`.
    """
    found = facts.samples.reshape(-1, 3).take(index, axis=0)
    owners = found[:, CALL].tolist()
    bounds: Sequence[int] = range(len(owners) + 1)
    if len(set(owners)) < len(owners):
        order = found[:, CALL].argsort(kind="stable")
        index, found = index.take(order), found.take(order, axis=0)
        sorted_owners = found[:, CALL]
        bounds = [0, *(np.flatnonzero(sorted_owners[1:] != sorted_owners[:-1]) + 1).tolist(), len(index)]
        owners = sorted_owners.take(bounds[:-1]).tolist()
    answered = Answered(
        exit_index=exit_index,
        requests=[calls[owner] for owner in owners],
        bounds=bounds,
        samples=found[:, SAMPLE],
        outputs=np.asarray(said[0].take(index, axis=0), np.float32),
        confidence=np.asarray(said[1].take(index), np.float32),
        late=late,
    )
    leave = [end - start for start, end in pairwise(bounds)]
    if calls.watched and exit_index < calls.final:
        stay = np.add.reduceat(found[:, STATE] == CHOSEN, bounds[:-1], dtype=np.intp)
        leave = [count - watched for count, watched in zip(leave, stay.tolist(), strict=True)]
    return Gathered(answered, owners, leave)
