"""What a bench run found out: printed, and written by `--json`."""

from dataclasses import dataclass

from eerun.bench.environment import Environment
from eerun.bench.folding import FoldingSummary
from eerun.bench.gpu_result import GpuSummary
from eerun.bench.settings import BenchSettings
from eerun.bench.speeds import BaselineSummary, ContestantSummary, PaddingSummary, RivalSummary
from eerun.bench.statistics import PairedRatio
from eerun.bench.subject import Subject
from eerun.costs import CostTable

__all__ = [
    "BenchResult",
    "ExitSummary",
    "Float32Summary",
    "Quality",
    "SegmentSummary",
    "Trial",
]


@dataclass(frozen=True, kw_only=True)
class Float32Summary:
    """The whole network in float32, which accuracy is promised against; outside the timed run if it is not in it.

    Attributes:
        engine: name of the backend.
        accuracy: share of the test split that it answers as labelled; None without labels.
        agreement: share that it and the chain answer alike.
    """

    engine: str
    accuracy: float | None
    agreement: float


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Answers of one pass over the test split; shares are of its samples or, with one answer a pixel, of its pixels.

    Pixels that their label says do not count are left out where answers are compared with labels.

    Attributes:
        samples: size of the split.
        unit: what shares are of, and what won and lost count: `sample` or `pixel`.
        accuracy: share that the chain answers as labelled; None without labels.
        accuracy_whole: the same of the fastest whole network.
        won: samples or pixels that only the chain answers as labelled.
        lost: those that only the fastest whole network answers as labelled.
        agreement: share where chain and fastest whole network say the same.
        agreement_exits_off: share where the chain with exits off and the whole network of its own engine and precision
            say the same.
        mean_iou: mean intersection over union of the chain's answers; None without labels, or for one answer a sample.
        mean_iou_whole: the same of the fastest whole network.
        float32: the network in float32; None: no float32 configuration runs here.
    """

    samples: int
    unit: str = "sample"
    accuracy: float | None
    accuracy_whole: float | None
    won: int | None
    lost: int | None
    agreement: float
    agreement_exits_off: float
    mean_iou: float | None = None
    mean_iou_whole: float | None = None
    float32: Float32Summary | None


@dataclass(frozen=True, kw_only=True)
class ExitSummary:
    """Those whom one exit answers. If it answers nobody all but the share is None. Accuracy as in `Quality`.

    Attributes:
        name: name of the exit.
        threshold: a sample leaves when its score reaches this; None: nobody leaves here, or it is the last.
        share: share of the samples that leaves here, in one pass over the test split; of a folded network the share of
            the images that are answered here.
        percentile_50_ms: latency from the start of the batch until the answers of this exit were there.
        percentile_90_ms: as above.
        percentile_99_ms: as above.
        accuracy: share of the leavers answered as labelled; None without labels.
        agreement: share of the leavers answered as the fastest whole network does.
    """

    name: str
    threshold: float | None
    share: float
    percentile_50_ms: float | None
    percentile_90_ms: float | None
    percentile_99_ms: float | None
    accuracy: float | None
    agreement: float | None


@dataclass(frozen=True, kw_only=True)
class SegmentSummary:
    """What one segment did, on average over the runs in which anyone reached it; None if nobody ever did.

    A row is a sample, or of a folded network a group of images.

    Attributes:
        exit: name of the exit at its end.
        reached: share of the runs in which anyone reached it.
        rows_in: rows that it ran on, dead rows among them, without padding.
        survivors_in: rows that had not left before.
        survivors_out: rows that went on.
        run_ms: milliseconds in the engine.
        boundary_us: microseconds from there to the next segment: decision, answers, compaction.
    """

    exit: str
    reached: float
    rows_in: float | None
    survivors_in: float | None
    survivors_out: float | None
    run_ms: float | None
    boundary_us: float | None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One of up to ten consecutive parts of the run.

    Attributes:
        samples: samples that each contestant answered.
        chain_s: seconds of the chain.
        baselines_s: seconds of each whole network, by name.
        chain_macs_per_sample: multiply-accumulates that a sample needed in the segments it ran through.
        unfolded_s: seconds of the chain of the unfolded bundle; None: there was none.
    """

    samples: int
    chain_s: float
    baselines_s: dict[str, float]
    chain_macs_per_sample: float
    unfolded_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """Everything that a bench run measured.

    Attributes:
        format: format and version of this record.
        environment: machine, versions, command and date.
        settings: what the user chose; of files and folders the names only.
        subject: what was measured.
        chain: the chain with exits.
        exits_off: the chain when nobody leaves early.
        baselines: the whole networks without exit heads of the run, by name `ENGINE-PRECISION`; all agree with float32
            to the bound of the build.
        fastest: name of the baseline with the least total time.
        own: name of the baseline in the chain's own engine and precision.
        heat_ms: milliseconds of a batch of every whole network tried, by name, in the heats before the run.
        not_tried: why other configurations of the bundle cannot run here, or what their engine said.
        hard_input: time of the chain with exits off by time of the fastest whole network.
        oracle: time of the chain by Σ_k T_k(survivors_k).
        oracle_ms: mean milliseconds of that sum.
        quality: accuracy and agreement.
        exits: one for each exit.
        segments: one for each segment.
        costs: `T_k(b)` of the chain's engine and precision as measured in this run.
        break_even_share: see `break_even_share`, against the fastest whole network; None: no share is large enough.
        rival: the rival of `--against`.
        trials: consecutive parts of the run.
        wall_s: seconds of the whole run, all contestants together.
        warnings: what the user should know.
        gpu: the card and the times on it; None: the chain ran on the host.
        padding: what length buckets bring; None: the network has no sequence axis.
        folding: how it is folded, and what that brings; None: it is not.
    """

    format: str
    environment: Environment
    settings: BenchSettings
    subject: Subject
    chain: ContestantSummary
    exits_off: ContestantSummary
    baselines: dict[str, BaselineSummary]
    fastest: str
    own: str
    heat_ms: dict[str, float]
    not_tried: tuple[str, ...]
    hard_input: PairedRatio
    oracle: PairedRatio
    oracle_ms: float
    quality: Quality
    exits: tuple[ExitSummary, ...]
    segments: tuple[SegmentSummary, ...]
    costs: CostTable
    break_even_share: float | None
    rival: RivalSummary | None
    trials: tuple[Trial, ...]
    wall_s: float
    warnings: tuple[str, ...]
    gpu: GpuSummary | None = None
    padding: PaddingSummary | None = None
    folding: FoldingSummary | None = None

    @property
    def whole(self) -> BaselineSummary:
        """The fastest whole network of the run, which the chain is judged by."""
        return self.baselines[self.fastest]
