"""Which values cross which boundary, and the buffers and sessions of a chain.

There is one buffer for each value that leaves a segment, not one for each boundary: a value that segment 2 needs and
segment 0 made stays where it is while segment 1 runs, and so does an input that several segments read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from eengines.engine import NO_SIZES, Backend, Engine, Session
from eengines.errors import BundleError
from eengines.tensors import Array, TensorSpec, allocate
from eerun.costs import Piece

REBUILD = "Build the bundle again"

LOGIT_RANKS = (1, 3)
"""Axes of one sample's logits: classes, or classes, height and width."""

__all__ = ["Chain", "ChainLayout", "ChainSegment", "LoadedChain", "load_chain"]


@dataclass(frozen=True, kw_only=True)
class ChainSegment:
    """One segment as ONNX bytes, with the names of its exit's outputs.

    Attributes:
        graph: the serialized ONNX graph.
        logits: output `[batch, classes] float32`, or `[batch, classes, height, width]`.
        score: output `[batch] float32`.
    """

    graph: bytes
    logits: str
    score: str


@dataclass(frozen=True, kw_only=True)
class Chain:
    """What an executor needs to know of a network."""

    inputs: tuple[TensorSpec, ...]
    segments: tuple[ChainSegment, ...]


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

    def __init__(self, chain: Chain, engines: Sequence[HasTensors]) -> None:
        self.chain = chain
        self._engines = tuple(engines)
        self.specs = {spec.name: spec for spec in chain.inputs}
        for index, engine in enumerate(self._engines):
            for spec in engine.inputs:
                if self.specs.get(spec.name) != spec:
                    raise BundleError(
                        f"segment {index}",
                        f"input {spec.name!r} is {spec}, the chain has {self.specs.get(spec.name)}",
                        REBUILD,
                    )
            self.specs.update((spec.name, spec) for spec in engine.outputs)
        self._check_heads()
        self.crossing = tuple(self._crossing(index) for index in range(len(self._engines) - 1))

    def _check_heads(self) -> None:
        """Every exit has logits of one shape, made by its own segment, and a score `[batch]`."""
        shapes = {self._head(index, head.logits) for index, head in enumerate(self.chain.segments)}
        if len(shapes) != 1 or any(len(shape) not in LOGIT_RANKS for shape in shapes):
            problem = f"got logits of shapes {sorted(shapes)}, expected one (classes,) or (classes, height, width)"
            raise BundleError("exits", problem, REBUILD)
        for index, head in enumerate(self.chain.segments):
            if head.score != head.logits and self._head(index, head.score) != ():
                raise BundleError(f"segment {index}", f"score {head.score!r} is not one number a sample", REBUILD)

    def _head(self, index: int, name: str) -> tuple[int, ...]:
        """Shape of one sample of an output of a segment."""
        for spec in self._engines[index].outputs:
            if spec.name == name and spec.dtype.startswith("float"):
                return spec.shape
        raise BundleError(f"segment {index}", f"it has no floating-point output {name!r}", REBUILD)

    def _crossing(self, index: int) -> tuple[str, ...]:
        """Values made up to segment `index` (or given) that a later segment reads."""
        made = [spec.name for spec in self.chain.inputs]
        made += [spec.name for engine in self._engines[: index + 1] for spec in engine.outputs]
        read = {spec.name for engine in self._engines[index + 1 :] for spec in engine.inputs}
        return tuple(name for name in made if name in read)


class LoadedChain:
    """The engines of a chain, the buffers between them, and the sessions bound to rows of these buffers.

    Attributes:
        chain: what was loaded.
        engines: one for each segment.
        crossing: `[boundary]` names of the values that a survivor takes along after segment `k`.
    """

    def __init__(self, chain: Chain, engines: Sequence[Engine]) -> None:
        layout = ChainLayout(chain, engines)
        self.chain = chain
        self.engines = tuple(engines)
        self.crossing = layout.crossing
        self._specs = layout.specs
        self._sessions: dict[tuple[int, Piece], Session] = {}
        self._buffers: dict[str, Array] = {}

    def allocate(self, rows: int) -> None:
        """Give every value a buffer of `rows` rows; sessions bound to smaller buffers are dropped."""
        self._sessions.clear()
        self._buffers = {name: allocate(spec, rows) for name, spec in self._specs.items()}

    def buffer(self, name: str) -> Array:
        """The buffer `[rows, ...]` of a value."""
        return self._buffers[name]

    def session(self, segment: int, piece: Piece) -> Session:
        """The session of a segment on some rows of the buffers; opened at the first call, kept afterwards."""
        key = (segment, piece)
        if key not in self._sessions:
            engine, rows = self.engines[segment], slice(piece.offset, piece.offset + piece.bucket)
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
    return LoadedChain(chain, [backend.load(segment.graph, threads=threads, sizes=sizes) for segment in chain.segments])
