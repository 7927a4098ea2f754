"""What was composed: printed at the end, written by `--json`."""

from dataclasses import dataclass

from eecalib.composition import Limits

__all__ = ["ComposeReport", "CompositionReport", "HeadReport", "LimitReport"]


@dataclass(frozen=True, kw_only=True)
class HeadReport:
    """One candidate, on *tune*.

    Attributes:
        name: of the head.
        tap: what it reads.
        label: what tells it from the other heads of its tap.
        agreement: share of the samples for which it gives the final exit's answer.
        accuracy: share that it answers as labelled; None without labels.
        single_ms: milliseconds that it adds to its segment, for one sample.
        batch_ms: the same for a full batch.
        memory_bytes: of its weights.
        chosen: whether it is an exit.
        share: of the samples that leave there; None where it is no exit.
        precision: of those the share whose answer is that of the final exit, or right; None where nobody leaves.
        threshold: of its score; None where it is no exit.
    """

    name: str
    tap: str
    label: str
    agreement: float
    accuracy: float | None
    single_ms: float
    batch_ms: float
    memory_bytes: int
    chosen: bool
    share: float | None
    precision: float | None
    threshold: float | None


@dataclass(frozen=True, kw_only=True)
class CompositionReport:
    """Some heads as exits, with thresholds for the same drop as all others in the report.

    Attributes:
        name: what it is.
        heads: names, shallow to deep; those at which nobody would leave are left out.
        keeps_limits: whether it keeps the limits on tail, memory and the number of exits.
        tune_ms: expected milliseconds of a batch on *tune*.
        test_ms: the same on *test*, which chose nothing.
        tune_drop: relative drop on *tune*.
        test_drop: the same on *test*.
        full_ms: milliseconds of a batch in which nobody leaves.
        memory_bytes: of the weights of its heads.
    """

    name: str
    heads: tuple[str, ...]
    keeps_limits: bool
    tune_ms: float
    test_ms: float
    tune_drop: float
    test_drop: float
    full_ms: float
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class LimitReport:
    """A limit that costs time.

    Attributes:
        flag: of the limit.
        share: of the expected time that would be saved without it, as far as the first look tells.
    """

    flag: str
    share: float


@dataclass(frozen=True, kw_only=True)
class ComposeReport:
    """One composition, and what it was chosen from.

    Attributes:
        model: the checkpoint that was given.
        output: the one that was written; None: none.
        prune: whether other heads were left out of it.
        engine: that heads were measured in.
        precision: of the graphs.
        device: the processor, and the number of threads.
        policy: the score that decides who leaves.
        limits: that were kept.
        measure: what the drop is in: `accuracy` or `agreement`.
        batch: samples in a batch.
        samples: number of samples by split.
        whole_ms: milliseconds of a batch in the network without heads.
        asked_drop: what thresholds were searched for, so that the drop on new samples is about the allowed one.
        exact: whether all compositions were looked at; else a beam was searched.
        heads: all candidates, tap by tap.
        chosen: what was composed; without heads where none pays.
        others: what attach or the user had chosen, and each kind of head at every tap.
        limited_by: limits that cost time, the dearest first.
        search_seconds: of the search alone.
        seconds: of the whole run.
    """

    model: str
    output: str | None
    prune: bool
    engine: str
    precision: str
    device: str
    policy: str
    limits: Limits
    measure: str
    batch: int
    samples: dict[str, int]
    whole_ms: float
    asked_drop: float
    exact: bool
    heads: tuple[HeadReport, ...]
    chosen: CompositionReport
    others: tuple[CompositionReport, ...]
    limited_by: tuple[LimitReport, ...]
    search_seconds: float
    seconds: float

    @property
    def pays(self) -> bool:
        """Whether some exits are expected to save time."""
        return bool(self.chosen.heads)
