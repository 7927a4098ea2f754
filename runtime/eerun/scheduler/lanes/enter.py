"""Samples of several calls enter a lane: their inputs one behind the other, and whose they are."""

from collections.abc import Mapping

import numpy as np

from eengines.tensors import Array
from eerun.executor import Chain
from eerun.executor.host import on_host
from eerun.folding import passes_needed, rows_of
from eerun.scheduler.lanes.calls import Calls
from eerun.scheduler.lanes.lane import Chunk
from eerun.scheduler.lanes.row_facts import GONE, STATE, WAITS, RowFacts

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
        self._samples = 0

    def open(self, rows: int) -> None:
        """Begin to fill so many rows: nobody is there yet."""
        self._samples = 0
        self._facts.samples[:rows, :, STATE] = GONE

    def enter(self, chunk: Chunk) -> None:
        """Copy samples behind those that are there, and note whose they are."""
        first, end = self._samples, self._samples + chunk.count
        given, shadow = on_host(chunk.inputs), chunk.request.answers.shadow
        for name, buffer in self._inputs.items():
            buffer[first:end] = given[name][chunk.start : chunk.start + chunk.count]
        samples = chunk.start if chunk.count == 1 and chunk.share is None else chunk.samples
        state = WAITS if shadow is None else WAITS + shadow.chosen[samples]
        call = self._calls.enter(chunk.request, chunk.count)
        rows = self._flat[first:end].T
        rows[0], rows[1], rows[2] = call, samples, state
        self._samples = end

    def close(self) -> None:
        """Fill up the last row with its last image; nobody waits there for an answer."""
        if self._fold == 1:
            return
        rows = rows_of(self._samples, self._fold)
        last = self._samples - (rows - 1) * self._fold
        self._facts.missing[:rows] = self._needed_of[-1]
        self._facts.missing[rows - 1] = self._needed_of[last]
        for buffer in self._inputs.values():
            buffer[self._samples : rows * self._fold] = buffer[self._samples - 1]
