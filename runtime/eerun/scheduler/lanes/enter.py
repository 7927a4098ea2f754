"""Samples of several calls enter a lane: their inputs one behind the other, and whose they are."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.executor import Chain
from eerun.executor.host import on_host
from eerun.folding import passes_needed, rows_of
from eerun.scheduler.lanes.calls import Calls
from eerun.scheduler.lanes.lane import Chunk
from eerun.scheduler.lanes.row_facts import CALL, SAMPLE, STATE, WAITS, RowFacts

__all__ = ["Entrance"]


class Entrance:
    """Fills the buffers of the first segment.

    Args:
        inputs: buffers `[rows · fold, ...]` by name.
        facts: of their rows.
        calls: takes note of the calls.
        chain: what will run on them.
    """

    def __init__(self, inputs: Mapping[str, Array], facts: RowFacts, calls: Calls, chain: Chain) -> None:
        self._inputs, self._facts, self._calls, self._fold = inputs, facts, calls, chain.fold
        self._needed_of = passes_needed(np.arange(chain.fold + 1), chain.group_exit)
        self._flat = facts.samples.reshape(-1, 3)

    def enter(self, chunks: Sequence[Chunk], samples: int) -> None:
        """Copy samples of calls one behind the other, and note whose they are.

        Args:
            chunks: what enters.
            samples: how many they are together.
        """
        given = [on_host(chunk.inputs) for chunk in chunks]
        rows = [slice(chunk.start, chunk.start + chunk.count) for chunk in chunks]
        for name, buffer in self._inputs.items():
            arrays = [arrays[name][part] for arrays, part in zip(given, rows, strict=True)]
            np.concatenate(arrays, out=buffer[:samples])
        self._note(chunks, samples)
        if self._fold > 1:
            self._fill_up(samples)

    def _note(self, chunks: Sequence[Chunk], samples: int) -> None:
        """Note whose the samples are."""
        counts = [chunk.count for chunk in chunks]
        requests = [chunk.request for chunk in chunks]
        facts, watches = self._flat[:samples], any(request.answers.shadow is not None for request in requests)
        places = self._calls.enter(requests, counts)
        if samples == len(chunks):
            facts[:, CALL] = places
            facts[:, SAMPLE] = [c.start if c.share is None else c.samples[0] for c in chunks]
        else:
            facts[:, CALL] = np.repeat(places, counts)
            facts[:, SAMPLE] = np.concatenate([chunk.samples for chunk in chunks])
        facts[:, STATE] = np.concatenate([_states(chunk) for chunk in chunks]) if watches else WAITS

    def _fill_up(self, samples: int) -> None:
        """Fill up the last row with its last image; nobody waits there for an answer."""
        rows = rows_of(samples, self._fold)
        last = samples - (rows - 1) * self._fold
        self._facts.missing[:rows] = self._needed_of[-1]
        self._facts.missing[rows - 1] = self._needed_of[last]
        for buffer in self._inputs.values():
            buffer[samples : rows * self._fold] = buffer[samples - 1]


def _states(chunk: Chunk) -> NDArray[np.intp]:
    """The state of each sample."""
    shadow = chunk.request.answers.shadow
    return np.full(chunk.count, WAITS) if shadow is None else WAITS + shadow.chosen[chunk.samples]
