"""The graphs of one configuration with some of its exits, heads in their segments or apart, and what they cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from eecompile.regraph import ExitNames, fuse_head, keep_exits, rescore, split_heads
from eengines.tensors import Array
from eengines.threads import threads_or_default
from eerun.bundle import Bundle, ConfigurationEntry
from eerun.configuration import HostConfiguration
from eerun.costs import CostTable
from eerun.executor import Chain, ChainSegment, Skipping
from eerun.measure_costs import MeterSettings, Subject, measure_costs
from eerun.policies import ExitPolicy, MaxProbabilityPolicy

__all__ = ["ExitGraphs", "Shape", "fused_segments", "make_graphs", "measure_shapes"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Which exits there are, and where their heads are.

    Attributes:
        kept: indices of the early exits that stay, ascending, as the bundle counts them.
        heads_apart: whether heads are graphs of their own.
    """

    kept: tuple[int, ...]
    heads_apart: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class ExitGraphs:
    """Graphs of a configuration in one shape, with the score of one policy.

    Attributes:
        segments: one for each exit.
        heads: of the early exits, where they are apart; else none.
        names: of the outputs of each exit.
        policy: the policy.
    """

    segments: tuple[bytes, ...]
    heads: tuple[bytes, ...]
    names: tuple[ExitNames, ...]
    policy: ExitPolicy

    def chain(self, way: HostConfiguration) -> Chain:
        """What an executor runs."""
        skips = self.policy.skips_by if self.heads else None
        heads = (*self.heads, *(None,) * (len(self.segments) - len(self.heads)))
        return Chain(
            inputs=way.row_specs(),
            segments=tuple(
                ChainSegment(graph=graph, logits=names.logits, score=names.score, head=head)
                for graph, names, head in zip(self.segments, self.names, heads, strict=True)
            ),
            fold=way.bundle.manifest.images_a_row,
            skipping=None
            if skips is None
            else Skipping(
                due=skips, first_exit=self.policy.first_exit, state=tuple(spec.name for spec in self.policy.state)
            ),
        )


def make_graphs(
    bundle: Bundle, files: Sequence[str], heads: Sequence[str], shape: Shape, policy: ExitPolicy
) -> ExitGraphs:
    """Return graphs in another shape, with another score; weights and all other nodes stay.

    Args:
        bundle: the bundle.
        files: its segments of some configuration.
        heads: the heads of that, where they are apart.
        shape: what is wanted.
        policy: whose score is appended.

    Raises:
        BundleError: a file is damaged.
        BuildError: heads cannot be taken apart.
    """
    segments = fused_segments(bundle, files, heads)
    names = tuple(ExitNames(logits=entry.logits, score=entry.score) for entry in bundle.manifest.segments)
    if len(shape.kept) < len(segments) - 1:
        segments, names = keep_exits(segments, names, (*shape.kept, len(segments) - 1))
    scored = rescore(segments, policy, names)
    trunks, apart = split_heads(scored, names) if shape.heads_apart else (scored, ())
    return ExitGraphs(segments=trunks, heads=apart, names=names, policy=policy)


def fused_segments(bundle: Bundle, files: Sequence[str], heads: Sequence[str]) -> tuple[bytes, ...]:
    """Return segments of a bundle with their heads inside; `files` and `heads` are those of `make_graphs`."""
    parts = [bundle.read(file) for file in files]
    parts[: len(heads)] = [fuse_head(*pair) for pair in zip(parts, map(bundle.read, heads), strict=False)]
    return tuple(parts)


def measure_shapes(
    pairs: Sequence[tuple[HostConfiguration, Shape]],
    samples: Mapping[str, Array],
    progress: Callable[[float], None],
    *,
    seconds: float,
    threads: int | None,
) -> tuple[CostTable, ...]:
    """Measure graphs in turns: configurations in some shapes, each with its whole network.

    Args:
        pairs: what is measured.
        samples: raw samples by input name.
        progress: called with the share of the time that has passed.
        seconds: for each pair.
        threads: of the engines.
    """
    buckets = pairs[0][0].costs().buckets
    meter = MeterSettings(threads=threads_or_default(threads), buckets=buckets, seconds=seconds)
    return measure_costs([_subject(*pair, threads) for pair in pairs], samples, meter, progress)


def _subject(way: HostConfiguration, shape: Shape, threads: int | None) -> Subject:
    entry: ConfigurationEntry = way.entry
    graphs = make_graphs(way.bundle, entry.segments, entry.heads, shape, MaxProbabilityPolicy())
    return Subject(
        engine=way.engine,
        precision=entry.precision,
        chain=way.load(graphs.chain(way), threads=threads),
        whole=way.load(way.whole(), threads=threads),
    )
