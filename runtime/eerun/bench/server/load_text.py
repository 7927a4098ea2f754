"""A load test as text: LoadGen's summary and perf_analyzer's block for each server, then exits, segments, verdict."""

from eerun.bench.server.load_result import LoadResult, LoadSummary
from eerun.bench.server.open_targets import CHAIN
from eerun.bench.server.settings import LoadSettings
from eerun.bench.table import aligned, number, share

__all__ = ["load_text"]

US_PER_MS = 1000


def load_text(result: LoadResult) -> str:
    """Return the blocks that `eerun bench --scenario server` prints, without an end of line."""
    blocks = list[list[str]]()
    for name, summary in result.servers.items():
        blocks += [_loadgen(name, summary, result.settings), _client(summary)]
        if summary.exits:
            blocks += [_exits(summary), _segments(summary)]
    blocks.append(["=== Verdict ===", *_verdict(result), *(f"* {warning}" for warning in result.warnings)])
    return "\n\n".join("\n".join(block) for block in blocks)


def _loadgen(name: str, summary: LoadSummary, settings: LoadSettings) -> list[str]:
    """The wording of LoadGen's summary."""
    held, samples = summary.constraints, summary.samples_a_query
    latency, percentiles = summary.latency, summary.latency.percentiles_ms.items()
    lines = [
        f"=== MLPerf results summary: {name} ===",
        f"SUT name : {summary.server}",
        "Scenario : Server",
        "Mode     : PerformanceOnly",
        f"Scheduled samples per second : {summary.scheduled_qps * samples:.2f}",
        f"Completed samples per second : {summary.completed_qps * samples:.2f}",
        f"Result is : {'VALID' if held.valid else 'INVALID'}",
        f"  Performance constraints satisfied : {_yes(held.performance)}",
        f"  Min duration satisfied : {_yes(held.min_duration)}",
        f"  Min queries satisfied : {_yes(held.min_queries)}",
        *(f"  * {reason}" for reason in held.reasons),
        "",
        f"Min latency (ms)             : {number(latency.min_ms, 3)}",
        f"Max latency (ms)             : {number(latency.max_ms, 3)}",
        f"Mean latency (ms)            : {number(latency.mean_ms, 3)}",
    ]
    lines += [f"{float(percent):.2f} percentile latency (ms) : {number(ms, 3)}" for percent, ms in percentiles]
    goodput = f"{summary.goodput_qps:.2f} queries/s within {settings.slo_ms:g} ms"
    if samples > 1:
        goodput += f", {summary.goodput_qps * samples:.2f} samples/s"
    return [*lines, "", f"Goodput : {goodput}", *_counts(summary)]


def _counts(summary: LoadSummary) -> list[str]:
    """What became of the queries."""
    kinds = {**summary.refused, **summary.failed}
    others = "".join(f", {count} {kind}" for kind, count in kinds.items())
    lines = [f"Queries : {summary.queries}, {summary.answered} answered, {summary.within_slo} in time{others}"]
    if summary.checked is not None:
        checked = summary.checked
        lines.append(
            f"Answers : {checked.samples} samples compared with Model.infer, {checked.other_label} with another label, "
            f"{checked.other_exit} at another exit, {checked.unreadable} answers unreadable; {checked.open} samples "
            "not compared, where infer itself depends on the batch"
        )
    generator = summary.generator
    lines.append(
        f"Load generator : {generator.cpu_us:.0f} us CPU a query, behind schedule {generator.late_ms['50']:.3f} ms "
        f"(median), {generator.late_ms['99']:.3f} ms (99 %), {generator.late_ms['100']:.3f} ms (most); "
        f"{generator.connections} connections, {generator.opened} of them opened under load"
    )
    if summary.server_cpu_ms is not None:
        lines.append(f"Server : {summary.server_cpu_ms:.3f} ms CPU a query")
    return lines


def _client(summary: LoadSummary) -> list[str]:
    """The wording of perf_analyzer."""
    latency = summary.latency
    lines = [
        f"Request Rate: {summary.qps:g} inference requests per seconds",
        "  Client:",
        f"    Request count: {summary.answered}",
        f"    Throughput: {summary.completed_qps * summary.samples_a_query:.6g} infer/sec",
        f"    Avg latency: {_us(latency.mean_ms)} usec",
    ]
    shown = {"50": "p50", "90": "p90", "95": "p95", "99": "p99"}
    lines += [f"    {shown[key]} latency: {_us(ms)} usec" for key, ms in latency.percentiles_ms.items() if key in shown]
    if summary.segments:
        executions = summary.segments[0].runs
        queue, compute = _us(summary.queue_ms), _us(summary.compute_ms)
        lines += ["  Server:", f"    Execution count: {executions}", f"    queue {queue} usec + compute {compute} usec"]
    return lines


def _us(ms: float | None) -> str:
    return "-" if ms is None else f"{ms * US_PER_MS:.0f}"


def _exits(summary: LoadSummary) -> list[str]:
    rows = [("exit", "share"), *((name, share(part, 1)) for name, part in summary.exits.items())]
    return ["=== Exit summary ===", *aligned(rows)]


def _segments(summary: LoadSummary) -> list[str]:
    rows = [("segment", "runs", "batch", "alive", "run ms", "boundary us", "runs of at most so many rows")]
    rows += [
        (
            str(segment.segment),
            str(segment.runs),
            number(segment.rows, 2),
            number(segment.alive, 2),
            number(segment.run_ms, 3),
            number(segment.boundary_us, 1),
            " ".join(f"{bound.removesuffix('.0')}:{count}" for bound, count in segment.batch_sizes.items()),
        )
        for segment in summary.segments
    ]
    return ["=== Segment summary ===", *aligned(rows)]


def _verdict(result: LoadResult) -> list[str]:
    """Chain against whole network, or one server alone."""
    settings, servers = result.settings, result.servers
    words = "the greatest load that held" if settings.qps is None else "goodput"
    lines = [
        f"{name}: {words} {summary.goodput_qps:.2f} queries/s within {settings.slo_ms:g} ms at {summary.qps:.2f} "
        f"scheduled, {'VALID' if summary.constraints.valid else 'INVALID'}"
        for name, summary in servers.items()
    ]
    ratio = result.goodput_ratio
    if ratio is not None:
        lines.append(
            f"Goodput of the chain is {ratio.value:.3f}x that of the whole network in the same server "
            f"({ratio.low:.3f} to {ratio.high:.3f}, 95 % over {len(servers[CHAIN].blocks)} blocks)"
        )
        if settings.qps is None:
            lines.append("The search itself resolves 2 %, and a load that did not hold is lowered by 3 %.")
        elif all(summary.constraints.valid for summary in servers.values()):
            lines.append("Both hold this load: a greater --qps, or --qps auto, tells which one holds more.")
    return lines


def _yes(satisfied: bool) -> str:
    return "Yes" if satisfied else "NO"
