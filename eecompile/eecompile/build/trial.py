"""One way to run the network, tried: loaded, measured, recorded, tuned and compared with float32."""

from dataclasses import dataclass

from eecalib.agreement import keeps_bound
from eecompile.build.candidates import Candidate
from eecompile.build.lower_graphs import Graphs
from eecompile.build.prepare import Prepared
from eecompile.build.recorded import Recorded
from eecompile.build.tune import Tuned
from eengines.engine import Backend
from eerun.costs import CostTable
from eerun.executor import Chain, ChainSegment, LoadedChain, load_chain

__all__ = ["Loaded", "Trial", "load_candidate"]


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A candidate whose graphs an engine has taken.

    Attributes:
        candidate: engine and precision.
        graphs: what was loaded.
        chain: the segments.
        whole: the network without exit heads, as a chain of one segment.
    """

    candidate: Candidate
    graphs: Graphs
    chain: LoadedChain
    whole: LoadedChain


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A candidate that was measured, recorded and tuned.

    Attributes:
        loaded: its graphs.
        costs: measured times.
        recorded: what its exits say; None without data.
        tuned: its thresholds, and what they do.
        agreement: for each exit, the share of the *tune* samples that it answers as in float32; None without data.
        agreement_test: the same on *test*, which chose nothing.
        answers_kept: share of the *tune* samples whose answer, at the exit where they leave in float32, is the same;
            None without data.
    """

    loaded: Loaded
    costs: CostTable
    recorded: Recorded | None
    tuned: Tuned
    agreement: tuple[float, ...] | None
    agreement_test: tuple[float, ...] | None
    answers_kept: float | None

    @property
    def candidate(self) -> Candidate:
        """Engine and precision."""
        return self.loaded.candidate

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
    """Load segments and whole network.

    Raises:
        EngineError: the engine refuses a graph.
    """
    inputs = tuple(entry.spec for entry in prepared.inputs)
    heads = prepared.split.segments
    chain = Chain(
        inputs=inputs,
        segments=tuple(
            ChainSegment(graph=graph, logits=head.logits, score=head.score)
            for graph, head in zip(graphs.segments, heads, strict=True)
        ),
    )
    output = heads[-1].logits
    whole = Chain(inputs=inputs, segments=(ChainSegment(graph=graphs.whole, logits=output, score=output),))
    return Loaded(
        candidate=candidate,
        graphs=graphs,
        chain=load_chain(chain, backend, threads=threads),
        whole=load_chain(whole, backend, threads=threads),
    )
