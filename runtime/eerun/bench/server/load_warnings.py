"""What a reader of a load test should know before believing it."""

from collections.abc import Mapping

from eerun.bench.server.load_result import LoadSummary
from eerun.bench.server.summarise_load import LATE_MS

__all__ = ["load_warnings"]

LATE_SHARE = 0.01
BUSY_SHARE = 0.8


def load_warnings(servers: Mapping[str, LoadSummary]) -> tuple[str, ...]:
    """Return one sentence for each reason to doubt a figure."""
    return tuple(
        f"{name}: {words}." for name, summary in servers.items() for words in (*_generator(summary), *_answers(summary))
    )


def _generator(summary: LoadSummary) -> list[str]:
    """Where the load generator itself was too slow."""
    generator, found = summary.generator, []
    if generator.late > LATE_SHARE * summary.queries:
        found.append(
            f"{generator.late} of {summary.queries} queries were sent more than {LATE_MS:g} ms late, the latest "
            f"{generator.late_ms['100']:.3g} ms: the load generator did not get a core in time; this counts as latency"
        )
    if generator.waited:
        found.append(
            f"{generator.waited} queries waited because all {generator.connections} connections were busy; "
            "--connections allows more"
        )
    if generator.cpu_us * summary.scheduled_qps > BUSY_SHARE * 1e6:
        found.append("the load generator used nearly all of a core: it may have been the bottleneck")
    return found


def _answers(summary: LoadSummary) -> list[str]:
    """Where answers are missing or wrong."""
    found = []
    if summary.checked is not None and summary.checked.wrong:
        checked = summary.checked
        found.append(
            f"answers differ from Model.infer: {checked.other_label} samples have another label, {checked.other_exit} "
            f"left at another exit, {checked.unreadable} answers could not be read"
        )
    if summary.failed:
        kinds = ", ".join(f"{count} {kind}" for kind, count in summary.failed.items())
        found.append(f"queries failed: {kinds}")
    return found
