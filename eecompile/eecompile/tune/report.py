"""What `eecompile tune` found: stored as `report/tune.json`, printed at the end, written by `--json`."""

from dataclasses import dataclass

from eecalib.partners import PartnerAgreement
from eecompile.build.report import RankReport
from eerun.folding import GroupExit

__all__ = [
    "CertificateReport",
    "EasinessReport",
    "FoldReport",
    "PointReport",
    "PolicyReport",
    "RuleReport",
    "RunReport",
    "SplitOutcome",
    "TuneReport",
]


@dataclass(frozen=True, kw_only=True)
class SplitOutcome:
    """What a policy with its thresholds gives on one split. Milliseconds are expected, of a batch.

    Samples of a folded network are images.

    Attributes:
        accuracy: share of answers that are right (labels, or where the drop is in agreement float32's answers).
        drop: relative to the final exit in float32.
        agreement: share answered as the final exit does in float32.
        batch_ms: of a batch of the size that was asked for.
        batch_p99_ms: what one batch in a hundred exceeds.
        single_ms: of one sample alone.
        macs: millions of multiply-accumulates a sample, estimated; None: not known for these graphs.
        shares: of the samples that each exit answers.
        tested: share of the samples, or groups of a folded network, whose head runs at each early exit.
    """

    accuracy: float
    drop: float
    agreement: float
    batch_ms: float
    batch_p99_ms: float
    single_ms: float
    macs: float | None
    shares: tuple[float, ...]
    tested: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class PointReport:
    """One operating point on *tune*: accuracy at an expected cost."""

    batch_ms: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class PolicyReport:
    """One policy that was tried.

    Attributes:
        name: of the tuner.
        exits: names of the exits that it uses, the final one included.
        heads_apart: whether heads are graphs of their own, so that those of skipped exits do not run.
        asked_drop: what was searched for, so that about the allowed drop is lost on new samples; None: a budget.
        thresholds: one for each exit but the last.
        tune: on what it was fitted to.
        test: on samples that chose nothing; None: there are none.
        every_head_ms: expected milliseconds of a batch on *tune* with the same thresholds at every head that a sample
            reaches; None: the policy skips none, or heads are in their segments.
        frontier: its operating points on *tune*.
        seconds: how long it took.
        whole_ms: of a batch in the fastest whole network, measured with it.
        whole_single_ms: the same of one sample.
        refused: why it cannot be chosen, or None.
        held_out_drop: the drop to expect on new samples, as samples of *tune* held out tell; None: a budget, or too few
            to tell.
    """

    name: str
    exits: tuple[str, ...]
    heads_apart: bool
    asked_drop: float | None
    thresholds: tuple[float | None, ...]
    tune: SplitOutcome
    test: SplitOutcome | None
    every_head_ms: float | None
    frontier: tuple[PointReport, ...]
    seconds: float
    whole_ms: float
    whole_single_ms: float
    refused: str | None
    held_out_drop: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What a bundle runs: the configuration that comes first, with its thresholds, certified ones if there are.

    Attributes:
        configuration: its name.
        thresholds: one for each exit but the last.
        tune: what they give on *tune*, as the engine answers.
        test: the same on samples that chose nothing; None: there are none.
    """

    configuration: str
    thresholds: tuple[float | None, ...]
    tune: SplitOutcome
    test: SplitOutcome | None


@dataclass(frozen=True, kw_only=True)
class CertificateReport:
    """What was promised, and what it takes.

    Attributes:
        risk: `accuracy drop` or `disagreement`.
        limit: the promise.
        confidence: of it.
        samples: of *certify*.
        groups: of a folded network, how many groups these are: they are independent, images of one are not; else None.
        candidates: how many were tested.
        certified: how many were.
        bound: upper confidence bound of the risk of what the bundle runs.
        risk_certify: the risk of that on *certify*.
        risk_test: the same on *test*; None: there is none.
    """

    risk: str
    limit: float
    confidence: float
    samples: int
    candidates: int
    certified: int
    bound: float
    risk_certify: float
    risk_test: float | None
    groups: int | None = None


@dataclass(frozen=True, kw_only=True)
class RuleReport:
    """What the bundle would do if groups left by some rule, with thresholds searched for it, as for the one it has.

    Attributes:
        rule: when a group leaves.
        tune: on *tune*.
        test: on samples that chose nothing; None: there are none.
        thresholds: one for each exit but the last.
    """

    rule: GroupExit
    tune: SplitOutcome
    test: SplitOutcome | None
    thresholds: tuple[float | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EasinessReport:
    """How well the exit that an image passes by itself is predicted before the network runs.

    It is fitted to the configuration that comes first, and serves all of them.

    Attributes:
        images: of *tune*, that it was fitted to.
        rank_correlation: Spearman's, between predicted and true exit of images held out.
    """

    images: int
    rank_correlation: float


@dataclass(frozen=True, kw_only=True)
class FoldReport:
    """What is particular to a folded network.

    Attributes:
        factor: images a row.
        rule: when a group leaves.
        rules: every rule, each with thresholds of its own.
        partners: how much an answer depends on the images beside it, on *test* or a part of it; None: there is none, or
            nothing was to be written.
        easiness: None: nothing could be fitted.
    """

    factor: int
    rule: GroupExit
    rules: tuple[RuleReport, ...]
    partners: PartnerAgreement | None
    easiness: EasinessReport | None


@dataclass(frozen=True, kw_only=True)
class TuneReport:
    """Everything that was tried.

    Attributes:
        bundle: name of the bundle's folder.
        configuration: that policies were tried on.
        goal: in words.
        batch: size of the batches that are expected, in samples, of a folded network in images.
        samples: number of samples by split, of a folded network those in whole groups.
        whole_ms: measured milliseconds of a batch in the fastest whole network without exit heads.
        whole_single_ms: the same of one sample.
        fastest_whole: name of that configuration.
        policies: everything that was tried, the chosen one first, then from fast to slow.
        chosen: name of the tuner whose policy the bundle runs now.
        runs: what the bundle runs now.
        ranks: how well scores rank.
        certificate: None: nothing was to be promised.
        warnings: what the user should know.
        written: whether the bundle was changed.
        seconds: together; recording and measuring included.
        search_seconds: of all policies.
        peak_bytes: most memory that the process held.
        fold: None: the network is not folded.
    """

    bundle: str
    configuration: str
    goal: str
    batch: int
    samples: dict[str, int]
    whole_ms: float
    whole_single_ms: float
    fastest_whole: str
    policies: tuple[PolicyReport, ...]
    chosen: str
    runs: RunReport
    ranks: tuple[RankReport, ...]
    certificate: CertificateReport | None
    warnings: tuple[str, ...]
    written: bool
    seconds: float
    search_seconds: float
    peak_bytes: int
    fold: FoldReport | None = None
