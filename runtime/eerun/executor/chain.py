"""Which values cross which boundary, and the buffers and sessions of a chain.

There is one buffer for each value that leaves a segment, not one for each boundary: a value that segment 2 needs and
segment 0 made stays where it is while segment 1 runs, and so does an input that several segments read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from eengines.engine import NO_SIZES, Backend, Engine, Session
from eengines.errors import BundleError
from eengines.tensors import Array, TensorSpec, allocate
from eerun.costs import Piece
from eerun.folding import GroupExit

REBUILD = "Build the bundle again"

LOGIT_RANKS = (1, 3)
"""Axes of one sample's logits: classes, or classes, height and width."""

FOLDED_RANKS = (2,)
"""Of one group's: images and classes."""

__all__ = ["Chain", "ChainLayout", "ChainSegment", "LoadedChain", "Skipping", "load_chain"]


@dataclass(frozen=True, kw_only=True)
class ChainSegment:
    """One segment as ONNX bytes, with the names of its exit's outputs.

    Attributes:
        graph: the serialized ONNX graph.
        logits: output `[batch, classes] float32`, or `[batch, classes, height, width]`.
        score: output `[batch] float32`.
        head: the serialized graph of the exit's head where it is a graph of its own: it makes score, state and, unless
            a later segment reads them, logits, from what `graph` and earlier heads make. None: `graph` makes them.
    """

    graph: bytes
    logits: str
    score: str
    head: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Skipping:
    """How a policy skips exits: what an executor must know not to run heads for nothing.

    Attributes:
        due: name of the state tensor `[batch] int64` that holds the exit at which a sample is tested next.
        first_exit: the exit at which every sample is tested first; before, all other state is 0.
        state: names of all state tensors, `due` among them; exit `k` hands on `state_<k>_<name>`.
    """

    due: str
    first_exit: int
    state: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Chain:
    """What an executor needs to know of a network.

    Attributes:
        inputs: raw inputs, as a row of the graphs takes them: of a folded network `(fold, *image)`.
        segments: shallow to deep. All early exits have heads of their own, or none.
        skipping: None: every sample is tested at every exit, or heads are in their segments.
        fold: images a row. Above 1 logits are `[rows, fold, classes]`, scores `[rows, fold]`.
        group_exit: when a group leaves, where `fold` is above 1.
    """

    inputs: tuple[TensorSpec, ...]
    segments: tuple[ChainSegment, ...]
    skipping: Skipping | None = None
    fold: int = 1
    group_exit: GroupExit = GroupExit.ALL

    @property
    def has_heads(self) -> bool:
        """Whether heads are graphs of their own."""
        return any(segment.head is not None for segment in self.segments)


class HasTensors(Protocol):
    """What the layout of a chain needs of an engine, on the host or on a device."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The graph's inputs, in its order."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs, in its order."""


class ChainLayout:
    """Which values there are, and which of them cross which boundary.

    Attributes:
        chain: the network.
        specs: every value that is an input of the chain or leaves a segment, by name.
        crossing: `[boundary]` names of the values that a survivor takes along after segment `k`.

    Raises:
        BundleError: the segments do not fit together.
    """

    def __init__(self, chain: Chain, engines: Sequence[HasTensors], heads: Sequence[HasTensors] = ()) -> None:
        self.chain = chain
        self._parts = [(engine, *heads[index : index + 1]) for index, engine in enumerate(engines)]
        self.specs = {spec.name: spec for spec in chain.inputs}
        for index, engine in ((index, engine) for index, part in enumerate(self._parts) for engine in part):
            for spec in engine.inputs:
                if self.specs.get(spec.name) != spec:
                    raise BundleError(
                        f"segment {index}",
                        f"input {spec.name!r} is {spec}, the chain has {self.specs.get(spec.name)}",
                        REBUILD,
                    )
            self.specs.update((spec.name, spec) for spec in engine.outputs)
        self._check_heads()
        self.crossing = tuple(self._crossing(index) for index in range(len(self._parts) - 1))

    def _check_heads(self) -> None:
        """Every exit has logits of one shape, made by its own segment, and a score for each sample."""
        fold = self.chain.fold
        images, ranks = ((), LOGIT_RANKS) if fold == 1 else ((fold,), FOLDED_RANKS)
        shapes = {self._head(index, head.logits) for index, head in enumerate(self.chain.segments)}
        if len(shapes) != 1 or any(len(shape) not in ranks or shape[: len(images)] != images for shape in shapes):
            expected = "(classes,) or (classes, height, width)" if fold == 1 else f"({fold}, classes)"
            problem = f"got logits of shapes {sorted(shapes)}, expected one {expected}"
            raise BundleError("exits", problem, REBUILD)
        for index, head in enumerate(self.chain.segments):
            if head.score != head.logits and self._head(index, head.score) != images:
                raise BundleError(f"segment {index}", f"score {head.score!r} is not one number a sample", REBUILD)

    def _head(self, index: int, name: str) -> tuple[int, ...]:
        """Shape of one sample of an output of a segment."""
        for spec in (spec for engine in self._parts[index] for spec in engine.outputs):
            if spec.name == name and spec.dtype.startswith("float"):
                return spec.shape
        raise BundleError(f"segment {index}", f"it has no floating-point output {name!r}", REBUILD)

    def _crossing(self, index: int) -> tuple[str, ...]:
        """Values made up to segment `index` (or given) that a later segment reads."""
        made = [spec.name for spec in self.chain.inputs]
        made += [spec.name for part in self._parts[: index + 1] for engine in part for spec in engine.outputs]
        read = {spec.name for part in self._parts[index + 1 :] for engine in part for spec in engine.inputs}
        return tuple(name for name in made if name in read)


