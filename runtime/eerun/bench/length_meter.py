"""Measure `T_k(b)` at every length bucket, between the batches of a bench run."""

from collections.abc import Mapping

from eengines.tensors import Array
from eerun.bench.contestants import ChainContestants
from eerun.bench.cost_meter import CostMeter
from eerun.bench.whole_network import WholeNetwork
from eerun.blend_costs import blend_costs
from eerun.costs import CostTable
from eerun.executor import LengthExecutor, LengthWhole, length_groups
from eerun.folding import rows_of

__all__ = ["LengthMeter", "Meter", "make_meter"]


class LengthMeter:
    """A `CostMeter` for each length bucket; they share the time.

    Attributes:
        meters: by length bucket, ascending.
        shares: of the samples in each.
    """

    def __init__(self, meters: Mapping[int, CostMeter], shares: Mapping[int, float]) -> None:
        self.meters = dict(meters)
        self.shares = dict(shares)

    @property
    def rounds(self) -> int:
        """How many times everything was measured."""
        return min(meter.rounds for meter in self.meters.values())

    def warm_up(self) -> None:
        """Run everything once, unmeasured."""
        for meter in self.meters.values():
            meter.warm_up()

    def catch_up(self, budget_ns: float) -> None:
        """Measure until the meters have together spent a budget, each its part."""
        for meter in self.meters.values():
            meter.catch_up(budget_ns / len(self.meters))

    def table(self) -> CostTable:
        """The expected times of a mixture of the samples' lengths."""
        tables = {length: meter.table() for length, meter in self.meters.items()}
        return blend_costs(tables, self.shares)

    def table_at(self, length: int | None) -> CostTable:
        """The medians at one length."""
        assert length is not None  # noqa: S101 - every step of such a network has one
        return self.meters[length].table()


Meter = CostMeter | LengthMeter


def make_meter(chain: ChainContestants, whole: WholeNetwork, inputs: Mapping[str, Array], *, batch: int) -> Meter:
    """Return what measures the segments of a run.

    Args:
        chain: the chain.
        whole: the whole network in its engine and precision.
        inputs: samples `[samples, ...]` by input name.
        batch: samples a batch.
    """
    if not isinstance(chain.executor, LengthExecutor) or not isinstance(whole.executor, LengthWhole):
        rows = rows_of(batch, chain.executor.fold)
        return CostMeter(chain.executor, whole, chain.model.costs, batch=rows)
    tables, executors, wholes = chain.way.length_costs(), chain.executor.at, whole.executor.at
    meters = {n: CostMeter(executors[n], wholes[n], tables[n], batch=batch) for n in tables}
    shares, samples = dict.fromkeys(tables, 0.0), len(next(iter(inputs.values())))
    for length, index, _ in length_groups(inputs, chain.model.manifest.inputs, [*tables]):
        shares[length] = len(index) / samples
    return LengthMeter(meters, shares)
