"""What a build found out: stored as `report/summary.json`, printed at the end, written by `--json`."""

from dataclasses import dataclass

from eerun.costs import CostTable

__all__ = ["BuildReport", "SegmentReport", "SplitReport"]


@dataclass(frozen=True, kw_only=True)
class SegmentReport:
    """One segment.

    Attributes:
        exit: name of the exit at its end.
        nodes: ONNX nodes, the policy's score among them.
        macs: multiply-accumulates a sample.
        parameters: number of weights.
        boundary_bytes: bytes a sample that go on to the next segment.
        boundary: names of the tensors that go on.
        threshold: a sample leaves when its score reaches this; None: nobody leaves here.
    """

    exit: str
    nodes: int
    macs: int
    parameters: int
    boundary_bytes: int
    boundary: tuple[str, ...]
    threshold: float | None


@dataclass(frozen=True, kw_only=True)
class SplitReport:
    """What the thresholds do to one split, replayed from recorded scores.

    Attributes:
        samples: number of samples.
        shares: share of the samples that leaves at each exit.
        accuracy: share answered as labelled; None without labels.
        accuracy_final: the same if all went to the final exit.
        exit_accuracy_all: accuracy of each exit if all samples left there; None without labels.
        agreement: share answered as the final exit would.
        expected_ms: expected milliseconds of a full batch.
        expected_ms_without_exits: the same if nobody leaves early.
    """

    samples: int
    shares: tuple[float, ...]
    accuracy: float | None
    accuracy_final: float | None
    exit_accuracy_all: tuple[float, ...] | None
    agreement: float
    expected_ms: float
    expected_ms_without_exits: float


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """Everything that a build measured.

    Attributes:
        model: the model's file name.
        bundle: the bundle's folder.
        policy: the exit policy.
        max_drop: allowed relative drop; None for thresholds by hand.
        drop_measure: `accuracy` or `agreement`.
        segments: one for each exit.
        whole_macs: multiply-accumulates a sample of the network without exit heads.
        costs: measured times.
        batch: batch size of the expected times.
        whole_ms: measured milliseconds of a full batch in the network without exit heads.
        tune: what thresholds were tuned on; None without data.
        test: data that tuning never saw; None without data.
        reference_error: largest difference of the logits from torch's, relative to their spread; None for ONNX.
        chain_error: largest difference of the chain's logits from the whole graph's, relative to their spread.
        warnings: what the user should know.
        seconds: how long the build took.
    """

    model: str
    bundle: str
    policy: str
    max_drop: float | None
    drop_measure: str
    segments: tuple[SegmentReport, ...]
    whole_macs: int
    costs: CostTable
    batch: int
    whole_ms: float
    tune: SplitReport | None
    test: SplitReport | None
    reference_error: float | None
    chain_error: float
    warnings: tuple[str, ...]
    seconds: float
