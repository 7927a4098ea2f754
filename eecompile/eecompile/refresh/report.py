"""What a refresh did: stored as `report/refresh.json`, printed at the end, written by `--json`."""

from dataclasses import dataclass

from eecompile.build.report import SplitReport

__all__ = ["RefreshReport", "RefreshSeconds", "RefreshedConfiguration", "RefreshedHead"]


@dataclass(frozen=True, kw_only=True)
class RefreshedHead:
    """One exit but the last, on the validation share of the recent samples.

    Attributes:
        name: of the head.
        agreement_before: share of the samples (of their pixels, where the answer is dense) for which it gave the
            trunk's answer.
        agreement: the same after training.
        accuracy_before: share that it answered as labelled; None without labels.
        accuracy: the same after training.
        best_epoch: the epoch with the best weights; 0: training did not improve it.
        replaced: whether the bundle has the new weights; else it has the old ones, bit for bit.
        problem: why training gave it up, or None.
    """

    name: str
    agreement_before: float
    agreement: float
    accuracy_before: float | None
    accuracy: float | None
    best_epoch: int
    replaced: bool
    problem: str | None


@dataclass(frozen=True, kw_only=True)
class RefreshedConfiguration:
    """One way to run the bundle on the CPU, with new heads and thresholds.

    Attributes:
        name: as in the manifest.
        segments: numbers of the segments whose graphs were replaced.
        thresholds_before: as they were.
        thresholds: as they are now; the same where the old ones still do.
        agreement: share of the recent *tune* samples that the final exit answers as in float32.
        tune: what the thresholds do to the recent *tune* samples.
        test: the same on the recent *test* samples, which chose nothing.
    """

    name: str
    segments: tuple[int, ...]
    thresholds_before: tuple[float | None, ...]
    thresholds: tuple[float | None, ...]
    agreement: float
    tune: SplitReport
    test: SplitReport


@dataclass(frozen=True, kw_only=True)
class RefreshSeconds:
    """How long each step took.

    Attributes:
        features: the trunk on the recent training samples.
        training: everything else of the training.
        graphs: export, cut and lower; 0 where no head is replaced.
        tuning: record the exits and tune thresholds.
        writing: put checkpoint and bundle in place; None in the bundle itself, which is written before that is known.
        total: of the whole refresh; in the bundle itself without writing.
    """

    features: float
    training: float
    graphs: float
    tuning: float
    writing: float | None
    total: float


@dataclass(frozen=True, kw_only=True)
class RefreshReport:
    """One refresh.

    Attributes:
        bundle: name of the bundle's folder.
        model: the checkpoint with the refreshed heads; where none was replaced, the one that was given.
        written: whether anything was replaced.
        source_sha256_before: digest of the checkpoint that was refreshed.
        source_sha256: digest of the checkpoint of the bundle now.
        target: what heads learned, `trunk` or `labels`.
        min_gain: see `RefreshSettings`.
        max_drop: allowed relative drop against the final exit on *tune*; None: thresholds stayed as they were.
        tuned_for: where they stayed, what they were tuned for, as words; None: nothing, they were given by hand.
        drop_measure: what drops, `accuracy` or `agreement`.
        samples: number of recent samples by split; *validation* is a part of *train*.
        heads: shallow to deep.
        segments: how many the bundle has.
        chosen_before: name of the configuration that the bundle ran.
        before: what its old heads and thresholds do to the recent *test* samples; None: it does not run here.
        configurations: what the bundle has for the CPU now, the one that it runs first.
        observed: values of the replaced heads whose INT8 ranges were taken from the recent samples.
        dropped: configurations, targets and certificates that the bundle has no longer, and why.
        left: configurations on the CPU that could not be run here and are as they were, and why.
        batch: batch size of the expected times.
        whole_ms: of the whole network without exit heads, a full batch, in the fastest configuration that the bundle
            has for the CPU.
        fastest_whole: its engine and precision, as words.
        exits_pay: whether the first of `configurations` is expected to be faster than that on *test*.
        device: where training ran, and in which precision, as words.
        seconds: of each step.
    """

    bundle: str
    model: str
    written: bool
    source_sha256_before: str
    source_sha256: str
    target: str
    min_gain: float
    max_drop: float | None
    tuned_for: str | None = None
    drop_measure: str
    samples: dict[str, int]
    heads: tuple[RefreshedHead, ...]
    segments: int
    chosen_before: str
    before: SplitReport | None
    configurations: tuple[RefreshedConfiguration, ...]
    observed: int
    dropped: tuple[str, ...]
    left: tuple[str, ...]
    batch: int
    whole_ms: float
    fastest_whole: str
    exits_pay: bool
    device: str
    seconds: RefreshSeconds

    @property
    def segments_replaced(self) -> tuple[int, ...]:
        """Numbers of the segments that were replaced in some configuration."""
        return tuple(sorted({index for way in self.configurations for index in way.segments}))