class LoadedChain:
    """The engines of a chain, the buffers between them, and the sessions bound to rows of these buffers.

    Attributes:
        chain: what was loaded.
        engines: one for each segment.
        heads: one for each early exit, where heads are graphs of their own; else none.
        crossing: `[boundary]` names of the values that a survivor takes along after segment `k`.
        specs: every value that is an input of the chain or leaves a segment, by name.
    """

    def __init__(self, chain: Chain, engines: Sequence[Engine], heads: Sequence[Engine] = ()) -> None:
        layout = ChainLayout(chain, engines, heads)
        self.chain = chain
        self.engines = tuple(engines)
        self.heads = tuple(heads)
        self.crossing = layout.crossing
        self.specs = layout.specs
        self._sessions: dict[tuple[int, Piece], Session] = {}
        self._buffers: dict[str, Array] = {}

    def allocate(self, rows: int) -> None:
        """Give every value a buffer of `rows` rows; sessions bound to smaller buffers are dropped."""
        self._sessions.clear()
        self._buffers = {name: allocate(spec, rows) for name, spec in self.specs.items()}

    def buffer(self, name: str) -> Array:
        """The buffer `[rows, ...]` of a value."""
        return self._buffers[name]

    def session(self, segment: int, piece: Piece) -> Session:
        """The session of a segment on some rows of the buffers; opened at the first call, kept afterwards."""
        return self._session(segment, self.engines[segment], piece)

    def head_session(self, exit_index: int, piece: Piece) -> Session:
        """The session of a head that is a graph of its own; see `session`."""
        return self._session(-1 - exit_index, self.heads[exit_index], piece)

    def runs(self, buckets: Sequence[int]) -> dict[tuple[int, int], Callable[[], None]]:
        """Every segment, and every head of its own, at every bucket: see `Executor.runs`."""
        runs: dict[tuple[int, int], Callable[[], None]] = {}
        for piece in (Piece(offset=0, bucket=bucket) for bucket in buckets):
            for segment in range(len(self.engines)):
                runs[segment, piece.bucket] = self.session(segment, piece).run
            for exit_index in range(len(self.heads)):
                runs[-1 - exit_index, piece.bucket] = self.head_session(exit_index, piece).run
        return runs

    def _session(self, number: int, engine: Engine, piece: Piece) -> Session:
        key = (number, piece)
        if key not in self._sessions:
            rows = slice(piece.offset, piece.offset + piece.bucket)
            self._sessions[key] = engine.open(
                {spec.name: self._buffers[spec.name][rows] for spec in engine.inputs},
                {spec.name: self._buffers[spec.name][rows] for spec in engine.outputs},
            )
        return self._sessions[key]


def load_chain(
    chain: Chain, backend: Backend, *, threads: int | None, sizes: Mapping[str, int] = NO_SIZES
) -> LoadedChain:
    """Load every segment of a chain.

    Args:
        chain: graphs, and inputs in the sizes that are loaded.
        backend: loads them.
        threads: see `Backend.load`.
        sizes: see `Backend.load`.

    Raises:
        EngineError: the backend refuses a segment.
        BundleError: the segments do not fit together.
    """
    heads = [segment.head for segment in chain.segments if segment.head is not None]
    if heads and len(heads) != len(chain.segments) - 1:
        problem = f"got {len(heads)} heads for {len(chain.segments) - 1} early exits, expected all of them or none"
        raise BundleError("chain", problem, REBUILD)
    return LoadedChain(
        chain,
        [backend.load(segment.graph, threads=threads, sizes=sizes) for segment in chain.segments],
        [backend.load(head, threads=threads, sizes=sizes) for head in heads],
    )
