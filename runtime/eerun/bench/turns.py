"""The order of turns: who answers when, so that nobody is slowed down by who came before.

A turn is one contestant answering a block, a few batches that hold 32 samples or more, one batch after the other. All
contestants answer the same block before the next one begins, and ratios are taken block by block.

Engines have thread pools of their own. Their threads spin for a while when they are done and take the cores from
whoever comes next; when they have gone to sleep they must be woken; and caches and buffers hold another network's data.
Measured on two cores (resnet56_3, OpenVINO bfloat16 and ONNX Runtime float32 by turns, medians at batch 32):

                                          OpenVINO   ONNX Runtime
    alone, call after call                 18.4 ms      34.9 ms
    alone, after a pause of 20 ms          18.7 ms      35.0 ms
    switch                                 34.5 ms      35.2 ms
    switch, pause of 20 ms                 27.9 ms      35.1 ms
    switch, untimed call                   22.0 ms      34.8 ms
    switch, pause of 5 ms, untimed call    19.6 ms      34.9 ms
    switch, pause of 20 ms, untimed call   18.5 ms      34.9 ms

At batch 1 a pause costs even an engine alone, 0.81 to 1.32 ms and 1.21 to 1.63 ms, until an untimed call has woken its
threads (0.82 and 1.25 ms). Hence both: a pause where the engine changes, and one untimed call at the start of every
turn of everyone, on the batch before the block, as when a service answers batch after batch. In a run so ordered
OpenVINO took 18.56 ms beside ONNX Runtime and 18.56 ms without it (batch 1: 0.798 and 0.799 ms). Engines are grouped,
and the direction turns round from block to block, so that each block has one switch less than there are engines.
"""

from collections.abc import Mapping, Sequence
from time import sleep
from typing import TypeVar

from eerun.bench.statistics import batches_a_pair

__all__ = ["SETTLE_S", "Settle", "block_batches", "turn_order", "turns_of_block"]

SETTLE_S = 0.02
"""Pause where the engine changes."""

T = TypeVar("T")


class Settle:
    """Waits until the threads of another engine have gone to sleep."""

    def __init__(self) -> None:
        self._engine: str | None = None

    def before(self, engine: str) -> None:
        """Pause if the last turn was of another engine."""
        if self._engine not in (None, engine):
            sleep(SETTLE_S)
        self._engine = engine


def block_batches(batch: int) -> int:
    """How many batches a contestant answers in one turn: as many as make a pair."""
    return batches_a_pair(batch)


def turn_order(names: Sequence[T], turn: int) -> list[T]:
    """Who comes first rotates; after each full rotation the direction turns round, so that neighbours change too."""
    start = turn % len(names)
    order = [*names[start:], *names[:start]]
    return order[::-1] if (turn // len(names)) % 2 else order


def turns_of_block(engines: Mapping[str, str], block: int) -> list[str]:
    """Return the contestants in the order of one block: engine by engine, in turns within an engine.

    Args:
        engines: contestant -> engine, the engines in their order of first mention.
        block: number of the block; odd ones take the engines backwards.
    """
    groups = {engine: [name for name in engines if engines[name] == engine] for engine in engines.values()}
    order = [*groups][::-1] if block % 2 else [*groups]
    return [name for engine in order for name in turn_order(groups[engine], block)]
