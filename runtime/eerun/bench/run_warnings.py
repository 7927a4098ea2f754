"""What a user should know before believing a result."""

from eerun.bench.gpu_warnings import gpu_warnings
from eerun.bench.result import BenchResult
from eerun.bench.table import share
from eerun.costs import CostTable
from eerun.folding import Grouping, partial_groups
from eerun.measure_costs import device_name

__all__ = ["run_warnings"]

UNSTABLE_VARIATION = 0.025
"""Above this coefficient of variation trtexec, too, calls a run unstable."""

FEW_PAIRS = 20

SAME_ANSWERS = 0.999
"""With exits off, chain and whole network compute the same; rounding may turn a tie."""

SAME_ANSWERS_COARSE = 0.99
"""The same below float32, where an engine may round elsewhere when it sees the whole network."""


def run_warnings(result: BenchResult, built_with: CostTable) -> tuple[str, ...]:
    """Return sentences about a result.

    Args:
        result: the result.
        built_with: the bundle's own cost table, by which the executor chooses its batch sizes.
    """
    found = []
    variation = result.whole.speed.latency.variation
    if variation > UNSTABLE_VARIATION:
        found.append(
            f"The latency of the whole network in {result.whole.words} varies by "
            f"{share(variation, 1)} (coefficient of variation, above "
            f"{share(UNSTABLE_VARIATION, 1)}): the machine is not quiet and single latencies are unstable. "
            "Ratios between contestants hold better, since all took turns; overhead and break-even less so."
        )
    if result.whole.speedup.pairs < FEW_PAIRS:
        found.append(
            f"Only {result.whole.speedup.pairs} pairs were measured: intervals are rough. Give a longer --duration."
        )
    on = f"{device_name()}, {result.subject.threads} threads" if result.gpu is None else result.gpu.card
    here = f"{result.subject.engine} on {on}"
    there = f"{built_with.engine} on {built_with.device}"
    if here != there:
        found.append(
            f"The bundle's costs were measured with {there}; this run uses {here}. "
            "Build again here, or batches may be cut in a poor way."
        )
    exact = result.subject.precision == "float32"
    if not _other_partners(result) and result.quality.agreement_exits_off < (
        SAME_ANSWERS if exact else SAME_ANSWERS_COARSE
    ):
        found.append(
            f"With exits off the chain agrees with the whole network in {result.baselines[result.own].words} on only "
            f"{share(result.quality.agreement_exits_off, 2)} of the samples: "
            "run `eecompile verify`."
        )
    partial = partial_groups(result.subject.batch, result.subject.fold)
    if partial is not None:
        found.append(partial)
    return (*found, *(() if result.gpu is None else gpu_warnings(result.gpu)))


def _other_partners(result: BenchResult) -> bool:
    """Whether an image shares its group with others in the chain than in whole networks, which go by arrival."""
    return result.folding is not None and result.folding.grouping != Grouping.ARRIVAL
