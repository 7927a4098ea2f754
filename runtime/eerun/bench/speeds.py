"""How fast the contestants of a bench run were."""

from dataclasses import dataclass

from eerun.bench.statistics import Estimate, Latency, PairedRatio

__all__ = ["BaselineSummary", "ContestantSummary", "PaddingSummary", "RivalSummary"]


@dataclass(frozen=True, kw_only=True)
class ContestantSummary:
    """Speed of one contestant.

    Attributes:
        batches: calls that were timed.
        samples: samples in them.
        total_s: seconds in these calls.
        samples_per_s: throughput.
        latency: of one call.
    """

    batches: int
    samples: int
    total_s: float
    samples_per_s: float
    latency: Latency


@dataclass(frozen=True, kw_only=True)
class BaselineSummary:
    """The whole network without exit heads, in one engine and precision.

    Attributes:
        engine: name of the backend.
        precision: precision of the graph.
        speed: its own speed.
        speedup: its time by the time of the chain; above 1 the chain is faster.
        tail_speedup: the same of the 90th percentiles of latency.
        accuracy: share of the test split that it answers as labelled; None without labels.
        agreement: share that it and the chain answer alike.
        unfolded: whether it is that of the unfolded bundle.
    """

    engine: str
    precision: str
    speed: ContestantSummary
    speedup: PairedRatio
    tail_speedup: Estimate
    accuracy: float | None
    agreement: float
    unfolded: bool = False

    @property
    def words(self) -> str:
        """`ENGINE PRECISION`, for people."""
        return f"{self.engine} {self.precision}{', unfolded' if self.unfolded else ''}"


@dataclass(frozen=True, kw_only=True)
class PaddingSummary:
    """The chain with exits, and the whole networks, with every sample padded to the greatest length.

    Attributes:
        lengths: the length buckets that they have otherwise.
        speed: speed of the chain, padded.
        speedup: its time by the time of the chain with its length buckets; above 1 these bring something.
        whole: name of the fastest padded whole network, `ENGINE-PRECISION`.
        whole_speed: its speed.
        whole_speedup: its time by the time of the chain with its length buckets: what exits and lengths bring together.
    """

    lengths: tuple[int, ...]
    speed: ContestantSummary
    speedup: PairedRatio
    whole: str
    whole_speed: ContestantSummary
    whole_speedup: PairedRatio


@dataclass(frozen=True, kw_only=True)
class RivalSummary:
    """A slow rival on some samples of some batches.

    Attributes:
        name: the name that `--against` takes.
        words: what it is.
        calls: timed calls.
        samples: samples in them.
        ms_per_sample: mean milliseconds a sample.
        ratio: its time a sample by the chain's time a sample, in the same batch.
        same_label: share of its samples that the chain answers alike.
        same_exit: share of its samples that leave the chain at the same exit.
    """

    name: str
    words: str
    calls: int
    samples: int
    ms_per_sample: float
    ratio: PairedRatio
    same_label: float
    same_exit: float
