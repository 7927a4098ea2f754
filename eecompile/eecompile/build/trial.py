"""One way to run the network, tried: loaded, measured, recorded, tuned and compared with float32."""

from dataclasses import dataclass, replace

from eecalib.agreement import keeps_bound
from eecompile.build.candidates import Candidate
from eecompile.build.lower_graphs import Graphs
from eecompile.build.prepare import Prepared
from eecompile.build.report import RankReport
from eecompile.build.tune import Tuned
from eengines.engine import NO_SIZES, Backend
from eerun.bundle import LENGTH
from eerun.costs import CostTable
from eerun.executor import Chain, ChainSegment, LoadedChain, load_chain

__all__ = ["Loaded", "Sized", "Trial", "load_candidate"]


@dataclass(frozen=True, kw_only=True)
class Sized:
    """Graphs that an engine has taken for one sequence length.

    Attributes:
        length: the bucket; None: the network has no sequence axis.
        chain: the segments.
        whole: the network without exit heads, as a chain of one segment.
    """

    length: int | None
    chain: LoadedChain
    whole: LoadedChain


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A candidate whose graphs an engine has taken.

    Attributes:
        candidate: engine and precision.
        graphs: what was loaded.
        sized: the same loaded for each length bucket, ascending; one without a length where there are none.
    """

    candidate: Candidate
    graphs: Graphs
    sized: tuple[Sized, ...]

    @property
    def chain(self) -> LoadedChain:
        """The segments, at the greatest length."""
        return self.sized[-1].chain

    @property
    def whole(self) -> LoadedChain:
        """The network without exit heads as a chain of one segment, at the greatest length."""
        return self.sized[-1].whole


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A candidate that was measured, recorded and tuned.

    Attributes:
        loaded: its graphs.
        unit: what answers are counted by: `sample`, or `pixel`.
        costs: measured times; of a network with a sequence axis, expected over all lengths.
        length_costs: the same at each length bucket, ascending.
        tuned: its thresholds, and what they do.
        agreement: for each exit, the share of the *tune* samples, of maps of their pixels, that it answers as in
            float32; None without data.
        agreement_test: the same on *test*, which chose nothing.
        ranks: how well its scores tell right answers from wrong ones; None without data.
        answers_kept: share of the *tune* samples whose answer, at the exit where they leave in float32, is the same;
            None without data.
    """

    loaded: Loaded
    unit: str
    costs: CostTable
    length_costs: tuple[CostTable, ...]
    tuned: Tuned
    agreement: tuple[float, ...] | None
    agreement_test: tuple[float, ...] | None
    answers_kept: float | None
    ranks: RankReport | None

    @property
    def candidate(self) -> Candidate:
        """Engine and precision."""
        return self.loaded.candidate

    @property
    def batch(self) -> int:
        """Samples of a full batch, of a folded network images."""
        return self.costs.max_batch * self.loaded.chain.chain.fold

    @property
    def expected_ms(self) -> float:
        """Expected milliseconds of a full batch: on *tune* with the tuned thresholds, without data if nobody leaves."""
        if self.tuned.tune is not None:
            return self.tuned.tune.expected_ms
        return self.chain_ms

    @property
    def chain_ms(self) -> float:
        """Milliseconds of a full batch if nobody leaves early, each segment in its cheapest buckets."""
        return sum(self.costs.run_ms(index, self.costs.max_batch) for index in range(self.costs.segments))

    @property
    def whole_ms(self) -> float:
        """Milliseconds of a full batch in the network without exit heads, in its cheapest buckets."""
        return self.costs.of_whole().run_ms(0, self.costs.max_batch)

    def keeps(self, max_quant_drop: float) -> bool:
        """Whether the final exit, and the exits where samples leave, answer as in float32 often enough."""
        if self.agreement is None or self.answers_kept is None:
            return True
        return keeps_bound((self.agreement[-1], self.answers_kept), max_quant_drop)


def load_candidate(
    candidate: Candidate, graphs: Graphs, backend: Backend, prepared: Prepared, *, threads: int
) -> Loaded:
    """Load segments and whole network, at every length bucket.

    Raises:
        EngineError: the engine refuses a graph.
    """
    lengths = tuple(entry.length for entry in prepared.lengths) or (None,)
    sized = tuple(_load_at(length, graphs, backend, prepared, threads=threads) for length in lengths)
    return Loaded(candidate=candidate, graphs=graphs, sized=sized)


def _load_at(length: int | None, graphs: Graphs, backend: Backend, prepared: Prepared, *, threads: int) -> Sized:
    """Load segments and whole network for one sequence length."""
    fold = prepared.fold
    specs = (entry.spec_at(length) for entry in prepared.inputs)
    inputs = tuple(spec if fold == 1 else replace(spec, shape=(fold, *spec.shape)) for spec in specs)
    sizes = NO_SIZES if length is None else {LENGTH: length}
    heads = prepared.split.segments
    chain = Chain(
        inputs=inputs,
        segments=tuple(
            ChainSegment(graph=graph, logits=head.logits, score=head.score)
            for graph, head in zip(graphs.segments, heads, strict=True)
        ),
        fold=fold,
        group_exit=prepared.group_exit,
    )
    output = heads[-1].logits
    segments = (ChainSegment(graph=graphs.whole, logits=output, score=output),)
    whole = Chain(inputs=inputs, segments=segments, fold=fold)
    return Sized(
        length=length,
        chain=load_chain(chain, backend, threads=threads, sizes=sizes),
        whole=load_chain(whole, backend, threads=threads, sizes=sizes),
    )
