"""Answers of an exit, sorted by the call that they belong to."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.scheduler.lanes.calls import Calls
from eerun.scheduler.lanes.row_facts import CALL, CHOSEN, SAMPLE, STATE, RowFacts
from eerun.scheduler.request import Part

__all__ = ["Answered", "make_parts"]


class Answered(NamedTuple):
    """Answers to one call.

    Attributes:
        part: the answers.
        call: the call's number.
        leave: how many of these samples do not go on to be watched.
    """

    part: Part
    call: int
    leave: int


def make_parts(
    facts: RowFacts,
    index: NDArray[np.intp],
    calls: Calls,
    said: tuple[Array, Array],
    exit_index: int,
    *,
    late: bool,
) -> Iterator[Answered]:
    """Yield the answers to the samples of each call; they are copies.

    Args:
        facts: of the rows.
        index: `[answered] intp`, which samples: `row · fold + image`; at least one.
        calls: whose they are.
        said: logits `[rows · fold, *output_shape]` and scores `[rows · fold]` of the exit.
        exit_index: of the exit.
        late: see `Part`.
    """
    final = exit_index == len(calls.bars) - 1
    found = facts.samples.reshape(-1, 3).take(index, axis=0)
    owners, bounds = found[:, CALL], [0, len(index)]
    if len(index) > 1 and (owners != owners[0]).any():
        order = owners.argsort(kind="stable")
        index, found = index.take(order), found.take(order, axis=0)
        owners = found[:, CALL]
        bounds = [0, *(np.flatnonzero(owners[1:] != owners[:-1]) + 1).tolist(), len(index)]
    outputs = np.asarray(said[0].take(index, axis=0), np.float32)
    confidence = np.asarray(said[1].take(index), np.float32)
    samples, places = found[:, SAMPLE], owners.take(bounds[:-1]).tolist()
    for call, (start, end) in zip(places, pairwise(bounds), strict=True):
        part = Part(
            request=calls[call],
            samples=samples[start:end],
            outputs=outputs[start:end],
            exit_index=exit_index,
            confidence=confidence[start:end],
            late=late,
        )
        stay = 0 if final or not calls.watched else int(np.count_nonzero(found[start:end, STATE] == CHOSEN))
        yield Answered(part, call, end - start - stay)
