"""What a run of `eecompile engines` did."""

from dataclasses import dataclass

from eerun.costs import CostTable

__all__ = ["BuiltPlan", "EnginesReport", "MeasuredConfiguration"]


@dataclass(frozen=True, kw_only=True)
class BuiltPlan:
    """One plan.

    Attributes:
        label: engine, precision, and segment or whole network.
        status: `hit`: it was kept; `built` or `rebuilt`.
        reason: why it was built, or that it was kept.
        plan_bytes: size of the plan.
        build_s: seconds that it took.
        notes: what had to be changed so that the library takes the graph.
        not_kept: why it is not in the cache now; empty: it is.
    """

    label: str
    status: str
    reason: str
    plan_bytes: int
    build_s: float
    notes: tuple[str, ...]
    not_kept: str


@dataclass(frozen=True, kw_only=True)
class MeasuredConfiguration:
    """A configuration that the bundle has now.

    Attributes:
        name: as in the manifest.
        costs: measured on the card, in rows of the graphs.
        batch: samples of a full batch, of a folded network images.
        thresholds: one for each exit but the last.
        tuned: whether they were tuned on what this card says; else they are those of the bundle.
        agreement: share of the *tune* samples that the final exit answers as in float32; None without data.
        expected_ms: expected milliseconds of a full batch with exits; without data, if nobody leaves.
        whole_ms: of a full batch in the network without exit heads.
    """

    name: str
    costs: CostTable
    batch: int
    thresholds: tuple[float | None, ...]
    tuned: bool
    agreement: float | None
    expected_ms: float
    whole_ms: float


@dataclass(frozen=True, kw_only=True)
class EnginesReport:
    """Everything that was built and measured.

    Attributes:
        bundle: name of the bundle's folder.
        target: the card, for people.
        plans: in the order in which they were built.
        configurations: measured ones, the fastest first; empty where the card is not here.
        skipped: what could not be built or measured, and why.
        next_command: what to run where the card is; None: it is here.
    """

    bundle: str
    target: str
    plans: tuple[BuiltPlan, ...]
    configurations: tuple[MeasuredConfiguration, ...]
    skipped: tuple[str, ...]
    next_command: str | None
