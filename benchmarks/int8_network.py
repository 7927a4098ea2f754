"""A network as the benchmarks of INT8 need it: split, lowered for an engine, and what all its exits say."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from benchmarks.networks import Network
from eecalib.int8.ranges import Ranges
from eecompile.build.lower_graphs import Graphs, Lowering, Models, lower_graphs, quantise_models, serialize_all
from eecompile.build.prepare import Prepared, prepare
from eecompile.build.settings import BuildSettings, default_buckets
from eecompile.split import Split
from eengines.backends import load_backend
from eengines.tensors import Array
from eengines.threads import default_threads
from eerun.costs import CostTable, Piece
from eerun.data import Samples
from eerun.executor import Chain, ChainExecutor, ChainSegment, LoadedChain, load_chain

__all__ = [
    "BATCH",
    "Logits",
    "SilentStages",
    "chain_logits",
    "graph_logits",
    "load_graph",
    "load_segments",
    "lower",
    "mac_costs",
    "prepare_network",
]

BATCH = 32

Logits = NDArray[np.float32]
"""`[samples, exits, classes]`."""


class SilentStages:
    """Names the stages on the standard error, nothing else."""

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Name the stage."""
        print(f"  {title} ...", file=sys.stderr)
        yield

    def progress(self, share: float) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def detail(self, text: str) -> None:
        """Show nothing."""

    def warn(self, text: str) -> None:
        """Pass the warning on."""
        print(f"  ! {text}", file=sys.stderr)


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """What a chain is given."""

    arrays: Mapping[str, Array]

    def batches(self, rows: int) -> Iterator[dict[str, Array]]:
        """All samples, in order."""
        count = len(next(iter(self.arrays.values())))
        for start in range(0, count, rows):
            yield {name: array[start : start + rows] for name, array in self.arrays.items()}


def prepare_network(network: Network, data: Path | None, folder: Path) -> tuple[Prepared, BuildSettings]:
    """Load and split a network; its data is `data`, or else made in `folder`."""
    settings = BuildSettings(
        output=folder / "unused.ee", data=str(data or network.data(folder)), factory=network.factory
    )
    return prepare(network.model, settings, SilentStages()), settings


def mac_costs(split: Split) -> CostTable:
    """Costs in proportion to multiply-accumulates, plus one sample's a call: the same on every machine.

    They only serve to tune thresholds, where results about accuracy must not depend on how busy a machine was.
    """
    buckets = default_buckets(BATCH)

    def row(macs: int) -> tuple[float, ...]:
        return tuple(macs * (bucket + 1) / 1e9 for bucket in buckets)

    return CostTable(
        engine="none",
        precision="none",
        device="multiply-accumulates",
        buckets=buckets,
        segment_ms=tuple(row(segment.macs) for segment in split.segments),
        whole_ms=row(split.whole_macs),
        move_ms=(0.0,) * (len(split.segments) - 1),
    )


def lower(source: Lowering, ranges: Ranges, *, family: str) -> Graphs:
    """Segments and whole network in INT8 for a family of engines; what TensorRT does not round stays float32."""
    source = replace(source, ranges=ranges)
    if family != "tensorrt":
        return lower_graphs(source, family=family, precision="int8")
    float32 = Models(segments=tuple(s.model for s in source.split.segments), whole=source.split.whole)
    models = quantise_models(source, float32.segments, float32.whole, family=family, crossing=frozenset())
    return serialize_all(models)


def load_segments(prepared: Prepared, graphs: Graphs, *, engine: str) -> LoadedChain:
    """Load the chain of segments."""
    segments = tuple(
        ChainSegment(graph=graph, logits=segment.logits, score=segment.score)
        for graph, segment in zip(graphs.segments, prepared.split.segments, strict=True)
    )
    return _load(prepared, segments, engine)


def load_graph(prepared: Prepared, graph: bytes, *, engine: str) -> LoadedChain:
    """Load a whole network, with or without exit heads, as a chain of one segment."""
    last = prepared.model.graph.outputs[-1].name or ""
    return _load(prepared, (ChainSegment(graph=graph, logits=last, score=last),), engine)


def _load(prepared: Prepared, segments: tuple[ChainSegment, ...], engine: str) -> LoadedChain:
    inputs = tuple(entry.spec for entry in prepared.inputs)
    return load_chain(Chain(inputs=inputs, segments=segments), load_backend(engine), threads=default_threads())


def chain_logits(loaded: LoadedChain, costs: CostTable, samples: Samples) -> Logits:
    """What the exits of a chain say when nobody leaves."""
    executor = ChainExecutor(loaded, costs)
    return np.concatenate([executor.record(rows)[0] for rows in _Inputs(arrays=samples.inputs).batches(BATCH)])


def graph_logits(loaded: LoadedChain, outputs: list[ir.Value], samples: Samples) -> Logits:
    """What the exits of a whole graph say."""
    loaded.allocate(BATCH)
    run = loaded.session(0, Piece(offset=0, bucket=BATCH)).run
    parts = []
    for batch in _Inputs(arrays=samples.inputs).batches(BATCH):
        count = 0
        for name, array in batch.items():
            count = len(array)
            loaded.buffer(name)[:count] = array
        run()
        parts.append(np.stack([loaded.buffer(value.name or "")[:count] for value in outputs], axis=1))
    return np.concatenate(parts)
