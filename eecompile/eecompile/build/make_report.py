"""Put together what a build measured."""

from time import perf_counter

from eecompile.build.prepare import Prepared
from eecompile.build.report import BuildReport, SegmentReport
from eecompile.build.settings import BuildSettings
from eecompile.build.tune import Tuned
from eerun.costs import CostTable

__all__ = ["make_report"]


def make_report(
    prepared: Prepared,
    costs: CostTable,
    tuned: Tuned,
    settings: BuildSettings,
    *,
    names: tuple[str, str],
    chain_error: float,
    started: float,
) -> BuildReport:
    """Return the report.

    Args:
        prepared: the network in segments.
        costs: measured times.
        tuned: thresholds, and what they do.
        settings: what the user chose.
        names: of the model file and of the bundle.
        chain_error: see `BuildReport`.
        started: `perf_counter()` when the build started.
    """
    return BuildReport(
        model=names[0],
        bundle=names[1],
        policy=settings.policy,
        max_drop=settings.max_drop if settings.thresholds is None else None,
        drop_measure="agreement" if settings.agreement else "accuracy",
        segments=_segments(prepared, tuned),
        whole_macs=prepared.split.whole_macs,
        costs=costs,
        batch=costs.max_batch,
        whole_ms=costs.whole_ms[-1],
        tune=tuned.tune,
        test=tuned.test,
        reference_error=prepared.reference_error,
        chain_error=chain_error,
        warnings=_warnings(tuned, costs, settings),
        seconds=perf_counter() - started,
    )


def _segments(prepared: Prepared, tuned: Tuned) -> tuple[SegmentReport, ...]:
    parts = zip(
        prepared.ingested.exits,
        prepared.split.segments,
        prepared.split.plan.segments,
        (*tuned.thresholds, None),
        strict=True,
    )
    return tuple(
        SegmentReport(
            exit=name,
            nodes=len(segment.model.graph),
            macs=segment.macs,
            parameters=segment.parameters,
            boundary_bytes=plan.crossing_bytes,
            boundary=plan.crossing,
            threshold=threshold,
        )
        for name, segment, plan, threshold in parts
    )


def _warnings(tuned: Tuned, costs: CostTable, settings: BuildSettings) -> tuple[str, ...]:
    """What a user should know before using the bundle."""
    found = []
    test = tuned.test
    if test is None:
        return ("no data: thresholds are as given, nothing is known about accuracy",)
    if test.expected_ms >= costs.whole_ms[-1]:
        found.append(
            f"exits do not pay here: expected {test.expected_ms:.2f} ms a batch of {costs.max_batch}, "
            f"the whole network takes {costs.whole_ms[-1]:.2f} ms"
        )
    final = 1.0 if settings.agreement else test.accuracy_final
    reached = test.agreement if settings.agreement else test.accuracy
    if settings.thresholds is None and final and reached is not None and reached < final * (1 - settings.max_drop):
        found.append(
            f"on test the drop is {1 - reached / final:.2%}, more than the {settings.max_drop:.2%} asked for: "
            "thresholds fitted to the tune split promise nothing on other samples"
        )
    return tuple(found)
