"""What a loaded candidate costs: one table, and where the sequence length is dynamic one for each length bucket."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from eecompile.build.chain_executor import chain_executor
from eecompile.build.length_buckets import samples_of_length
from eecompile.build.prepare import Prepared
from eecompile.build.settings import BuildSettings
from eecompile.build.trial import Loaded, Sized
from eengines.tensors import Array
from eengines.threads import threads_or_default
from eerun.blend_costs import blend_costs
from eerun.costs import CostTable
from eerun.executor import ChainExecutor, HostExecutor, LengthExecutor
from eerun.measure_costs import MeterSettings, Subject, measure_costs

__all__ = ["MeasuredCosts", "measure_loaded", "open_executor"]


@dataclass(frozen=True, kw_only=True)
class MeasuredCosts:
    """Measured times of one candidate.

    Attributes:
        table: its times; with length buckets those expected of a mixture like *tune*.
        at: its times at each length bucket, ascending; none without.
    """

    table: CostTable
    at: Mapping[int, CostTable] = field(default_factory=dict)


def measure_loaded(
    entries: Sequence[Loaded],
    prepared: Prepared,
    settings: BuildSettings,
    progress: Callable[[float], None],
    *,
    seconds: float,
) -> tuple[MeasuredCosts, ...]:
    """Measure candidates in turns, at every length bucket.

    Args:
        entries: what is measured.
        prepared: the samples to measure with.
        settings: batch sizes and threads.
        progress: called with the share of the time that has passed.
        seconds: for each candidate, all length buckets together.
    """
    given = {entry.length: _samples(prepared, entry.length) for entry in entries[0].sized}
    subjects = [_subject(entry, sized, given[sized.length]) for entry in entries for sized in entry.sized]
    meter = MeterSettings(
        threads=threads_or_default(settings.threads),
        buckets=settings.row_buckets(prepared.fold),
        seconds=seconds / len(entries[0].sized),
    )
    tables = iter(measure_costs(subjects, prepared.samples, meter, progress))
    shares = {entry.length: entry.share for entry in prepared.lengths}
    found = []
    for entry in entries:
        at = {sized.length: next(tables) for sized in entry.sized}
        lengths = {length: table for length, table in at.items() if length is not None}
        found.append(MeasuredCosts(table=blend_costs(lengths, shares) if lengths else at[None], at=lengths))
    return tuple(found)


def open_executor(loaded: Loaded, costs: MeasuredCosts, prepared: Prepared) -> ChainExecutor | LengthExecutor:
    """Make a candidate ready to run; with length buckets samples find theirs."""
    if not costs.at:
        return chain_executor(loaded.chain, costs.table)
    executors = {
        sized.length: HostExecutor(sized.chain, costs.at[sized.length])
        for sized in loaded.sized
        if sized.length is not None
    }
    return LengthExecutor(executors, prepared.inputs)


def _samples(prepared: Prepared, length: int | None) -> Mapping[str, Array]:
    if length is None:
        return prepared.samples
    lengths = [entry.length for entry in prepared.lengths]
    return samples_of_length(prepared.samples, prepared.inputs, lengths, length)


def _subject(entry: Loaded, sized: Sized, inputs: Mapping[str, Array]) -> Subject:
    candidate = entry.candidate
    return Subject(
        engine=candidate.engine,
        precision=candidate.precision,
        chain=sized.chain,
        whole=sized.whole,
        inputs=inputs,
    )
