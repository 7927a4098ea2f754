"""The protocol between an executor and an engine: the executor owns the buffers, a session is bound to them once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from eengines.tensors import Array, TensorSpec

__all__ = ["NO_SIZES", "Backend", "Capability", "Engine", "Session"]

NO_SIZES: Mapping[str, int] = MappingProxyType({})
"""For a graph whose axes behind the batch are all fixed."""


@dataclass(frozen=True, kw_only=True)
class Capability:
    """Whether a backend can be used here, and if not, why and what to do.

    Attributes:
        ok: whether it can.
        reason: why, or why not.
        precisions: what this machine computes in without falling back to another type: `float32`, `float16`,
            `bfloat16`, `int8`.
    """

    ok: bool
    reason: str
    precisions: frozenset[str] = frozenset()


class Session(Protocol):
    """An engine bound to fixed rows of its input and output buffers."""

    def run(self) -> None:
        """Read the bound inputs, write the bound outputs, return when they are written.

        Raises:
            EngineError: the library failed.
        """


class Engine(Protocol):
    """One ONNX graph, loaded on one device."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The graph's inputs, in its order."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs, in its order."""

    def open(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Session:
        """Bind the engine to arrays that all have the same number of rows (the bucket).

        The caller keeps owning the arrays and must keep them alive as long as the session. They are C-contiguous, and
        every input and output of the graph is there. Sessions of one engine may run from different threads.

        Raises:
            EngineError: an array does not have the dtype or shape that the graph declares.
        """


class Backend(Protocol):
    """A library that loads ONNX graphs."""

    @property
    def name(self) -> str:
        """The name that `--engine` takes."""

    def probe(self) -> Capability:
        """Say whether the library can be used on this machine, without loading a graph."""

    def load(self, graph: Path | bytes, *, threads: int | None, sizes: Mapping[str, int] = NO_SIZES) -> Engine:
        """Load one ONNX graph with a symbolic batch axis in front of every input and output.

        Args:
            graph: a file, or the serialized graph.
            threads: how many threads it may use, shared with the other engines of the process where the library has
                one pool; None: as many as that pool has already, or one a core.
            sizes: for axes behind the batch that have a name in place of a size, the size to load it for, by name. A
                name that the graph does not have changes nothing.

        Raises:
            EngineError: the library is missing or refuses the graph, or an axis behind the batch is left without a
                size.
        """
