"""A bench result as text: trtexec's block, then exits, segments and the verdict."""

from eerun.bench.folding_text import folding_block
from eerun.bench.gpu_text import gpu_block
from eerun.bench.result import BenchResult
from eerun.bench.speeds import ContestantSummary
from eerun.bench.statistics import Latency
from eerun.bench.table import aligned, number, share
from eerun.bench.verdict import verdict

__all__ = ["text_report"]


def text_report(result: BenchResult) -> str:
    """Return the blocks that `eerun bench` prints, without an end of line."""
    blocks = [_performance(result), _exits(result), _segments(result), *_heats(result), _contestants(result)]
    if result.gpu is not None:
        blocks.append(gpu_block(result.gpu, tuple(exit_.name for exit_ in result.exits)))
    if result.folding is not None:
        blocks.append(folding_block(result, result.folding))
    blocks.append(["=== Verdict ===", *verdict(result)])
    return "\n\n".join("\n".join(block) for block in blocks)


def _performance(result: BenchResult) -> list[str]:
    """The wording of trtexec's performance summary; a query is a batch."""
    chain = result.chain
    return [
        "=== Performance summary ===",
        f"Throughput: {chain.batches / chain.total_s:.6g} qps",
        f"Throughput in samples: {chain.samples_per_s:.6g} samples/s",
        f"Latency: {_latency(chain.latency)}",
        f"Total Host Walltime: {chain.total_s:.3f} s",
        *(f"* {warning}" for warning in result.warnings),
    ]


def _latency(latency: Latency) -> str:
    return (
        f"min = {latency.min_ms:.6g} ms, max = {latency.max_ms:.6g} ms, mean = {latency.mean_ms:.6g} ms, "
        f"median = {latency.median_ms:.6g} ms, percentile(90%) = {latency.percentile_90_ms:.6g} ms, "
        f"percentile(95%) = {latency.percentile_95_ms:.6g} ms, percentile(99%) = {latency.percentile_99_ms:.6g} ms"
    )


def _exits(result: BenchResult) -> list[str]:
    rows = [("exit", "threshold", "share", "p50 ms", "p90 ms", "p99 ms", *_quality_columns(result))]
    rows += [
        (
            exit_.name,
            number(exit_.threshold, 4),
            share(exit_.share, 1),
            number(exit_.percentile_50_ms, 3),
            number(exit_.percentile_90_ms, 3),
            number(exit_.percentile_99_ms, 3),
            share(exit_.accuracy, 2),
            share(exit_.agreement, 2),
        )
        for exit_ in result.exits
    ]
    return ["=== Exit summary ===", *aligned(rows)]


def _quality_columns(result: BenchResult) -> tuple[str, str]:
    """Heads of the columns of shares."""
    return ("accuracy", "agreement") if result.quality.unit == "sample" else ("right pixels", "same pixels")


def _segments(result: BenchResult) -> list[str]:
    batch = "batch in" if result.folding is None else "groups in"
    rows = [("segment to", "reached", batch, "alive in", "survivors out", "run ms", "boundary us")]
    rows += [
        (
            segment.exit,
            share(segment.reached, 1),
            number(segment.rows_in, 1),
            number(segment.survivors_in, 1),
            number(segment.survivors_out, 1),
            number(segment.run_ms, 3),
            number(segment.boundary_us, 1),
        )
        for segment in result.segments
    ]
    return ["=== Segment summary ===", *aligned(rows)]


def _heats(result: BenchResult) -> list[list[str]]:
    """How the whole networks of the run were found; nothing where there was no choice."""
    if len(result.heat_ms) == 1:
        return []
    rows = [("in turns on the same batches", "ms a batch", "")]
    for name, ms in sorted(result.heat_ms.items(), key=lambda item: item[1]):
        rows.append((name, number(ms, 3), "in the run" if name in result.baselines else "too slow for the run"))
    return [
        ["=== Heats of the whole network, every engine and precision of the bundle that runs here ===", *aligned(rows)]
    ]


def _contestants(result: BenchResult) -> list[str]:
    rows = [("in turns on the same batches", "median ms", "p90 ms", "samples/s")]
    rows += [
        _contestant("chain with exits", result.chain),
        _contestant("chain, exits off", result.exits_off),
    ]
    if result.padding is not None:
        name = f"chain with exits, all padded to {result.padding.lengths[-1]}"
        rows.append(_contestant(name, result.padding.speed))
    if result.folding is not None and result.folding.groupings is not None:
        other, there = result.folding.groupings.other_than(result.folding.grouping)
        rows.append(_contestant(f"chain with exits, grouping {other}", there.speed))
    unfolded = None if result.folding is None else result.folding.unfolded
    if unfolded is not None:
        rows.append(_contestant(f"unfolded chain with exits, {unfolded.engine} {unfolded.precision}", unfolded.chain))
    for name, baseline in result.baselines.items():
        marks = [
            words for words, holds in (("fastest", result.fastest), ("the chain's own", result.own)) if name == holds
        ]
        note = f" ({', '.join(marks)})" if marks and len(result.baselines) > 1 else ""
        rows.append(_contestant(f"whole network, {baseline.words}{note}", baseline.speed))
    if result.padding is not None:
        words = result.baselines[result.padding.whole].words
        name = f"whole network, {words}, all padded to {result.padding.lengths[-1]}"
        rows.append(_contestant(name, result.padding.whole_speed))
    return [f"=== Contestants ({result.wall_s:.1f} s together) ===", *aligned(rows)]


def _contestant(name: str, contestant: ContestantSummary) -> tuple[str, str, str, str]:
    latency = contestant.latency
    return (
        name,
        number(latency.median_ms, 3),
        number(latency.percentile_90_ms, 3),
        number(contestant.samples_per_s, 1),
    )
