"""What a bench run found out about folding."""

from dataclasses import dataclass

from eerun.bench.speeds import ContestantSummary
from eerun.bench.statistics import PairedRatio

__all__ = ["FoldingSummary", "GroupedSummary", "GroupingSummary", "UnfoldedSummary"]


@dataclass(frozen=True, kw_only=True)
class UnfoldedSummary:
    """The same network unfolded, in the same run. Ratios are of times: above 1 what is folded is faster.

    Attributes:
        bundle: name of its folder.
        engine: name of its chain's backend.
        precision: precision of its chain's graphs.
        chain: its chain with exits.
        chain_macs_per_sample: multiply-accumulates that a sample needed in the segments it ran through.
        whole_macs: multiply-accumulates a sample of its whole network.
        accuracy: share of the test split that its chain answers as labelled; None without labels.
        agreement: share that both chains answer alike.
        whole: name of its fastest whole network, among the baselines.
        folded_whole: name of the fastest folded whole network.
        chain_by_chain: time of its chain by time of the folded chain.
        chain_by_whole: time of its fastest whole network by time of the folded chain.
        whole_by_whole: time of its fastest whole network by time of the fastest folded one.
    """

    bundle: str
    engine: str
    precision: str
    chain: ContestantSummary
    chain_macs_per_sample: float
    whole_macs: int
    accuracy: float | None
    agreement: float
    whole: str
    folded_whole: str
    chain_by_chain: PairedRatio
    chain_by_whole: PairedRatio
    whole_by_whole: PairedRatio


@dataclass(frozen=True, kw_only=True)
class GroupedSummary:
    """The folded chain with one grouping.

    Attributes:
        speed: its speed.
        accuracy: share of the test split that it answers as labelled; None without labels.
        left: share of the groups that left at each exit.
    """

    speed: ContestantSummary
    accuracy: float | None
    left: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class GroupingSummary:
    """What it brings to put likely-easy images together: both groupings, in turns on the same batches.

    Attributes:
        arrival: neighbours of a batch share a group.
        easy: likely-easy images of a batch share a group.
        easy_by_arrival: time with `arrival` by time with `easy`; above 1 `easy` is faster.
        agreement: share of the test split that both answer alike.
    """

    arrival: GroupedSummary
    easy: GroupedSummary
    easy_by_arrival: PairedRatio
    agreement: float

    def other_than(self, grouping: str) -> tuple[str, GroupedSummary]:
        """The grouping that is not this one, by name."""
        return ("easy", self.easy) if grouping == "arrival" else ("arrival", self.arrival)


@dataclass(frozen=True, kw_only=True)
class FoldingSummary:
    """How the network is folded, and where its groups leave.

    Attributes:
        factor: images a group.
        widths: how hidden widths were rounded.
        group_exit: when a group leaves.
        grouping: which images of a batch share a group.
        groups: groups of a batch.
        left: share of the groups that left at each exit.
        left_at_best: the same if the images of each of these batches were grouped by the exit that answers them, which
            nobody knows before; what a grouping can bring is about that. Computed, not run. Where a group leaves before
            all have passed, those that have not count as if they had passed there.
        oracle_ms_at_best: mean milliseconds of a batch of the segments by themselves on such groups, or on those that
            there were where a batch of several parts takes less so; compare `BenchResult.oracle_ms`.
        groupings: the chain with either grouping; None: nothing predicts which images are easy, or a batch is no more
            than one group.
        unfolded: the same network unfolded; None: there was no such bundle.
    """

    factor: int
    widths: str
    group_exit: str
    grouping: str
    groups: int
    left: tuple[float, ...]
    left_at_best: tuple[float, ...]
    oracle_ms_at_best: float
    groupings: GroupingSummary | None
    unfolded: UnfoldedSummary | None
