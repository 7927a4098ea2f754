"""The lanes of an executor: they share its engines, and whatever keeps its calls apart."""

from collections.abc import Mapping
from dataclasses import dataclass

from eengines.device import DeviceView
from eengines.tensors import Array
from eerun.bundle.manifest import InputEntry
from eerun.costs import CostTable
from eerun.executor import Executor, HostExecutor, LengthExecutor, length_groups
from eerun.executor.host import on_host
from eerun.folding import rows_of
from eerun.scheduler.lanes.batch_lane import BatchLane
from eerun.scheduler.lanes.chain_lane import ChainLane
from eerun.scheduler.lanes.lane import Lane
from eerun.scheduler.lanes.share import Share

__all__ = ["Lanes", "open_lanes"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lanes:
    """All lanes of an executor.

    Attributes:
        lanes: one; of a sequence network one for each length bucket, ascending.
        lengths: the length bucket of each lane; empty without a sequence axis.
        entries: the inputs that the bundle declares; empty without a sequence axis.
    """

    lanes: tuple[Lane, ...]
    lengths: tuple[int, ...] = ()
    entries: tuple[InputEntry, ...] = ()

    def share(self, inputs: Mapping[str, Array | DeviceView], count: int) -> tuple[Share, ...]:
        """Say which lane each sample of a call goes to; shares of a lane without samples are left out.

        Args:
            inputs: arrays `[count, ...]`, checked.
            count: number of samples.

        Raises:
            InputError: arrays of different lengths, or a sample that is too long.
        """
        if not self.lengths:
            return (Share(lane=0, count=count, inputs=inputs),)
        groups = length_groups(on_host(inputs), self.entries, self.lengths)
        return tuple(
            Share(lane=self.lengths.index(length), count=len(index), inputs=rows, samples=index)
            for length, index, rows in groups
        )


def open_lanes(executor: Executor, costs: CostTable, *, max_batch: int | None = None, in_flight: int = 1) -> Lanes:
    """Return the lanes of an executor.

    Args:
        executor: runs the chain; its calls and the lanes' runs take turns.
        costs: measured times of its chain; executors of the host know their own, also at each length.
        max_batch: the most samples that run together; None: as many as the executor takes.
        in_flight: how many batches a device runs at once.
    """
    most = executor.max_batch if max_batch is None else min(max_batch, executor.max_batch)
    if isinstance(executor, LengthExecutor):
        lanes = tuple(_open_lane(at, costs, most, 1, length) for length, at in executor.at.items())
        return Lanes(lanes=lanes, lengths=tuple(executor.at), entries=executor.entries)
    return Lanes(lanes=(_open_lane(executor, costs, most, in_flight, None),))


def _open_lane(executor: Executor, costs: CostTable, max_batch: int, in_flight: int, length: int | None) -> Lane:
    """The lane of one chain; of one with heads as graphs of their own, or that runs elsewhere, for whole batches."""
    most = rows_of(max_batch, executor.fold)
    if not isinstance(executor, HostExecutor):
        return BatchLane(executor, costs, max_rows=most, in_flight=in_flight)
    if executor.chain.heads:
        return BatchLane(executor, executor.costs, max_rows=most)
    return ChainLane(executor.chain, executor.costs, max_rows=most, lock=executor.lock, length=length)
