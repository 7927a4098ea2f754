"""What a build found out: stored as `report/summary.json`, printed at the end, written by `--json`."""

from dataclasses import dataclass

from eecompile.build.fold_comparison import FoldComparison
from eerun.costs import CostTable
from eerun.folding import GroupExit

__all__ = ["BuildReport", "RankReport", "SegmentReport", "SplitReport", "TargetReport", "TrialReport"]


@dataclass(frozen=True, kw_only=True)
class SegmentReport:
    """One segment. A row is a sample, or of a folded network a group of images.

    Attributes:
        exit: name of the exit at its end.
        nodes: ONNX nodes, the policy's score among them.
        macs: multiply-accumulates a row.
        parameters: number of weights.
        boundary_bytes: bytes a row that go on to the next segment.
        boundary: names of the tensors that go on.
        threshold: a sample passes when its score reaches this; None: nobody leaves here.
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

    Accuracy and agreement are shares of the samples, of maps shares of their pixels. Samples of a folded network are
    images, in whole groups.

    Attributes:
        samples: number of samples.
        units: what accuracy is a share of: samples, or pixels that are not ignored; None in reports of older builds.
        shares: share of the samples that each exit answers.
        accuracy: share answered as labelled; None without labels.
        accuracy_final: the same if all went to the final exit.
        accuracy_float32: the same of the final exit in float32.
        exit_accuracy_all: accuracy of each exit if all samples left there; None without labels.
        agreement: share answered as the final exit does in float32.
        expected_ms: expected milliseconds of a full batch.
        expected_ms_without_exits: the same if nobody leaves early.
    """

    samples: int
    units: int | None = None
    shares: tuple[float, ...]
    accuracy: float | None
    accuracy_final: float | None
    accuracy_float32: float | None
    exit_accuracy_all: tuple[float, ...] | None
    agreement: float
    expected_ms: float
    expected_ms_without_exits: float


@dataclass(frozen=True, kw_only=True)
class TrialReport:
    """One engine with graphs of one precision. Milliseconds are of a full batch.

    Attributes:
        engine: name of the backend.
        precision: precision of the graphs.
        whole_ms: the whole network without exit heads.
        chain_ms: the segments, if nobody leaves early.
        expected_ms: the segments with tuned thresholds, expected on *tune*; None without data.
        agreement: for each exit, the share of the *tune* samples answered as in float32; None without data.
        agreement_test: the same on *test*, which chose nothing.
        answers_kept: the same at the exit where each sample leaves in float32; None without data.
        tune: what thresholds were tuned on; None without data.
        test: data that tuning never saw; None without data.
        kept: whether it keeps the bound, and is in the bundle.
    """

    engine: str
    precision: str
    whole_ms: float
    chain_ms: float
    expected_ms: float | None
    agreement: tuple[float, ...] | None
    agreement_test: tuple[float, ...] | None
    answers_kept: float | None
    tune: SplitReport | None
    test: SplitReport | None
    kept: bool


@dataclass(frozen=True, kw_only=True)
class TargetReport:
    """Graphs of one precision for a device that was not there.

    Attributes:
        target: its name.
        precision: of the graphs.
        opset: of the graphs.
        agreement: share of the *tune* samples that the final exit answers as in float32; None without data.
        answers_kept: the same at the exit where each sample leaves in float32; None without data.
        keep_float: nodes that stay in float, float32 or for INT8 the type of the rest.
    """

    target: str
    precision: str
    opset: int
    agreement: float | None
    answers_kept: float | None
    keep_float: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RankReport:
    """How well a score tells right answers of an exit from wrong ones: area under the ROC curve on *tune*.

    Attributes:
        score: name of the policy.
        auroc: for each exit; None: all its answers are right, or all wrong.
    """

    score: str
    auroc: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """Everything that a build measured.

    Attributes:
        model: the model's file name.
        bundle: the bundle's folder.
        task: `classification`, or `segmentation`: accuracy and agreement are then shares of pixels.
        policy: the exit policy.
        max_drop: allowed relative drop; None for thresholds by hand, or tuned for a budget.
        drop_measure: `accuracy` or `agreement`.
        max_quant_drop: share of answers that may differ from float32.
        trials: everything that was measured, the chosen configuration first.
        calibration: how the INT8 ranges were made; None without.
        keep_float: nodes that stay in float in INT8 and half precision.
        segments: one for each exit, with the thresholds of the chosen configuration.
        whole_macs: multiply-accumulates a row of the network without exit heads.
        costs: measured times of the chosen configuration.
        batch: batch size of the expected times, in samples, of a folded network in images.
        whole_ms: measured milliseconds of a full batch in the network without exit heads, in the fastest configuration.
        fastest_whole: engine and precision of that one.
        targets: graphs for other devices.
        tune: what thresholds were tuned on; None without data.
        test: data that tuning never saw; None without data.
        reference_error: largest difference of the logits from torch's, relative to their spread; None for ONNX.
        chain_error: largest difference of the float32 chain's logits from the whole graph's, relative to their spread.
        warnings: what the user should know.
        seconds: how long the build took.
        ranks: how well scores of the chosen configuration tell right answers from wrong ones; none without data.
        fold: images a row; 1: the network is not folded.
        group_exit: when a group of a folded network leaves.
        folding: comparison with the network before folding, in the file of `--json`; None: there is none.
    """

    model: str
    bundle: str
    task: str = "classification"
    policy: str
    max_drop: float | None
    drop_measure: str
    max_quant_drop: float
    trials: tuple[TrialReport, ...]
    calibration: str | None
    keep_float: tuple[str, ...]
    segments: tuple[SegmentReport, ...]
    whole_macs: int
    costs: CostTable
    batch: int
    whole_ms: float
    fastest_whole: str
    targets: tuple[TargetReport, ...]
    tune: SplitReport | None
    test: SplitReport | None
    reference_error: float | None
    chain_error: float
    warnings: tuple[str, ...]
    seconds: float
    ranks: tuple[RankReport, ...] = ()
    fold: int = 1
    group_exit: GroupExit = GroupExit.ALL
    folding: FoldComparison | None = None
